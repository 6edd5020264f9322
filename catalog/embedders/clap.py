"""CLAP through transformers: the shipped starter, a folder, or a hub checkpoint, all by the same classes.

Wu et al. 2023 (LAION-CLAP, arXiv 2211.06687): an audio tower (HTSAT) and a text tower (RoBERTa) project into one
space; similarity is the cosine. Departures: a clip is heard from its start for the extractor's `max_length_s` (the
extractor itself would cut longer clips at a random place), zero-padded, at peak 1; so equal clips give equal vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catalog.embedders.frontend import listening_wave
from catalog.embedders.kernels import exact_float32
from catalog.errors import EmbedderError, first_line
from generation.audio import Clip

BATCH = 32


class TransformersClap:
    """A ClapModel with its feature extractor and tokenizer."""

    def __init__(self, place: str, name: str | None = None, device: str = "cpu") -> None:
        """Load from a folder, or from the hub id `ID[@REVISION]`.

        Raises EmbedderError when nothing is there, naming what to do.
        """
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        folder, _, revision = (place, "", "") if Path(place).is_dir() else place.partition("@")
        options: dict[str, Any] = {"revision": revision} if revision else {}
        try:
            loaded: Any = ClapModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **options)
            self._extractor = ClapFeatureExtractor.from_pretrained(folder, **options)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        except Exception as error:  # each file format has errors of its own
            told = f"no CLAP model at {place} ({first_line(error)})"
            raise EmbedderError(f"{told}; give a folder with a ClapModel, or use the embedder 'starter'") from error
        model, told = loaded
        # transformers draws what a file lacks at random, so that every process would hear otherwise.
        missing = sorted(name for name in told["missing_keys"] if model.state_dict()[name].is_floating_point())
        if missing:
            raise EmbedderError(f"{place}: its weights lack {', '.join(missing[:3])}; fetch it again, or use 'starter'")
        self._model = model.float().eval().to(device)
        self._device = device
        resolved = getattr(model.config, "_commit_hash", None)
        self._id = f"{name or Path(folder).name}@{resolved or _fingerprint(model)}"

    @property
    def id(self) -> str:
        """Name and, for a hub model, its commit; else a hash of the weights."""
        return self._id

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._model.config.projection_dim)

    @property
    def sample_rate_hz(self) -> int:
        """Rate the audio tower was trained at."""
        return int(self._extractor.sampling_rate)

    @torch.inference_mode()
    @exact_float32()
    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        """Embed clips of any rate. Returns float32 [n, dim], rows of length 1."""
        out = [np.zeros((0, self.dim), np.float32)]
        length_s = float(self._extractor.nb_max_samples) / self.sample_rate_hz
        for start in range(0, len(clips), BATCH):
            waves = [listening_wave(clip, self.sample_rate_hz, length_s) for clip in clips[start : start + BATCH]]
            # The extractor refuses empty input; one sample of silence is silence.
            waves = [wave if len(wave) else np.zeros(1, np.float32) for wave in waves]
            inputs = self._extractor(waves, sampling_rate=self.sample_rate_hz, return_tensors="pt")
            vectors = self._model.get_audio_features(
                input_features=inputs["input_features"].to(self._device),
                is_longer=inputs["is_longer"].to(self._device),
            )
            out.append(_unit(vectors))
        return np.concatenate(out)

    @torch.inference_mode()
    @exact_float32()
    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Embed sentences. Returns float32 [n, dim], rows of length 1."""
        out = [np.zeros((0, self.dim), np.float32)]
        limit = int(self._model.config.text_config.max_position_embeddings) - 2
        for start in range(0, len(texts), BATCH):
            batch = [
                text.lower() if getattr(self._tokenizer, "do_lower_case", False) else text
                for text in texts[start : start + BATCH]
            ]
            inputs = self._tokenizer(batch, padding=True, truncation=True, max_length=limit, return_tensors="pt")
            vectors = self._model.get_text_features(
                input_ids=inputs["input_ids"].to(self._device),
                attention_mask=inputs["attention_mask"].to(self._device),
            )
            out.append(_unit(vectors))
        return np.concatenate(out)


def _unit(output: Any) -> np.ndarray:
    """The projected vectors of a feature call at length 1 (transformers 5 returns an output object)."""
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()


def _fingerprint(model: torch.nn.Module) -> str:
    """First 12 hex digits of a hash over all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(
            tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            if tensor.dim()
            else repr(tensor.item()).encode()
        )
    return digest.hexdigest()[:12]

"""The embedder that reads LAION's own .pt checkpoints, through their package laion_clap (the extra `laion`).

`import laion_clap` asks the hub for three tokenizers, and building its network for 500 MB of RoBERTa weights
that the checkpoint then replaces; with no connection transformers even answers with empty tokenizers, which
turn every text into the same vector. So only the package's networks are imported here, the text tower is
built from the checkpoint's own shapes, and the one vocabulary that is needed must be on the disk. Nothing is
fetched from anywhere.

Paper: Wu et al., Large-scale Contrastive Language-Audio Pretraining, https://arxiv.org/abs/2211.06687
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from catalog.embedders.frontend import listening_wave
from catalog.embedders.kernels import exact_float32
from catalog.embedders.laion_checkpoint import LaionCheckpoint, TextTower, read_laion_checkpoint
from catalog.errors import EmbedderError
from generation.audio import Clip, file_sha256

SAMPLE_RATE_HZ = 48_000
LENGTH_S = 10.0
_LENGTH = int(LENGTH_S * SAMPLE_RATE_HZ)
_TOKENS = 77
_BATCH = 16
_NETWORKS = "clap_module"
_VOCABULARY_FILES = ("vocab.json", "merges.txt")
_VOCABULARY_NAMES = ("roberta-base", "FacebookAI/roberta-base")
_INSTALL = "pip install -c constraints/laion.txt 'nightcrate[laion]', in an environment of its own (numpy < 2)"


class LaionClap:
    """One of LAION's CLAPs. Equal input gives equal vectors: nothing is cut at a random place."""

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Load a .pt checkpoint of LAION's training script.

        The vocabulary of roberta-base (vocab.json, merges.txt) is taken from a folder roberta-base beside the
        checkpoint, or from the Hugging Face cache.
        Raises EmbedderError, one line, when the file, the package or the vocabulary is missing or does not
        fit together.
        """
        checkpoint = read_laion_checkpoint(path)
        networks = _import_networks()
        self._tokenizer = _read_tokenizer(path, checkpoint.text_tower.vocabulary)
        self._network = _build(path, networks, checkpoint, device)
        self._device = device
        self.id = f"{path.stem}@{file_sha256(path)[:16]}"
        self.dim = checkpoint.dim

    @torch.inference_mode()
    @exact_float32()
    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        """Embed sounds of any rate: their first 10 s, repeated to fill 10 s as in LAION's training.

        Returns float32 [n, dim], rows of length 1.
        """
        rows = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(clips), _BATCH):
            waves = torch.from_numpy(np.stack([_fill(clip) for clip in clips[start : start + _BATCH]]))
            heard = {"waveform": waves.to(self._device)}
            features = self._network.encode_audio(heard, device=self._device)["embedding"]
            rows.append(_unit_rows(self._network.audio_projection(features)))
        return np.concatenate(rows)

    @torch.inference_mode()
    @exact_float32()
    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts, each cut at 77 tokens. Returns float32 [n, dim], rows of length 1."""
        rows = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            tokens = self._tokenizer(
                batch, padding="max_length", truncation=True, max_length=_TOKENS, return_tensors="pt"
            )
            rows.append(_unit_rows(self._network.encode_text(tokens, device=self._device)))
        return np.concatenate(rows)


def _fill(clip: Clip) -> np.ndarray:
    """Repeat a sound as often as it fits whole into 10 s, then silence, in 16-bit steps as LAION trained."""
    wave = listening_wave(clip, SAMPLE_RATE_HZ, LENGTH_S)
    filled = np.zeros(_LENGTH, np.float32)
    repeated = np.tile(wave, _LENGTH // max(1, len(wave)))
    filled[: len(repeated)] = (repeated * 32767.0).astype(np.int16) / np.float32(32767.0)
    return filled


def _unit_rows(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()


def _import_networks() -> ModuleType:
    """Import laion_clap's networks without its front door, which would ask the hub for tokenizers."""
    if _NETWORKS in sys.modules:
        return sys.modules[_NETWORKS]
    package = importlib.util.find_spec("laion_clap")
    if package is None or not package.submodule_search_locations:
        raise EmbedderError(f"laion_clap is not installed; {_INSTALL}")
    door = Path(package.submodule_search_locations[0]) / _NETWORKS / "__init__.py"
    spec = importlib.util.spec_from_file_location(_NETWORKS, door)
    if spec is None or spec.loader is None or not door.is_file():
        raise EmbedderError(f"laion_clap has no {_NETWORKS}; install it again: {_INSTALL}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NETWORKS] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    except ImportError as error:
        del sys.modules[_NETWORKS]
        raise EmbedderError(f"laion_clap cannot be imported ({error}); {_INSTALL}") from error
    return module


def _read_tokenizer(checkpoint: Path, vocabulary: int) -> Any:
    """Read roberta-base's tokenizer from the disk and make sure that it is the one the weights belong to."""
    from transformers import RobertaTokenizer

    folder = _vocabulary_folder(checkpoint)
    if folder is None:
        files = " and ".join(_VOCABULARY_FILES)
        raise EmbedderError(
            f"{checkpoint}: roberta-base's {files} are neither in a folder roberta-base beside it nor in the "
            f"Hugging Face cache; fetch them once: hf download roberta-base {' '.join(_VOCABULARY_FILES)}"
        )
    tokenizer = RobertaTokenizer.from_pretrained(str(folder), local_files_only=True)
    if len(tokenizer) != vocabulary:
        raise EmbedderError(
            f"{folder}: holds {len(tokenizer)} tokens, the checkpoint knows {vocabulary}; "
            "put roberta-base's own vocab.json and merges.txt there"
        )
    return tokenizer


def _vocabulary_folder(checkpoint: Path) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    beside = checkpoint.parent / "roberta-base"
    if all((beside / name).is_file() for name in _VOCABULARY_FILES):
        return beside
    for repository in _VOCABULARY_NAMES:
        found = [try_to_load_from_cache(repository, name) for name in _VOCABULARY_FILES]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def _build(path: Path, networks: ModuleType, checkpoint: LaionCheckpoint, device: str) -> Any:
    """Build laion_clap's network for these weights and fill it, strictly: every weight has its place."""
    model = networks.model
    fetching = model.RobertaModel
    model.RobertaModel = _ShapedRoberta(checkpoint.text_tower)
    try:
        network, _ = networks.create_model(checkpoint.audio_tower, "roberta", device=torch.device(device))
    finally:
        model.RobertaModel = fetching
    try:
        network.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise EmbedderError(f"{path}: its weights do not fit {checkpoint.audio_tower} ({detail})") from error
    return network.eval()


class _ShapedRoberta:
    """Stands for transformers' RobertaModel while a network is built: the checkpoint's sizes, no download."""

    def __init__(self, tower: TextTower) -> None:
        self.tower = tower

    def from_pretrained(self, name: str) -> Any:
        from transformers import RobertaConfig, RobertaModel

        return RobertaModel(
            RobertaConfig(
                vocab_size=self.tower.vocabulary,
                hidden_size=self.tower.width,
                num_hidden_layers=self.tower.layers,
                num_attention_heads=self.tower.width // 64,
                intermediate_size=self.tower.dense_width,
                max_position_embeddings=self.tower.positions,
                type_vocab_size=1,
                layer_norm_eps=1e-5,
                pad_token_id=1,
                bos_token_id=0,
                eos_token_id=2,
            )
        )

"""The starter judge: what a small classifier says of a sound's source, family and qualities.

Trained by `nightcrate train judge`. Scores made with it carry its name ("FAD [starter]"): they are not VGGish or
PANNs figures and cannot be compared with published ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from catalog.embedders import STARTER_DIR
from catalog.embedders.frontend import listening_wave, log_mel
from catalog.embedders.judge_net import JudgeNet
from catalog.embedders.kernels import exact_float32
from catalog.errors import EmbedderError
from generation.audio import Clip, file_sha256

BATCH = 32
FEWEST = 4
"""Clips that go through the network together at least: one alone is computed with sums in another order."""
_SILENCE = np.zeros(0, np.float32)
CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class Judge:
    """A trained JudgeNet with its temperature-free posteriors."""

    def __init__(self, folder: Path = STARTER_DIR / "judge", name: str = "starter", device: str = "cpu") -> None:
        """Load config.json and model.safetensors from `folder`. Raises EmbedderError when they are not there."""
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            net = JudgeNet(tuple(config["widths"]), config["embedding_dim"], config["mels"])
            net.load_state_dict(
                {k: v.float() if v.is_floating_point() else v for k, v in load_file(folder / WEIGHTS).items()}
            )
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise EmbedderError(f"no judge at {folder} ({error}); train one with `nightcrate train judge`") from error
        self._net = net.eval().to(device)
        self._device = device
        self._id = f"{name}@{file_sha256(folder / WEIGHTS)[:12]}"

    @property
    def id(self) -> str:
        """Name and a hash of the weights."""
        return self._id

    @torch.inference_mode()
    @exact_float32()
    def posteriors(self, clips: Sequence[Clip]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Judge clips of any rate.

        Returns {"source": [n, 3], "family": [n, 11], "qualities": [n, 10]} float32 probabilities in NSynth's order
        (source and family add up to 1, qualities are independent), and embeddings float32 [n, d], at least 0.
        """
        parts: list[tuple[dict[str, torch.Tensor], torch.Tensor]] = []
        for start in range(0, len(clips), BATCH):
            waves = [listening_wave(clip) for clip in clips[start : start + BATCH]]
            pictures = log_mel([*waves, *[_SILENCE] * (FEWEST - len(waves))])
            heads, embedding = self._net(pictures.to(self._device))
            n = len(waves)
            parts.append(({name: logits[:n] for name, logits in heads.items()}, embedding[:n]))
        if not parts:
            empty = {
                name: np.zeros((0, n), np.float32) for name, n in (("source", 3), ("family", 11), ("qualities", 10))
            }
            return empty, np.zeros((0, self._net.embedding.out_features), np.float32)
        logits = {name: torch.cat([heads[name] for heads, _ in parts]).float() for name in parts[0][0]}
        shaped = {
            name: (torch.sigmoid(value) if name == "qualities" else torch.softmax(value, dim=-1)).cpu().numpy()
            for name, value in logits.items()
        }
        return shaped, torch.cat([embedding for _, embedding in parts]).float().cpu().numpy()


def save_judge(net: JudgeNet, folder: Path) -> None:
    """Write a JudgeNet as fp16 safetensors with its config."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.detach().cpu().half().contiguous() if v.is_floating_point() else v.cpu()
        for k, v in net.state_dict().items()
    }
    save_file(state, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(net.config, indent=1) + "\n", encoding="utf-8")

"""A technique whose weights are one number, the loudness of its tones: what the registry needs, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from generation.audio import Clip
from generation.cards import ModelCard

TECHNIQUE_VERSION = "7"


class ToyTechnique:
    def __init__(self, loudness: float, card: ModelCard, device: str) -> None:
        self.loudness, self.card, self.device = loudness, card, device
        self.asked: dict[str, Any] = {}

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: int | None,
        guidance_scale: float | None,
        notes: Sequence[int | None] | None,
        scheduler: str | None = None,
        length_s: float | None = None,
    ) -> list[Clip]:
        self.asked = {"steps": steps, "guidance_scale": guidance_scale, "notes": notes, "scheduler": scheduler}
        if "lose one" in prompts:
            seeds = seeds[1:]
        noise = [np.random.default_rng(seed).standard_normal((1, 100)).astype(np.float32) for seed in seeds]
        return [Clip(self.loudness * each, self.card.sample_rate_hz) for each in noise]


def load(folder: Path, card: ModelCard, device: str, dtype: str) -> ToyTechnique:
    return ToyTechnique(float((folder / "loudness.txt").read_text()), card, device)

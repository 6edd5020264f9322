"""An embedder whose vectors are arithmetic: every known word has an axis, and so has every frequency.

A text is the sum of the axes of its words; a clip is a sum of sines, and each sine stands for the axis of its
frequency, with its amplitude as weight. So cosines between words and sounds can be worked out by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from generation.audio import Clip

AXES = ("bass", "flute", "dark", "bright", "plucked", "organ", "nothing")
RATE_HZ = 16_000
STEP_HZ = 500


def sounding(weights: Mapping[str, float], duration_s: float = 0.1) -> Clip:
    """A clip that is embedded as these weights, at length 1."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    samples = sum(
        (weight * np.sin(2 * np.pi * STEP_HZ * (AXES.index(word) + 1) * t) for word, weight in weights.items()),
        start=np.zeros_like(t),
    )
    return Clip((0.2 * samples).astype(np.float32)[None], RATE_HZ)


class ToyEmbedder:
    """Words and sines on the axes of AXES."""

    id = "toy@1"
    dim = len(AXES)
    sample_rate_hz = RATE_HZ

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        return self._unit([[float(axis in text.lower().split()) for axis in AXES] for text in texts])

    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        rows = []
        for clip in clips:
            t = np.arange(clip.samples.shape[1]) / clip.sample_rate_hz
            rows.append([float(clip.mono() @ np.sin(2 * np.pi * STEP_HZ * (i + 1) * t)) for i in range(len(AXES))])
        return self._unit(rows)

    def _unit(self, rows: Sequence[Sequence[float]]) -> np.ndarray:
        vectors = np.asarray(rows, dtype=np.float64)
        vectors[:, -1] += np.where(np.linalg.norm(vectors, axis=1) < 1e-9, 1.0, 0.0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.round(vectors, 6).astype(np.float32)  # what is not there is exactly 0

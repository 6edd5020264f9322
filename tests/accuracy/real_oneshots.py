"""Real recorded one-shots with known families, cut in two halves by hash: one to develop on, one looked at once."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generation.audio import Clip, read_clip


@dataclass(frozen=True)
class OneShot:
    """One recording: its file, family, and the MIDI note it was labelled with."""

    path: Path
    family: str
    midi_pitch: int
    qualities: tuple[str, ...]
    agreed: bool
    """A second meter heard the labelled pitch too; some labels are an octave off (organ stops, wavetables)."""

    def clip(self) -> Clip:
        """The sound itself."""
        return read_clip(self.path)


def every_oneshot(folder: Path) -> list[OneShot]:
    """All one-shots, the rendered wavetables too."""
    return [_oneshot(folder, row) for row in _rows(folder)]


def recorded(folder: Path, half: str) -> list[OneShot]:
    """The recordings (no rendered rows) of half "development" or "once", by the hash of their file name."""
    wanted = {"development": 0, "once": 1}[half]
    return [
        _oneshot(folder, row)
        for row in _rows(folder)
        if not row["rendered"] and int(hashlib.sha256(row["file"].encode()).hexdigest(), 16) % 2 == wanted
    ]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _oneshot(folder: Path, row: dict[str, str]) -> OneShot:
    qualities = tuple(row["qualities"].replace(";", " ").split())
    return OneShot(folder / row["file"], row["family"], int(row["midi_pitch"]), qualities, row["pitch_agrees"] == "1")


def macro(hits: np.ndarray, families: Sequence[str]) -> tuple[float, float]:
    """Mean over families of the share of hits, and half the width of its 95 % interval.

    Normal approximation of a mean of independent shares: 1.96 * sqrt(sum p (1 - p) / n) / families.
    """
    names = sorted(set(families))
    shares = [hits[[family == name for family in families]] for name in names]
    means = np.array([share.mean() for share in shares])
    variance = sum(m * (1 - m) / len(share) for m, share in zip(means, shares, strict=True))
    return float(means.mean()), float(1.96 * np.sqrt(variance) / len(names))

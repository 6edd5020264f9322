"""A tiny corpus in NSynth's layout, made on the spot: two splits of short tones with true labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES

RATE_HZ = 16_000
_ROWS = (
    ("bass", "synthetic", "acid bass", ("dark",)), ("flute", "acoustic", "recorder", ()),
    ("mallet", "acoustic", "marimba", ("fast_decay", "percussive")),
    ("guitar", "electronic", "jazz guitar", ("distortion",)),
)  # fmt: skip


def write_toy_corpus(folder: Path, notes_per_instrument: int = 3, velocities: Sequence[int] = (100,)) -> Path:
    """Write folder/train and folder/valid, four instruments each, and corpus.json. Returns `folder`.

    notes_per_instrument: pitches of each; every one at each of these velocities, the softer the duller.
    """
    for split, number in (("train", 0), ("valid", 1)):
        (folder / split / "audio").mkdir(parents=True)
        examples: dict[str, dict] = {}
        for family, source, name, held in _ROWS:
            for step, velocity in product(range(notes_per_instrument), velocities):
                pitch = 48 + 5 * step + 2 * FAMILIES.index(family) + number
                label = f"{family}_{source}_{number:03d}-{pitch:03d}-{velocity:03d}"
                colour = FAMILIES.index(family) + (100 - velocity) / 20
                wave = _tone(pitch, colour, "fast_decay" in held)
                soundfile.write(folder / split / "audio" / f"{label}.wav", wave, RATE_HZ, subtype="PCM_16")
                examples[label] = {
                    "note": len(examples), "note_str": label, "instrument": _ROWS.index((family, source, name, held)),
                    "instrument_str": f"{family}_{source}_{number:03d}", "pitch": pitch, "velocity": velocity,
                    "sample_rate": RATE_HZ, "qualities": [int(q in held) for q in QUALITIES],
                    "qualities_str": list(held),
                    "instrument_family": FAMILIES.index(family), "instrument_family_str": family,
                    "instrument_source": SOURCES.index(source), "instrument_source_str": source,
                    "instrument_name": name,
                }  # fmt: skip
        (folder / split / "examples.json").write_text(json.dumps(examples), encoding="utf-8")
    info = {"name": "toy corpus", "licence": "CC0-1.0", "attribution": "made by a test", "url": None}
    (folder / "corpus.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def _tone(pitch: int, colour: float, short: bool) -> np.ndarray:
    """A 4 s tone with note-off at 3 s; `colour` sets how fast the harmonics fall."""
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    hz = 440 * 2 ** ((pitch - 69) / 12)
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k ** (1 + colour / 4) for k in range(1, 9) if k * hz < 7000)
    env = np.minimum(1, t / 0.01) * np.exp(-t / (0.2 if short else 3.0)) * np.where(t > 3, np.exp(-(t - 3) / 0.1), 1)
    return (0.3 * wave * env).astype(np.float32)

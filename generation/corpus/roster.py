"""Which instruments a rendered corpus has, on which side of the split each stands, and which keys it plays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from generation.corpus.programs import HELD_OUT, PROGRAMS, Program
from generation.corpus.soundfont import SoundFontPlayer
from generation.corpus.voices import VOICE_CELLS, VoiceCell

VELOCITIES = (25, 50, 75, 100, 127)
HELD_OUT_VOICES = 2  # the last two instruments of each of our own voice cells


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument to render: a row of the program table in one SoundFont, or one of our voices."""

    instrument_str: str
    name: str
    split: str
    program: Program | None
    soundfont: str | None
    cell: int | None
    seed_name: str

    @property
    def source(self) -> str:
        """NSynth source."""
        return self.program.source if self.program else VOICE_CELLS[self.cell or 0].source

    @property
    def family(self) -> str:
        """NSynth family."""
        return self.program.family if self.program else VOICE_CELLS[self.cell or 0].family

    @property
    def span(self) -> tuple[int, int]:
        """Lowest and highest MIDI note."""
        row: Program | VoiceCell = self.program or VOICE_CELLS[self.cell or 0]
        return row.low, row.high


def seeded(*parts: object) -> np.random.Generator:
    """A generator that depends on nothing but the names given."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def instruments(soundfonts: Sequence[Path]) -> list[Instrument]:
    """All instruments that the SoundFonts and our voices give, numbered within their cell as NSynth does."""
    found = [one for path in soundfonts for one in _soundfont_instruments(path)] + _voice_instruments()
    numbers: Counter[tuple[str, str]] = Counter()
    labelled = []
    for one in found:
        cell = (one.family, one.source)
        labelled.append(replace(one, instrument_str=f"{one.family}_{one.source}_{numbers[cell]:03d}"))
        numbers[cell] += 1
    return labelled


def _soundfont_instruments(path: Path) -> list[Instrument]:
    """The rows of the program table that this SoundFont holds, not yet numbered."""
    player = SoundFontPlayer(path)
    try:
        present = [row for row in PROGRAMS if player.has(row.bank, row.preset)]
    finally:
        player.close()
    return [
        Instrument(
            "", row.name, "valid" if (row.bank, row.preset) in HELD_OUT else "train",
            row, str(path), None, f"{path.name}:{row.identity}",
        )
        for row in present
    ]  # fmt: skip


def _voice_instruments() -> list[Instrument]:
    """Our own voices, not yet numbered."""
    return [
        Instrument(
            "", cell.name, "valid" if number >= cell.count - HELD_OUT_VOICES else "train",
            None, None, index, f"voice:{cell.source}:{cell.family}:{number}",
        )
        for index, cell in enumerate(VOICE_CELLS)
        for number in range(cell.count)
    ]  # fmt: skip


def pitches(instrument: Instrument, count: int) -> list[tuple[int, int]]:
    """`count` distinct (pitch, velocity) pairs spread evenly over the instrument's range."""
    rng = seeded("pitches", instrument.seed_name)
    low, high = instrument.span
    grid = np.linspace(low, high, count) + rng.uniform(-0.5, 0.5, count)
    out: list[tuple[int, int]] = []
    for pitch in np.clip(np.round(grid), low, high).astype(int):
        pair = (int(pitch), int(rng.choice(VELOCITIES, p=[0.08, 0.14, 0.22, 0.28, 0.28])))
        while pair in out:
            pair = (int(pitch), VELOCITIES[(VELOCITIES.index(pair[1]) + 1) % 5])
            if sum(p == pair[0] for p, _ in out) == len(VELOCITIES):
                break
        if pair not in out:
            out.append(pair)
    return out

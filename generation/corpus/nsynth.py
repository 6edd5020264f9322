"""Reader of NSynth's own format: a folder with examples.json and audio/NOTE.wav."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from generation.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a corpus; pitch and velocity are MIDI numbers, qualities in index order."""

    note_str: str
    instrument_str: str
    family: str
    source: str
    pitch: int
    velocity: int
    qualities: tuple[str, ...]
    sample_rate_hz: int
    path: Path
    instrument_name: str | None = None


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What corpus.json says of origin and licence; None where nothing says it."""

    name: str
    licence: str | None = None
    attribution: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """A split: its usable notes by note_str, and how many were dropped for which reason."""

    folder: Path
    notes: tuple[Note, ...]
    info: CorpusInfo
    dropped: dict[str, int] = field(default_factory=dict)


def read_corpus(folder: Path) -> Corpus:
    """Read a split."""
    folder = Path(folder)
    path = folder / "examples.json"
    if not path.is_file():
        raise CorpusError(f"{path} is missing; give a folder in NSynth's format")
    rows = json.loads(path.read_text(encoding="utf-8"))
    notes = tuple(
        Note(
            key, r["instrument_str"], r["instrument_family_str"], r["instrument_source_str"], r["pitch"], r["velocity"],
            tuple(r["qualities_str"]), r["sample_rate"], folder / "audio" / f"{key}.wav", r.get("instrument_name"),
        )
        for key, r in sorted(rows.items())
    )  # fmt: skip
    info = next((json.loads((p / "corpus.json").read_text()) for p in (folder, folder.parent) if (p / "corpus.json").is_file()), {})
    return Corpus(folder, notes, CorpusInfo(info.get("name", folder.name), info.get("licence"), info.get("attribution"), info.get("url")))


def read_audio(note: Note) -> np.ndarray:
    """Read float32 [n] mono at 16 kHz."""
    wave, rate = soundfile.read(note.path, dtype="float32", always_2d=True)
    if rate != 16_000:
        raise CorpusError(f"{note.path} has {rate} Hz; 16000 Hz is needed")
    return wave.mean(axis=1)

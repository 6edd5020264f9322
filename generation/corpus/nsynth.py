"""Reader of NSynth's own format: a folder with examples.json and audio/NOTE.wav, one entry a note.

Real NSynth, a rendered corpus and a user's imported sounds are the same to it. NSynth's known defects are left
out and counted; a corpus that is not what examples.json promises is refused with one line.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from generation.audio import Clip, file_sha256
from generation.corpus.info import CorpusInfo, info_path, read_info
from generation.errors import CorpusError
from generation.prompts.vocabulary import FAMILIES, HIGHEST_NOTE, LOWEST_NOTE, QUALITIES, SOURCES, in_order

__all__ = ["Corpus", "CorpusInfo", "Note", "read_audio", "read_corpus"]

SAMPLE_RATE_HZ = 16_000

OUTSIDE_RANGE = f"pitch outside {LOWEST_NOTE} to {HIGHEST_NOTE}"
NOISE = "known to be noise"
SAME_SOUND_OTHER_PITCH = "same sound under several pitches"
SAME_SOUND_AGAIN = "same sound as another note of its pitch"

# About 0.8 % of NSynth's test notes lie outside the stated range: github.com/magenta/magenta/issues/1143.
# 71 test notes of this instrument, from the first to the last name here, are noise: magenta/magenta#2092.
_NOISE_FROM, _NOISE_TO = "brass_acoustic_046-084-025", "brass_acoustic_046-108-100"
# Instruments of which several notes share one waveform: github.com/embeddings-benchmark/mteb/pull/5109. Only these
# are hashed: reading all of NSynth takes an hour.
_REPEATING_INSTRUMENTS = frozenset({"brass_acoustic_046", "mallet_acoustic_047"})


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a corpus.

    pitch and velocity are MIDI numbers, qualities NSynth's words in index order. instrument_name is what people
    call the instrument ("harpsichord"), from our own extra key; None in real NSynth.
    """

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
class Corpus:
    """A folder's usable notes by note_str, where they come from, and how many were left out for which reason."""

    folder: Path
    notes: tuple[Note, ...]
    info: CorpusInfo
    dropped: dict[str, int] = field(default_factory=dict)


def read_corpus(folder: str | os.PathLike[str]) -> Corpus:
    """Read and check examples.json, and that audio/ has a file for every usable note (the sounds stay unread).

    Raises CorpusError, one line with what came and what to do: no such folder, examples.json missing, not JSON or
    cut short, a note with a missing or wrong field, no audio folder, missing sound files, no usable note at all.
    """
    folder = Path(folder)
    notes = _read_examples(folder)
    if not notes:
        raise CorpusError(f"{folder / 'examples.json'}: holds no note; render or download the corpus again")
    is_nsynth = info_path(folder) is None  # other corpora number their instruments alike, without its defects
    dropped: Counter[str] = Counter()
    usable = []
    for note in notes:
        reason = _defect(note, is_nsynth)
        if reason:
            dropped[reason] += 1
        else:
            usable.append(note)
    _check_audio(folder, usable)
    usable = _without_repeats(usable, dropped)
    if not usable:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise CorpusError(f"{folder}: none of its {len(notes)} notes can be used ({reasons})")
    usable.sort(key=lambda note: note.note_str)
    return Corpus(folder, tuple(usable), read_info(folder), dict(dropped))


def read_audio(note: Note) -> np.ndarray:
    """Read the sound of a note: float32 [n] mono in [-1, 1] at 16 kHz (64,000 samples in real NSynth).

    Raises CorpusError when the file is missing, no sound, or has another rate.
    """
    try:
        samples, rate_hz = soundfile.read(note.path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise CorpusError(f"{note.path}: cannot be read as sound; make or download the corpus again") from error
    if rate_hz != SAMPLE_RATE_HZ:
        raise CorpusError(
            f"{note.path}: has {rate_hz} Hz; {SAMPLE_RATE_HZ} Hz is needed (nightcrate corpus import converts)"
        )
    if not len(samples):
        raise CorpusError(f"{note.path}: holds no sound (length 0); make or download the corpus again")
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)


def clip_of(note: Note) -> Clip:
    """A note's recording as a clip. Raises CorpusError as `read_audio` does."""
    return Clip(np.ascontiguousarray(read_audio(note))[None], SAMPLE_RATE_HZ)


def _read_examples(folder: Path) -> list[Note]:
    """Parse examples.json note by note: 300,000 entries as dictionaries would take over a gigabyte."""
    path = folder / "examples.json"
    if not folder.is_dir():
        raise CorpusError(f"{folder}: is no folder; give one that holds examples.json and audio/")
    audio = folder / "audio"
    words: dict[tuple[str, ...], tuple[str, ...]] = {}

    def entry(pairs: list[tuple[str, Any]]) -> object:
        # The parser calls this for each object as it closes: for a note first, for the whole file last.
        content = dict(pairs)
        if "note_str" in content:
            return _note(content, path, audio, words)
        if len(content) < len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise CorpusError(f"{path}: {twice!r} stands twice; make or download the corpus again")
        return content

    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=entry)
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: is missing; give a folder in NSynth's format") from error
    except (ValueError, OSError, RecursionError) as error:
        raise CorpusError(f"{path}: is not readable JSON ({error}); make or download the corpus again") from error
    if not isinstance(content, dict):
        came = "one note" if isinstance(content, Note) else type(content).__name__
        raise CorpusError(f"{path}: holds {came}; an object with one entry a note is needed")
    for key, note in content.items():
        if not isinstance(note, Note):
            raise CorpusError(f"{path}: note {key!r} has no field note_str; make or download the corpus again")
        if note.note_str != key:
            raise CorpusError(f"{path}: note {key!r} calls itself {note.note_str!r}; both must be the same")
    return list(content.values())


def _note(content: dict[str, Any], path: Path, audio: Path, words: dict[tuple[str, ...], tuple[str, ...]]) -> Note:
    """Check one entry and make a Note of it; `words` keeps one tuple for each set of qualities that occurs."""
    name = content["note_str"]
    try:
        note = Note(
            note_str=_text(name),
            instrument_str=_text(content["instrument_str"]),
            family=_one_of(content["instrument_family_str"], FAMILIES),
            source=_one_of(content["instrument_source_str"], SOURCES),
            pitch=_midi(content["pitch"]),
            velocity=_midi(content["velocity"]),
            qualities=_qualities(content["qualities_str"], words),
            sample_rate_hz=_whole(content["sample_rate"]),
            path=audio / f"{name}.wav",
            instrument_name=None if content.get("instrument_name") is None else _text(content["instrument_name"]),
        )
    except KeyError as error:
        raise CorpusError(f"{path}: note {name!r} has no field {error.args[0]}") from None
    except ValueError as error:
        raise CorpusError(f"{path}: note {name!r} {error}") from None
    if "/" in name or "\\" in name:
        raise CorpusError(f"{path}: note {name!r} has a slash in its name; a plain file name is needed")
    return note


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"holds {value!r} where a text is needed")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    for word in known:
        if word == value:
            return word
    raise ValueError(f"holds {value!r}; one of {', '.join(known)} is needed")


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"holds {value!r} where a whole number is needed")
    return value


def _midi(value: Any) -> int:
    if _whole(value) > 127:
        raise ValueError(f"holds {value!r} where a MIDI number from 0 to 127 is needed")
    return int(value)


def _qualities(value: Any, words: dict[tuple[str, ...], tuple[str, ...]]) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"holds qualities_str {value!r}; a list of words is needed")
    # Of NSynth's 305,979 lists only some hundred differ: each is checked once.
    key = tuple(word if isinstance(word, str) else repr(word) for word in value)
    if key not in words:
        words[key] = in_order([_one_of(word, QUALITIES) for word in key])
    return words[key]


def _defect(note: Note, is_nsynth: bool) -> str | None:
    """Return why a note is known to be useless without hearing it."""
    if not LOWEST_NOTE <= note.pitch <= HIGHEST_NOTE:
        return OUTSIDE_RANGE
    return NOISE if is_nsynth and _NOISE_FROM <= note.note_str <= _NOISE_TO else None


def _check_audio(folder: Path, notes: list[Note]) -> None:
    audio = folder / "audio"
    try:
        present = set(os.listdir(audio))
    except OSError as error:
        raise CorpusError(
            f"{audio}: cannot be opened ({error.strerror}); unpack the sounds beside examples.json"
        ) from None
    missing = [note for note in notes if note.path.name not in present]
    if missing:
        first = min(note.path.name for note in missing)
        raise CorpusError(
            f"{audio}: {len(missing)} of {len(notes)} sound files are missing, the first is {first}; "
            "unpack or render the corpus again"
        )


def _without_repeats(notes: list[Note], dropped: Counter[str]) -> list[Note]:
    """Leave out notes whose file equals another's: all of them where the pitches differ, since none is certain."""
    by_sound: dict[str, list[Note]] = {}
    for note in notes:
        if note.instrument_str in _REPEATING_INSTRUMENTS:
            by_sound.setdefault(file_sha256(note.path), []).append(note)
    useless: dict[str, str] = {}
    for same in by_sound.values():
        if len({note.pitch for note in same}) > 1:
            useless.update((note.note_str, SAME_SOUND_OTHER_PITCH) for note in same)
        else:
            again = sorted(note.note_str for note in same)[1:]
            useless.update((name, SAME_SOUND_AGAIN) for name in again)
    dropped.update(useless.values())
    return [note for note in notes if note.note_str not in useless]

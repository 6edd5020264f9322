"""A user's own folder of one-shots to a corpus in NSynth's layout: 16 kHz, mono, 4 s, one entry a note.

Every sound is placed by manifest.csv or by its names (corpus/placing.py); what cannot be placed, read or measured
is listed with its reason and left out. The corpus appears complete under its final name or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from generation.audio import Clip, write_bytes, write_clip
from generation.corpus.imported_sound import prepared
from generation.corpus.info import INFO_FILE
from generation.corpus.nsynth import SAMPLE_RATE_HZ
from generation.corpus.placing import NotPlacedError, Place, place_by_names, place_by_row, read_manifest
from generation.errors import AudioError, CorpusError
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES

_VELOCITY = 127
"""NSynth's velocity of sounds that do not vary with it."""
_SOUND_ENDINGS = frozenset(".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .caf .w64 .m4a .aac .wma".split())


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sound that is not in the corpus: its file, relative to the folder, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made: notes and instruments, notes of each "source family", how many pitches were measured."""

    out: Path
    notes: int
    instruments: int
    pitches_measured: int
    cells: dict[str, int]
    left_out: tuple[LeftOut, ...]


@dataclass
class _Notes:
    """Notes written so far: entries in their order, and what makes names and numbers unique."""

    folder: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[tuple[str, str, str], str] = field(default_factory=dict)
    sounds: dict[str, str] = field(default_factory=dict)
    measured: int = 0


def import_folder(
    folder: Path,
    out: Path,
    *,
    licence: str,
    attribution: str,
    name: str | None = None,
    url: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Convert all placeable sounds under `folder` into the corpus `out`, which must not exist.

    `licence` (an SPDX name or "all rights reserved") and `attribution` (whom to name) are kept in corpus.json, with
    every file left out and its reason. progress(done, total) is called after each file.
    Raises CorpusError, and leaves no corpus behind, whole or half, for a folder without sounds, a bad manifest, an
    `out` that exists, no licence or attribution, no placeable sound, a disk that refuses.
    """
    folder, out = Path(folder), Path(out)
    _check(folder, out, licence, attribution)
    rows = read_manifest(folder)
    files = _sound_files(folder)
    if not files:
        raise CorpusError(f"{folder}: holds no sound file; WAV, FLAC, OGG, MP3 or AIFF is needed")
    partial = out.with_name(f".{out.name}.partial")
    about = {"name": name or folder.resolve().name, "licence": licence, "attribution": attribution, "url": url}
    try:
        # What a killed import left behind.
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "audio").mkdir(parents=True)
        notes, left_out = _Notes(partial), _unmatched(rows, files)
        for done, file in enumerate(files, start=1):
            try:
                place = _place(folder, file, rows)
                _add(notes, file, place, *prepared(folder / file, place))
            except NotPlacedError as error:
                left_out.append(LeftOut(_text(file.as_posix()), str(error)))
            if progress:
                progress(done, len(files))
        report = _report(out, notes, left_out)
        _write_texts(partial, notes, {**about, **_facts(report)})
        os.replace(partial, out)
    except (OSError, AudioError) as error:
        # What could not be read is listed above: here the disk refuses.
        cause = error if isinstance(error, OSError) else error.__cause__
        raise CorpusError(f"{out}: cannot be written ({getattr(cause, 'strerror', None) or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _check(folder: Path, out: Path, licence: str, attribution: str) -> None:
    if not folder.is_dir():
        raise CorpusError(f"{folder}: is no folder; give the folder of your sounds")
    if out.exists():
        raise CorpusError(f"{out}: already exists; choose a new folder or remove it")
    if not licence.strip():
        raise CorpusError('no licence given; say under which licence the sounds are, e.g. CC0-1.0 or "own work"')
    if not attribution.strip():
        raise CorpusError("no attribution given; say whom to name as the maker of the sounds")


def _sound_files(folder: Path) -> list[PurePosixPath]:
    """Sound files below the folder in the order of their names, without hidden ones."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in _SOUND_ENDINGS:
                found.append(PurePosixPath((Path(place) / name).relative_to(folder).as_posix()))
    return sorted(found)


def _text(name: str) -> str:
    """Return a file's name as text that can be printed: old archives hold names that are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _unmatched(rows: dict[str, Any] | None, files: list[PurePosixPath]) -> list[LeftOut]:
    """Rows of the manifest whose file is not there."""
    present = {file.as_posix() for file in files}
    return [
        LeftOut(name, "named in manifest.csv, but not a sound file there") for name in rows or () if name not in present
    ]


def _place(folder: Path, file: PurePosixPath, rows: dict[str, Any] | None) -> Place:
    if rows is None:
        return place_by_names(folder, file)
    if file.as_posix() not in rows:
        raise NotPlacedError("has no row in manifest.csv")
    return place_by_row(rows[file.as_posix()])


def _add(notes: _Notes, file: PurePosixPath, place: Place, clip: Clip, pitch: int, measured: bool) -> None:
    """Write one sound and its entry; a sound that is there already is not written again."""
    digest = hashlib.sha256(clip.samples.tobytes()).hexdigest()
    if digest in notes.sounds:
        raise NotPlacedError(f"is the same sound as {_text(notes.sounds[digest])}")
    instrument = _instrument(notes, place)
    note_str = _free_name(notes, f"{instrument}-{pitch:03d}-{_VELOCITY:03d}")
    write_clip(notes.folder / "audio" / f"{note_str}.wav", clip)
    entry: dict[str, Any] = {
        "note": len(notes.entries),
        "note_str": note_str,
        "instrument": list(notes.numbers.values()).index(instrument),
        "instrument_str": instrument,
        "pitch": pitch,
        "velocity": _VELOCITY,
        "sample_rate": SAMPLE_RATE_HZ,
        "qualities": [int(quality in place.qualities) for quality in QUALITIES],
        "qualities_str": list(place.qualities),
        "instrument_family": FAMILIES.index(place.family),
        "instrument_family_str": place.family,
        "instrument_source": SOURCES.index(place.source),
        "instrument_source_str": place.source,
        "origin": file.as_posix(),
    }
    if place.instrument_name:
        entry["instrument_name"] = place.instrument_name
    notes.entries[note_str] = entry
    notes.sounds[digest] = file.as_posix()
    notes.measured += measured


def _instrument(notes: _Notes, place: Place) -> str:
    """Return NSynth's name of the instrument, family_source_number; sounds of one kit share it."""
    kit = (place.family, place.source, place.kit)
    if kit not in notes.numbers:
        number = sum(other[:2] == kit[:2] for other in notes.numbers)
        notes.numbers[kit] = f"{place.family}_{place.source}_{number:03d}"
    return notes.numbers[kit]


def _free_name(notes: _Notes, note_str: str) -> str:
    """Return the name itself, or with "-t2", "-t3" for further takes of the same note."""
    names: Iterator[str] = (note_str if take == 1 else f"{note_str}-t{take}" for take in range(1, 10**6))
    return next(name for name in names if name not in notes.entries)


def _report(out: Path, notes: _Notes, left_out: list[LeftOut]) -> ImportReport:
    if not notes.entries:
        first = left_out[0]
        raise CorpusError(
            f"none of {len(left_out)} sounds can be placed, so there is no corpus; "
            f"the first, {first.file}: {first.reason}"
        )
    cells = Counter(f"{e['instrument_source_str']} {e['instrument_family_str']}" for e in notes.entries.values())
    return ImportReport(
        out=out,
        notes=len(notes.entries),
        instruments=len(notes.numbers),
        pitches_measured=notes.measured,
        cells=dict(sorted(cells.items())),
        left_out=tuple(left_out),
    )


def _facts(report: ImportReport) -> dict[str, Any]:
    return {
        "imported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": report.notes,
        "instruments": report.instruments,
        "pitches_measured": report.pitches_measured,
        "left_out": [{"file": item.file, "reason": item.reason} for item in report.left_out],
    }


def _write_texts(folder: Path, notes: _Notes, about: dict[str, Any]) -> None:
    for file, content in (("examples.json", dict(sorted(notes.entries.items()))), (INFO_FILE, about)):
        # "replace": names of old archives, see _text.
        write_bytes(folder / file, json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "replace"))

"""Real notes in the place of a model's sounds: untouched, under shuffled labels, and through each model's own codec.

Each set is kept as the sounds of a model in an ordinary library, so that everything is measured on it in the same way;
what was made once is found again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.library import Library
from catalog.records import JobRecord, ModelRecord
from flows import making
from flows.evaluation.making import MEASURE
from flows.judging import read_judging
from generation.audio import Clip, file_sha256
from generation.corpus.nsynth import SAMPLE_RATE_HZ, Corpus, Note, clip_of
from generation.prompts.captions import tag_caption

BATCH = 8
_SHUFFLE_SEED = 2

Sound = Callable[[Sequence[Note], Sequence[int]], list[Clip]]
"""Notes and seeds -> the raw clips that stand for them."""


@dataclass(frozen=True)
class Control:
    """A set of real notes that is measured like a model's sounds.

    name: of the pseudo-model; equal only for equal sounds. notes: the sounds; cells: the (source, family) that each is
    labelled with. sound: how they sound.
    """

    name: str
    notes: tuple[Note, ...]
    cells: tuple[tuple[str, str], ...]
    sound: Sound


def some_notes(corpus: Corpus, a_cell: int) -> tuple[Note, ...]:
    """At most so many notes of every cell, spread evenly over its notes by name."""
    by_cell: dict[tuple[str, str], list[Note]] = defaultdict(list)
    for note in sorted(corpus.notes, key=lambda note: note.note_str):
        by_cell[note.source, note.family].append(note)
    chosen: list[Note] = []
    for _, notes in sorted(by_cell.items()):
        places = np.linspace(0, len(notes) - 1, min(a_cell, len(notes))).round().astype(int)
        chosen += [notes[place] for place in places]
    return tuple(chosen)


def notes_key(notes: Sequence[Note]) -> str:
    """12 hex digits that change with any note, its labels or its sound."""
    told = [f"{note.note_str} {note.source} {note.qualities} {file_sha256(note.path)}" for note in notes]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def untouched(name: str, notes: tuple[Note, ...]) -> Control:
    """Real notes as they are."""
    return Control(name, notes, tuple((note.source, note.family) for note in notes), _as_they_are)


def shuffled(name: str, notes: tuple[Note, ...]) -> Control:
    """The same notes, each under the source and family of another."""
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(notes))
    return Control(name, notes, tuple((notes[i].source, notes[i].family) for i in order), _as_they_are)


def keep_control(library: Library, control: Control, device: str) -> None:
    """Bring a control into a library; only what is not there yet is made.

    Raises whatever `control.sound` raises; what was kept before stays.
    """
    fingerprint = hashlib.sha256(f"{control.name} {notes_key(control.notes)}".encode()).hexdigest()
    judging = read_judging(MEASURE)
    library.add_models([_record(control.name, fingerprint)])
    night = library.start_night(control.name, {"name": control.name, "control": fingerprint, "gate": MEASURE})
    jobs = [
        _job(control.name, fingerprint, note, cell) for note, cell in zip(control.notes, control.cells, strict=True)
    ]
    library.plan(night, [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)])
    library.retry_failed(night)
    note_of = {job.key: note for job, note in zip(jobs, control.notes, strict=True)}
    for batch in library.pending_batches(night):
        if not library.claim(batch.id):
            continue
        wanted = library.jobs(batch.id)
        clips = control.sound([note_of[job.key] for job in wanted], [job.seed for job in wanted])
        results = [making.judged(job, clip, judging, device) for job, clip in zip(wanted, clips, strict=True)]
        library.finish_batch(batch.id, results)
    library.end_night(night, "finished")


def _as_they_are(notes: Sequence[Note], seeds: Sequence[int]) -> list[Clip]:
    return [clip_of(note) for note in notes]


def _record(name: str, fingerprint: str) -> ModelRecord:
    """A record of what is no model; nothing of it is packed, so its licence stays undeclared."""
    return ModelRecord(
        name=name,
        technique="real notes",
        fingerprint=fingerprint,
        technique_version="real-notes-1",
        sample_rate_hz=SAMPLE_RATE_HZ,
        commercial="undeclared",
        licence_chain=[],
        card={},
    )


def _job(name: str, fingerprint: str, note: Note, cell: tuple[str, str]) -> JobRecord:
    source, family = cell
    digest = hashlib.sha256(f"{fingerprint} {note.note_str} {source} {family}".encode()).digest()
    return JobRecord(
        key=digest.hex()[:32],
        model=name,
        prompt=tag_caption(source, note.qualities, family, note.pitch),
        family=family,
        source=source,
        qualities=note.qualities,
        note=note.pitch,
        seed=int.from_bytes(digest[:8], "big") >> 1,
        settings={"fingerprint": fingerprint, "technique_version": "real-notes-1"},
    )

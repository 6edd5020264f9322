"""A listening test made of a library: accepted sounds of every model, and real notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import ListeningError
from catalog.listening.choice import choose
from catalog.listening.records import Candidate, ChosenSound, ListeningTest
from flows.listening.real_notes import real_notes
from generation.audio import Clip, read_clip

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.records import SampleRecord


def make_test(library: Library, real: Path, name: str | None, seed: int, count: int) -> ListeningTest:
    """Choose a balanced set by seed, copy its sounds alike and keep it; name None: the next number.

    Real notes of families that no model made are left out: they would be compared with nothing. Raises ListeningError
    when there are too few sounds or one of them is silent, AudioError when one cannot be read.
    """
    samples = [sample for sample in library.samples() if sample.file is not None]
    if not samples:
        raise ListeningError(f"{library.path}: holds no accepted sound to listen to; `nightcrate night` makes some")
    families = {None, *(sample.family for sample in samples)}
    notes = {
        note.candidate.origin: note for note in real_notes(real, samples, seed) if note.candidate.family in families
    }
    if not notes:
        raise ListeningError(f"{real}: no real note is of a family that the library holds; name another folder")
    by_id = {sample.id: sample for sample in samples}
    chosen = choose([*map(_candidate, samples), *(note.candidate for note in notes.values())], count, seed)

    def read(candidate: Candidate) -> Clip:
        if candidate.sample_id is None:
            return notes[candidate.origin].read()
        return read_clip(library.audio_path(by_id[candidate.sample_id]))

    sounds = [ChosenSound(candidate, read(candidate)) for candidate in chosen]
    return library.listening.add(name or _next_name(library.listening.tests()), seed, sounds)


def _candidate(sample: SampleRecord) -> Candidate:
    return Candidate(sample.job_key, sample.id, sample.model, sample.family, sample.prompt)


def _next_name(taken: list[str]) -> str:
    number = len(taken) + 1
    while f"listening-{number}" in taken:
        number += 1
    return f"listening-{number}"

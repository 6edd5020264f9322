"""The shelf of toy_shelf.py as a library: made once, each test gets a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.library import Library
from catalog.records import JobRecord, ResultRecord
from generation.audio import Clip
from tests.catalog.toy_embedder import sounding
from tests.catalog.toy_library import accepted, make, toy_job
from tests.catalog.toy_shelf import EMBEDDER, SOUNDS


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A library of SOUNDS, and their ids by name; made once, each test gets a copy."""
    path = tmp_path_factory.mktemp("shelf") / "library"
    clips: dict[str, tuple[Clip, int | None]] = {}
    jobs: dict[str, JobRecord] = {}
    for seed, (name, (weights, note, asked)) in enumerate(SOUNDS.items()):
        jobs[name] = toy_job(seed, **asked)
        clips[jobs[name].key] = (sounding(weights), note)

    def outcome(key: str) -> ResultRecord:
        clip, note = clips[key]
        return replace(accepted(key, midi_note=note, duration_s=clip.duration_s), clip=clip, raw=clip)

    with Library.open(path, create=True) as library:
        make(library, jobs.values(), outcome)
        samples = {sample.job_key: sample.id for sample in library.samples()}
        vectors = EMBEDDER.embed_audio([clip for clip, _ in clips.values()])
        library.add_embeddings(EMBEDDER.id, [samples[key] for key in clips], vectors)
    return path, {name: samples[job.key] for name, job in jobs.items()}


@pytest.fixture
def shelf(made: tuple[Path, dict[str, int]], library_path: Path) -> dict[str, int]:
    """Ids of SOUNDS by name, in the library of this test."""
    shutil.copytree(made[0], library_path)
    return made[1]


@pytest.fixture
def stocked(shelf: dict[str, int], library_path: Path) -> Iterator[Library]:
    """The library of SOUNDS, open."""
    with Library.open(library_path) as opened:
        yield opened

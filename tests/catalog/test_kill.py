"""Killed with SIGKILL, by the clock and at chosen steps: every batch is finished or still to be made."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from catalog.library import Library
from catalog.records import SampleFilter, SampleRecord
from tests.catalog.toy_library import CONFIG, accepted, failed, files, rejected, toy_job, toy_model

# A server that has imported everything and forks: a fresh process for every kill in milliseconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["catalog.library", "alembic.command", "scipy.io.wavfile", "generation.prompts.thesaurus"])

ALL = SampleFilter(statuses=())
JOBS = [toy_job(seed, family) for seed in range(40) for family in ("bass", "reed")]
BATCHES = [JOBS[start : start + 4] for start in range(0, len(JOBS), 4)]
ENDINGS = {job.key: (accepted, accepted, rejected, failed)[index % 4] for index, job in enumerate(JOBS)}

STEPS = {"fsync", "replace", "mkdir", "unlink", "write", "execute", "executemany", "flock"}
"""Calls at which something on the disk changes; a process may be killed right before and right after each."""


def night(path: str, about_to_claim: Callable[[], object] | None = None, most: int | None = None) -> None:
    """A night as flows runs it: resume, sweep, plan, then batch after batch."""
    with Library.open(path, create=True) as library:
        library.add_models([toy_model()])
        night_id = library.start_night("toy", CONFIG)
        library.sweep(7)
        library.plan(night_id, BATCHES)
        if about_to_claim is not None:
            about_to_claim()
        for batch in library.pending_batches(night_id)[:most]:
            library.claim(batch.id)
            library.finish_batch(batch.id, [ENDINGS[key](key) for key in batch.job_keys])
        if not library.pending_batches(night_id):
            library.end_night(night_id, "finished")


def night_that_tells(path: str, told: Connection) -> None:
    """A night that says when it is about to claim its first batch."""
    night(path, lambda: told.send("now"))


def night_that_dies(path: str, phase: str, step: int, told: Connection | None = None) -> None:
    """Make one batch, and be killed at a step of a phase (before or after a call that changes the disk).

    The phases: opening, from nothing to the plan, and making, from the first claim to the last commit.
    `told` gets the number of steps when the phase was survived.
    """
    steps = 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal steps
        if event in ("c_call", "c_return") and getattr(called, "__name__", "") in STEPS:
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)

    if phase == "opening":
        sys.setprofile(count)
        night(path, lambda: sys.setprofile(None), most=0)
    else:
        night(path, lambda: sys.setprofile(count), most=1)
        sys.setprofile(None)
    if told is not None:
        told.send(steps)


def run_and_kill_after(path: Path, delay_s: float) -> bool:
    """Start a night and kill it so long after it was about to claim its first batch; whether it was killed."""
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=night_that_tells, args=(str(path), there))
    process.start()
    there.close()
    try:
        here.recv()
    except EOFError:
        process.join()
        pytest.fail("the night ended before its first batch")
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def look_after_kill(path: Path) -> dict[str, SampleRecord]:
    """What is finished, after checking that nothing is wrong but leftovers, and that a sweep removes those."""
    with Library.open(path) as library:
        assert {problem.kind for problem in library.verify()} <= {"orphan_file", "temporary_file"}
        library.sweep()
        assert library.verify() == []
        finished = {sound.job_key: sound for sound in library.samples(ALL)}
        for batch in BATCHES:
            done = {job.key for job in batch if job.key in finished}
            whole = {job.key for job in batch if ENDINGS[job.key] is not failed}
            assert done in (set(), whole), "a batch is finished whole or not at all"
    owned = {sound.file for sound in finished.values() if sound.file}
    assert set(files(path)) == owned
    return finished


def check_like_never_killed(path: Path, never_killed: Path) -> None:
    with Library.open(path) as one, Library.open(never_killed) as other:
        keys = [job.key for job in JOBS]
        assert one.job_statuses(keys) == other.job_statuses(keys) and len(other.job_statuses(keys)) == len(JOBS)
        facts = [
            [(sound.job_key, sound.file, sound.sha256, sound.status) for sound in library.samples(ALL)]
            for library in (one, other)
        ]
        assert sorted(facts[0]) == sorted(facts[1])
        assert one.accepted_counts(1) == other.accepted_counts(1)
        assert [night.status for night in one.nights()] == ["finished"]
    assert files(path) == files(never_killed)


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "library"
    began = time.perf_counter()
    night(str(path))
    return path, time.perf_counter() - began


def killed_by_the_clock(path: Path, never_killed: tuple[Path, float], kills: int, seed: int) -> None:
    """Kill at random times until so many kills came between the first claim and the last commit."""
    whole, seconds = never_killed
    dice = random.Random(seed)
    before: dict[str, SampleRecord] = {}
    counted = 0
    while counted < kills:
        # Short enough that the work lasts for all kills, with the first instants well covered.
        killed = run_and_kill_after(path, dice.uniform(0, seconds / kills))
        after = look_after_kill(path)
        assert before.items() <= after.items(), "what is finished is never done again"
        before = after
        if not killed:
            break
        counted += 1
    assert counted >= 10
    night(str(path))
    assert look_after_kill(path).items() >= before.items()
    check_like_never_killed(path, whole)


def test_killed_at_random_times_it_ends_like_a_night_never_killed(library_path, never_killed):
    killed_by_the_clock(library_path, never_killed, kills=12, seed=1)


def steps_of(phase: str, path: Path) -> int:
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=night_that_dies, args=(str(path), phase, -1, there))
    process.start()
    steps = int(here.recv())
    process.join()
    return steps


def killed_at_steps(folder: Path, whole: Path, phase: str, every: int) -> int:
    """Kill a library's first night at every so many steps of a phase, then let it end; how many kills came."""
    path, kills = folder / "library", 0
    for step in range(1, steps_of(phase, folder / "count") + 1, every):
        process = FORKS.Process(target=night_that_dies, args=(str(path), phase, step))
        process.start()
        process.join()
        # A resumed night may have fewer steps (no tables to make), so that the last ones lie behind its end.
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
        if (path / "catalog.sqlite").exists():
            look_after_kill(path)
    night(str(path))
    check_like_never_killed(path, whole)
    return kills


@pytest.mark.parametrize(("phase", "every"), [("opening", 75), ("making", 60)])
def test_killed_at_steps_it_ends_like_a_night_never_killed(tmp_path, never_killed, phase, every):
    assert killed_at_steps(tmp_path, never_killed[0], phase, every) >= 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("phase", "every"), [("opening", 5), ("making", 1)])
def test_killed_at_every_step_it_ends_like_a_night_never_killed(tmp_path, never_killed, phase, every):
    assert killed_at_steps(tmp_path, never_killed[0], phase, every) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_killed_twenty_times(library_path, never_killed, seed):
    killed_by_the_clock(library_path, never_killed, kills=20, seed=seed)

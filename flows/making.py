"""One model's sounds, batch by batch: generate, judge, keep. What goes wrong is recorded, never hidden."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import chain

from catalog.gate import gate
from catalog.records import BatchRecord, JobRecord, ResultRecord
from flows.bench import Bench
from flows.judging import Judging
from flows.progress import progress, say
from generation.audio import MAX_CHANNELS, Clip
from generation.descriptors import raw_facts
from generation.portions import free_memory
from generation.registry import LoadedModel, load_model
from generation.tuning import finish_in_tune

GIVE_UP_AFTER = 3
"""Batches in a row without one sound, after which a model is left alone until the next night."""

_VERSIONED = ("nightcrate", "torch", "numpy", "diffusers", "transformers")
"""Packages whose version a sound may depend on."""


def make_sounds(bench: Bench, model: str, make: Callable[[LoadedModel, BatchRecord], str | None]) -> None:
    """Load one model, let `make` do each of its batches, and let it go.

    A model that cannot be loaded, or that fails several batches in a row, fails what is left of its sounds
    with the cause; they get another chance in the next night, and the other models go on.
    """
    batches = bench.batches_left(model)
    first = next(batches, None)
    if first is None:
        return
    say(f"{model}: loading")
    try:
        with bench.timed("load"):
            choice = bench.order.choices[model]
            loaded = load_model(choice.model, bench.device, choice.dtype)
    except Exception as cause:  # missing files, damaged weights, too little memory: all cost this model alone
        fail_rest(bench, model, one_line(cause))
        return
    finally:
        free_memory()  # of what was loaded before it failed
    failures = 0
    with progress(model, bench.sounds_left(model)) as bar:
        for batch in chain([first], batches):
            error = make(loaded, batch)
            bar.advance(len(batch.job_keys))
            failures = failures + 1 if error else 0
            if failures == GIVE_UP_AFTER:
                fail_rest(bench, model, f"given up after {failures} batches in a row: {error}")
                break
    # The next model finds the memory free.
    del loaded
    free_memory()


def fail_rest(bench: Bench, model: str, cause: str) -> None:
    """Record for everything planned for a model that it could not be made, and why."""
    for batch in bench.library.pending_batches(bench.night_id, model):
        if bench.library.claim(batch.id):
            jobs = bench.library.jobs(batch.id)
            keep(bench, batch.id, [failed(job, cause, bench.device) for job in jobs])


def make_batch(bench: Bench, model: LoadedModel, batch: BatchRecord) -> str | None:
    """Make every sound of a batch, judge it and keep it; the error when none could be made.

    Raises LibraryError when the disk or the catalogue refuses: then the night cannot go on.
    """
    if not bench.library.claim(batch.id):
        return None  # the canary has closed its cell since it was listed
    jobs = bench.library.jobs(batch.id)
    started = time.perf_counter()
    try:
        with bench.timed("generate"):
            clips = _generate(model, jobs)
    except Exception as cause:  # whatever a network may raise costs this batch, not the night
        error = one_line(cause)
        keep(bench, batch.id, [failed(job, error, bench.device) for job in jobs])
        return error
    with bench.timed("judge"):
        results = [judged(job, clip, bench.judging, bench.device) for job, clip in zip(jobs, clips, strict=True)]
    seconds = (time.perf_counter() - started) / len(jobs)
    keep(bench, batch.id, [replace(result, seconds=seconds) for result in results])
    for job, result in zip(jobs, results, strict=True):
        if result.error is None:
            bench.heard(job.model, job.family, result.accepted)
    return None


def judged(job: JobRecord, clip: Clip, judging: Judging, device: str) -> ResultRecord:
    """Measure, finish and judge one raw clip; seconds are left at 0 for the batch to fill in.

    A clip that cannot be measured or kept fails with its cause, alone.
    """
    if clip.channels > MAX_CHANNELS:
        return failed(job, f"it has {clip.channels} channels; mono or stereo is needed", device)
    try:
        raw = raw_facts(clip)
        heard = raw.finite and not raw.silent
        finished, sound = finish_in_tune(clip, judging.finish, job.note) if heard else (None, None)
        verdict = gate(raw, sound, job.qualities, judging.gate, job.note)
    except Exception as cause:  # a meter that breaks on one clip must not take the other clips with it
        return failed(job, one_line(cause), device)
    return ResultRecord(
        job_key=job.key,
        clip=finished if verdict.accepted else None,
        raw=None if verdict.accepted else clip,
        raw_facts=asdict(raw),
        sound_facts=asdict(sound) if sound is not None else None,
        accepted=verdict.accepted,
        reasons=[asdict(reason) for reason in verdict.reasons],
        seconds=0.0,
        device=device,
        versions=versions(),
    )


def failed(job: JobRecord, error: str, device: str) -> ResultRecord:
    """The result of a job that gave no sound."""
    return ResultRecord(job.key, None, None, {}, None, False, [], 0.0, device, versions(), error)


def keep(bench: Bench, batch_id: int, results: Sequence[ResultRecord]) -> None:
    """Write the files and the rows of a batch."""
    with bench.timed("keep"):
        bench.library.finish_batch(batch_id, results)


def one_line(cause: BaseException) -> str:
    """An error as one line: its kind and the first line of what it says."""
    said = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {said[0]}" if said else type(cause).__name__


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that take part in making a sound, as installed."""
    found = {}
    for package in _VERSIONED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # run from a folder, or a technique without it
            continue
    return found


def _generate(model: LoadedModel, jobs: Sequence[JobRecord]) -> list[Clip]:
    """Raw clips of the jobs of one batch, which were all planned with the same settings."""
    settings = jobs[0].settings
    return model.generate(
        [job.prompt for job in jobs],
        [job.seed for job in jobs],
        steps=settings["steps"],
        guidance_scale=settings["guidance_scale"],
        notes=[job.note for job in jobs],
        scheduler=settings["scheduler"],
        length_s=settings["length_s"],
    )

"""Which sounds a night makes next: the first tries of the plan, then re-rolls of what a cell still lacks.

Everything here follows from the plan and from how its jobs ended, so a night that was killed decides the
same as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import zip_longest

from generation.prompts.plan import Job, batches, reroll

Cell = tuple[str, str | None, str]
"""(model, source, family)"""

Outcome = Callable[[str], str | None]
"""How the job of a key ended: accepted, rejected or failed; None when it was not made yet."""


def next_jobs(
    first_tries: Sequence[Job],
    outcome: Outcome,
    target: int | None,
    max_attempts: int,
    stopped: Collection[tuple[str, str]] = (),
) -> list[Job]:
    """The jobs of the next round in plan order; empty when the night has nothing left to make.

    first_tries: every prompt with every seed, in plan order. target: accepted sounds wanted in each cell;
    None asks for the first tries alone. max_attempts: how often one prompt with one seed may be tried.
    stopped: (model, family) cells that the canary closed. A sound that failed is not tried under another
    seed: its cause has to go first, and the next night makes it again.
    """
    alive = [job for job in first_tries if (job.settings.model, job.prompt.family) not in stopped]
    missing = [job for job in alive if outcome(job.key) is None]
    if missing or target is None:
        return missing
    return [job for tries in _by_cell(alive) for job in _rerolls(tries, outcome, target, max_attempts)]


def in_batches(jobs: Iterable[Job], size_of: Callable[[str], int]) -> list[tuple[Job, ...]]:
    """Batches of one model and one family each, the families taking turns.

    One family each, so that the canary can stop a family without touching another; in turns, so that a
    night cut short by its deadline has something of every family. `size_of` gives a model's batch size.
    """
    made: list[tuple[Job, ...]] = []
    for model_jobs in _grouped(jobs, lambda job: job.settings.model):
        families = [
            batches(family_jobs, size_of(model_jobs[0].settings.model))
            for family_jobs in _grouped(model_jobs, lambda job: job.prompt.family)
        ]
        made.extend(batch for turn in zip_longest(*families) for batch in turn if batch)
    return made


def cell_of(job: Job) -> Cell:
    """The cell in which a job's sound counts."""
    return job.settings.model, job.prompt.source, job.prompt.family


def known_tries(first_tries: Sequence[Job], outcome: Outcome, max_attempts: int) -> list[Job]:
    """The re-rolls that were made already, by this night or by an earlier one."""
    return [
        reroll(job, attempt)
        for job in first_tries
        for attempt in range(1, min(len(_tries(job, outcome)), max_attempts))
    ]


def _rerolls(first_tries: list[Job], outcome: Outcome, target: int, max_attempts: int) -> list[Job]:
    """New seeds for one cell: as many as it lacks, prompts that never succeeded first."""
    chances: list[tuple[int, int, int, Job]] = []
    lacking = target
    for place, job in enumerate(first_tries):
        ended = _tries(job, outcome)
        accepted = ended.count("accepted")
        lacking -= accepted
        if len(ended) < max_attempts and "failed" not in ended:
            chances.append((accepted, len(ended), place, job))
    chosen = sorted(chances, key=lambda chance: chance[:3])[: max(lacking, 0)]
    return [reroll(job, attempt) for _, attempt, _, job in chosen]


def _tries(job: Job, outcome: Outcome) -> list[str]:
    """How the first try and each re-roll of it ended, up to the first that was not made."""
    ended: list[str] = []
    while (last := outcome((reroll(job, len(ended)) if ended else job).key)) is not None:
        ended.append(last)
    return ended


def _by_cell(jobs: Iterable[Job]) -> list[list[Job]]:
    return _grouped(jobs, cell_of)


def _grouped(jobs: Iterable[Job], key: Callable[[Job], object]) -> list[list[Job]]:
    """Lists of jobs with equal keys, in the order in which the keys first appear."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return list(groups.values())

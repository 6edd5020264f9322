"""How an order stands in a library: which of its sounds are there, and what is left to make."""

from __future__ import annotations

from collections.abc import Collection

from catalog.library import Library
from catalog.records import NightRecord, StoppedCell
from flows.order import Order
from flows.rounds import Outcome, next_jobs
from generation.prompts.plan import Job, reroll


def latest_night(library: Library, order: Order) -> NightRecord | None:
    """The newest night of this very order; None when there was none."""
    same = [night for night in library.nights() if night.config == order.identity()]
    return same[-1] if same else None


def night_name(library: Library, order: Order) -> str:
    """The configuration's name, numbered when a night of another order has taken it."""
    nights = library.nights()
    for night in nights:
        if night.config == order.identity():
            return night.name
    taken = {night.name for night in nights}
    name, number = order.config.name, 1
    while name in taken:
        number += 1
        name = f"{order.config.name}-{number}"
    return name


def outcomes(library: Library, order: Order) -> Outcome:
    """How each try of the order ended, read now; a job that was planned and not made counts as not made."""
    tries = 1 if order.config.target is None else order.config.max_attempts
    keys = [(reroll(job, attempt) if attempt else job).key for attempt in range(tries) for job in order.first_tries]
    statuses = library.job_statuses(keys)
    ended = {key: status for key, status in statuses.items() if status != "planned"}
    return ended.get


def jobs_left(library: Library, order: Order, stopped: Collection[StoppedCell], model: str | None = None) -> list[Job]:
    """The jobs of the next round, of one model or of all; empty when nothing is left to make."""
    mine = [job for job in order.first_tries if model in (None, job.settings.model)]
    cells = {(cell.model, cell.family) for cell in stopped}
    config = order.config
    return next_jobs(mine, outcomes(library, order), config.target, config.max_attempts, cells)


def is_complete(library: Library, order: Order, night: NightRecord) -> bool:
    """True when a night of this order has ended with nothing missing and nothing failed."""
    if night.status != "finished" or library.summary(night.id).failed:
        return False
    return not jobs_left(library, order, library.stopped_cells(night.id))

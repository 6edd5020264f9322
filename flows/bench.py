"""The workbench of a night: what it holds in its hands, and which batch comes next.

It lives in one process and is never handed to Prefect; flows and tasks get names and numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from catalog.gate import Canary
from catalog.library import Library
from catalog.records import BatchRecord
from flows.deadline import Deadline
from flows.judging import Judging
from flows.order import Order, job_record, model_record, model_settings
from flows.pace import seconds_per_sound
from flows.rounds import in_batches, known_tries
from flows.standing import jobs_left, night_name, outcomes
from generation.prompts.plan import Job


class Bench:
    """One night at work on one library, which it has locked."""

    def __init__(
        self,
        library: Library,
        order: Order,
        judging: Judging,
        deadline: Deadline,
        device: str,
        batch_size: int | None = None,
    ) -> None:
        """Begin the night, or go on with it where it was left; batches that failed get another chance.

        batch_size: how many sounds every model makes at once; None takes each model's configuration.
        """
        self.library = library
        self.order = order
        self.judging = judging
        self.device = device
        self.out_of_time = False
        self._deadline = deadline
        self._batch_size = batch_size
        library.add_models([model_record(model) for model in order.models.values()])
        self.night_id = library.start_night(night_name(library, order), order.identity())
        library.sweep(judging.keep_rejects_days)
        tries = known_tries(order.first_tries, outcomes(library, order), order.config.max_attempts)
        self._plan([*order.first_tries, *tries])
        library.retry_failed(self.night_id)
        self._canary = Canary(judging.canary)
        for model, family, accepted in library.outcomes(self.night_id):
            self.heard(model, family, accepted)  # a kill may have come between a batch and the canary's word

    def batches_left(self, model: str) -> Iterator[BatchRecord]:
        """The batches of a model, round after round, until its cells have enough or time runs out.

        Whoever takes a batch finishes it before asking for the next one.
        """
        while pending := self._pending(model):
            for batch in pending:
                if not self._deadline.leaves_room_for(self._expected_s(batch)):
                    self.out_of_time = True
                    return
                yield batch

    def sounds_left(self, model: str) -> int:
        """How many sounds are planned now and not made; re-rolls of later rounds may come on top."""
        return sum(len(batch.job_keys) for batch in self.library.pending_batches(self.night_id, model))

    def heard(self, model: str, family: str, accepted: bool) -> None:
        """Tell the canary how a sound was judged; it may stop what is left of that model and family."""
        self._canary.add(model, family, accepted)
        sentence = self._canary.sick(model, family)
        if sentence is None:
            return
        stopped = {(cell.model, cell.family) for cell in self.library.stopped_cells(self.night_id)}
        if (model, family) not in stopped:
            self.library.stop_cell(self.night_id, model, family, sentence)

    def end(self) -> None:
        """Say that the night is over: nothing is left, or its deadline has come."""
        self.library.end_night(self.night_id, "deadline" if self.out_of_time else "finished")

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of the block to a stage of the night."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.library.add_stage_time(self.night_id, stage, time.perf_counter() - started)

    def _pending(self, model: str) -> list[BatchRecord]:
        """Batches to make now; when there are none, those of the next round."""
        pending = self.library.pending_batches(self.night_id, model)
        if not pending:
            stopped = self.library.stopped_cells(self.night_id)
            self._plan(jobs_left(self.library, self.order, stopped, model))
            pending = self.library.pending_batches(self.night_id, model)
        return pending

    def _plan(self, jobs: Sequence[Job]) -> None:
        """Record jobs in batches that are fixed from now on."""
        fixed = in_batches(jobs, lambda model: self._batch_size or self.order.choices[model].batch_size)
        self.library.plan(self.night_id, [[job_record(job) for job in batch] for batch in fixed])

    def _expected_s(self, batch: BatchRecord) -> float | None:
        """Seconds that a batch will take as far as anybody can know; None when nobody can, or where nothing ends it."""
        if self._deadline.ends_at is None:
            return None
        model = self.order.models[batch.model]
        length_s = model_settings(model, self.order.choices[batch.model]).length_s
        pace = seconds_per_sound(self.library, model.card, length_s)
        return None if pace is None else pace.seconds * len(batch.job_keys)

"""Nights: when they ran, how long each stage took, which cells were stopped, how they ended."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, case, func, insert, select, update

from catalog.errors import LibraryError
from catalog.records import CellCount, NightRecord, NightSummary, StoppedCell
from catalog.store import Store, to_json, utc_now
from catalog.tables import batch, job, model, night, night_job, sample, stage_time, stopped_cell


def start(store: Store, name: str, config: dict[str, Any]) -> int:
    """Resume the unfinished night of this configuration, or begin a new one; the id of the night.

    Batches that somebody had claimed are pending again: the caller holds the writer lock, so nobody is
    making them.
    """
    digest = config_sha256(config)
    with store.write() as connection:
        connection.execute(update(batch).where(batch.c.status == "claimed").values(status="pending"))
        found = connection.execute(
            select(night.c.id)
            .where(night.c.config_sha256 == digest, night.c.status != "finished")
            .order_by(night.c.id.desc())
        ).first()
        if found is not None:
            connection.execute(update(night).where(night.c.id == found.id).values(status="running", ended_at=None))
            return int(found.id)
        made = connection.execute(
            insert(night).values(name=name, config=config, config_sha256=digest, status="running", started_at=utc_now())
        )
        return int(made.inserted_primary_key[0])  # type: ignore[index]


def config_sha256(config: dict[str, Any]) -> str:
    """What makes two configurations the same: the hash of their canonical JSON."""
    return hashlib.sha256(to_json(config).encode()).hexdigest()


def end(store: Store, night_id: int, status: str) -> None:
    """Say how a night ended: finished, or deadline (it may be resumed)."""
    if status not in ("finished", "deadline"):
        raise LibraryError(f"a night ends as finished or deadline, not as {status!r}")
    with store.write() as connection:
        get(connection, night_id)
        connection.execute(update(night).where(night.c.id == night_id).values(status=status, ended_at=utc_now()))


def add_stage_time(store: Store, night_id: int, stage: str, seconds: float) -> None:
    """Add to the seconds that a stage of this night has taken so far (a resumed night goes on counting)."""
    of_stage = (stage_time.c.night_id == night_id) & (stage_time.c.stage == stage)
    with store.write() as connection:
        get(connection, night_id)
        changed = connection.execute(update(stage_time).where(of_stage).values(seconds=stage_time.c.seconds + seconds))
        if changed.rowcount == 0:
            connection.execute(insert(stage_time).values(night_id=night_id, stage=stage, seconds=seconds))


def stop_cell(store: Store, night_id: int, cell: StoppedCell) -> int:
    """Record that the canary stopped a model x family cell, and skip the batches wholly in stopped cells.

    Batches that also hold other cells are made whole as planned. Returns how many batches are skipped now.
    """
    with store.write() as connection:
        get(connection, night_id)
        if cell not in stopped_cells(connection, night_id):
            connection.execute(
                insert(stopped_cell).values(
                    night_id=night_id,
                    model=cell.model,
                    family=cell.family,
                    sentence=cell.sentence,
                    at=utc_now(),
                )
            )
        return skip_stopped(connection, night_id)


def skip_stopped(connection: Connection, night_id: int) -> int:
    """Skip this night's pending batches whose jobs all lie in its stopped cells; how many."""
    stopped = (
        select(stopped_cell.c.night_id)
        .where(
            stopped_cell.c.night_id == night_id,
            stopped_cell.c.model == model.c.name,
            stopped_cell.c.family == job.c.family,
        )
        .exists()
    )
    alive = (
        select(job.c.id)
        .join(model, model.c.id == job.c.model_id)
        .where(job.c.batch_id == batch.c.id, ~stopped)
        .correlate(batch)
        .exists()
    )
    wanted = (
        select(job.c.batch_id).join(night_job, night_job.c.job_id == job.c.id).where(night_job.c.night_id == night_id)
    )
    return connection.execute(
        update(batch)
        .where(batch.c.status == "pending", batch.c.id.in_(wanted), ~alive)
        .values(status="skipped", skipped_by=night_id)
    ).rowcount


def stopped_cells(connection: Connection, night_id: int) -> list[StoppedCell]:
    """The cells that were stopped in this night, in the order of their stopping."""
    rows = connection.execute(
        select(stopped_cell.c.model, stopped_cell.c.family, stopped_cell.c.sentence)
        .where(stopped_cell.c.night_id == night_id)
        .order_by(stopped_cell.c.at)
    )
    return [StoppedCell(*row) for row in rows]


def get(connection: Connection, night_id: int) -> NightRecord:
    """The record of one night; LibraryError when there is none with this id."""
    found = connection.execute(_nights().where(night.c.id == night_id)).first()
    if found is None:
        raise LibraryError(f"there is no night {night_id} in this library")
    return _record(found)


def every(connection: Connection) -> list[NightRecord]:
    """All nights, oldest first."""
    return [_record(row) for row in connection.execute(_nights())]


def outcomes(connection: Connection, night_id: int) -> list[tuple[str, str, bool]]:
    """What this night made so far as (model, family, accepted), in the order of its batches.

    A resumed night feeds its canary with it, so that it decides as if it had never been interrupted. Jobs
    that failed are left out: an error says nothing about how a model sounds.
    """
    rows = connection.execute(
        select(model.c.name, job.c.family, job.c.status == "accepted")
        .join_from(night_job, job, night_job.c.job_id == job.c.id)
        .join(model, model.c.id == job.c.model_id)
        .where(
            night_job.c.night_id == night_id,
            ~night_job.c.found,
            job.c.status.in_(("accepted", "rejected")),
        )
        .order_by(job.c.batch_id, job.c.position)
    )
    return [(row[0], row[1], bool(row[2])) for row in rows]


def pace(connection: Connection, model_name: str) -> tuple[float, int] | None:
    """(mean seconds a sound, sounds) of all that a model made here; None when it made nothing yet."""
    made = job.c.status.in_(("accepted", "rejected"))
    seconds, count = connection.execute(
        select(func.avg(job.c.seconds), func.count())
        .join(model, model.c.id == job.c.model_id)
        .where(model.c.name == model_name, made)
    ).one()
    return (float(seconds), int(count)) if count else None


def cells(connection: Connection, night_id: int) -> list[CellCount]:
    """How each model x source x family cell of this night fared, in the order of its first job."""

    def count(condition: Any) -> Any:
        return func.sum(case((condition, 1), else_=0))

    planned = job.c.status == "planned"
    rows = connection.execute(
        select(
            model.c.name,
            job.c.source,
            job.c.family,
            func.count(),
            count(night_job.c.found),
            count(job.c.status == "accepted"),
            count(job.c.status == "rejected"),
            count(job.c.status == "failed"),
            count(planned & (batch.c.status != "skipped")),
            count(planned & (batch.c.status == "skipped")),
        )
        .join_from(night_job, job, night_job.c.job_id == job.c.id)
        .join(model, model.c.id == job.c.model_id)
        .join(batch, batch.c.id == job.c.batch_id)
        .where(night_job.c.night_id == night_id)
        .group_by(model.c.name, job.c.source, job.c.family)
        .order_by(func.min(job.c.id))
    )
    return [CellCount(*row) for row in rows]


def summary(connection: Connection, night_id: int) -> NightSummary:
    """The facts of the morning page."""
    record = get(connection, night_id)
    counted = cells(connection, night_id)
    members = select(night_job.c.job_id).where(night_job.c.night_id == night_id)
    reasons: dict[str, int] = {}
    for (listed,) in connection.execute(
        select(sample.c.reasons).where(sample.c.status == "rejected", sample.c.job_id.in_(members))
    ):
        for code in {reason["code"] for reason in listed}:
            reasons[code] = reasons.get(code, 0) + 1
    failures = connection.execute(
        select(job.c.error, func.count())
        .where(job.c.status == "failed", job.c.id.in_(members))
        .group_by(job.c.error)
        .order_by(func.count().desc(), job.c.error)
    )
    stages = connection.execute(
        select(stage_time.c.stage, stage_time.c.seconds).where(stage_time.c.night_id == night_id)
    )

    def total(field: str) -> int:
        return sum(getattr(cell, field) for cell in counted)

    finished = total("accepted") + total("rejected") + total("failed")
    return NightSummary(
        night=record,
        planned=total("planned"),
        found=total("found"),
        made=finished - total("found"),
        accepted=total("accepted"),
        rejected=total("rejected"),
        failed=total("failed"),
        pending=total("pending"),
        skipped=total("skipped"),
        cells=tuple(counted),
        rejection_reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        failures={line: n for line, n in failures},
        stopped=tuple(stopped_cells(connection, night_id)),
        stage_seconds={stage: seconds for stage, seconds in stages},
    )


def _nights() -> Any:
    rounds = select(func.max(night_job.c.round)).where(night_job.c.night_id == night.c.id).correlate(night)
    return select(night, rounds.scalar_subquery().label("last_round")).order_by(night.c.id)


def _record(row: Row[Any]) -> NightRecord:
    return NightRecord(
        id=row.id,
        name=row.name,
        config=row.config,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        last_round=-1 if row.last_round is None else row.last_round,
    )

"""Batches that were planned: which are still to be made, who is in them, who makes them now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from catalog.errors import LibraryError
from catalog.records import BatchRecord, JobRecord
from catalog.store import Store, chunks
from catalog.tables import batch, job, model, night_job


def pending_batches(connection: Connection, night_id: int, model_name: str | None = None) -> list[BatchRecord]:
    """Batches with a job of this night that are not finished or skipped, in the order of planning."""
    mine = (
        select(job.c.batch_id).join(night_job, night_job.c.job_id == job.c.id).where(night_job.c.night_id == night_id)
    )
    query = (
        select(batch, model.c.name.label("model"))
        .join(model, model.c.id == batch.c.model_id)
        .where(batch.c.status.in_(("pending", "claimed")), batch.c.id.in_(mine))
        .order_by(batch.c.id)
    )
    if model_name is not None:
        query = query.where(model.c.name == model_name)
    rows = connection.execute(query).all()
    keys: dict[int, list[str]] = {row.id: [] for row in rows}
    for ids in chunks(list(keys)):
        members = select(job.c.batch_id, job.c.key).where(job.c.batch_id.in_(ids))
        for batch_id, key in connection.execute(members.order_by(job.c.batch_id, job.c.position)):
            keys[batch_id].append(key)
    return [
        BatchRecord(
            id=row.id,
            night_id=row.night_id,
            model=row.model,
            ordinal=row.ordinal,
            job_keys=tuple(keys[row.id]),
            status=row.status,
            round=row.round,
            attempts=row.attempts,
        )
        for row in rows
    ]


def jobs(connection: Connection, batch_id: int) -> list[JobRecord]:
    """The members of a batch in their order; LibraryError when there is no such batch."""
    rows = connection.execute(
        select(job, model.c.name.label("model"))
        .join(model, model.c.id == job.c.model_id)
        .where(job.c.batch_id == batch_id)
        .order_by(job.c.position)
    ).all()
    if not rows:
        raise LibraryError(f"there is no batch {batch_id} in this library")
    return [
        JobRecord(
            key=row.key,
            model=row.model,
            prompt=row.prompt,
            family=row.family,
            source=row.source,
            qualities=row.qualities,
            note=row.note,
            seed=row.seed,
            settings=row.settings,
            round=row.round,
        )
        for row in rows
    ]


def claim(store: Store, batch_id: int) -> bool:
    """Say that a batch is being made now; False when it needs no making (finished or skipped)."""
    with store.write() as connection:
        jobs(connection, batch_id)
        return (
            connection.execute(
                update(batch)
                .where(batch.c.id == batch_id, batch.c.status.in_(("pending", "claimed")))
                .values(status="claimed", attempts=batch.c.attempts + 1)
            ).rowcount
            == 1
        )


def statuses(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """How jobs stand (planned, accepted, rejected, failed) by key; keys that nobody planned are left out."""
    found: dict[str, str] = {}
    for part in chunks(keys):
        rows = connection.execute(select(job.c.key, job.c.status).where(job.c.key.in_(part)))
        found.update({row.key: row.status for row in rows})
    return found


def retry_failed(store: Store, night_id: int) -> int:
    """Make batches of this night pending again of which every job failed; how many.

    A batch with a sound in it stays finished: its members cannot be made again whole.
    """
    mine = (
        select(job.c.batch_id).join(night_job, night_job.c.job_id == job.c.id).where(night_job.c.night_id == night_id)
    )
    made = select(job.c.id).where(job.c.batch_id == batch.c.id, job.c.status != "failed").correlate(batch).exists()
    failed = select(batch.c.id).where(batch.c.status == "finished", batch.c.id.in_(mine), ~made)
    with store.write() as connection:
        ids = list(connection.scalars(failed))
        for part in chunks(ids):
            connection.execute(
                update(job)
                .where(job.c.batch_id.in_(part))
                .values(status="planned", error=None, seconds=None, finished_at=None)
            )
            connection.execute(update(batch).where(batch.c.id.in_(part)).values(status="pending", finished_at=None))
            members = select(job.c.id).where(job.c.batch_id.in_(part))
            connection.execute(
                update(night_job)
                .where(night_job.c.night_id == night_id, night_job.c.job_id.in_(members))
                .values(found=False)
            )
        return len(ids)

"""The plan of a night: which jobs it wants, of which models, and in which batches they are made.

A batch is fixed when it is planned. A job belongs to the batch that first held it, for ever, so that an
interrupted batch is made again whole with its own members, whichever night takes it up.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, select, update

from catalog import nights
from catalog.errors import LibraryError
from catalog.records import JobRecord, ModelRecord
from catalog.store import Store, chunks, utc_now
from catalog.tables import batch, job, model, night, night_job

SEED_LIMIT = 2**63


def add_models(store: Store, records: Sequence[ModelRecord]) -> None:
    """Make models known; a known one (name, fingerprint, technique version) takes the card that comes now."""
    with store.write() as connection:
        for record in records:
            values = {
                "technique": record.technique,
                "sample_rate_hz": record.sample_rate_hz,
                "commercial": record.commercial,
                "licence_chain": record.licence_chain,
                "card": record.card,
            }
            identity = {
                "name": record.name,
                "fingerprint": record.fingerprint,
                "technique_version": record.technique_version,
            }
            known = update(model).where(*(model.c[name] == value for name, value in identity.items()))
            if connection.execute(known.values(values)).rowcount == 0:
                connection.execute(insert(model).values(**identity, **values, added_at=utc_now()))


def models(connection: Connection) -> dict[int, ModelRecord]:
    """Every model that this library has sounds or plans of, by its id."""
    rows = connection.execute(select(model).order_by(model.c.id))
    return {
        row.id: ModelRecord(
            name=row.name,
            technique=row.technique,
            fingerprint=row.fingerprint,
            technique_version=row.technique_version,
            sample_rate_hz=row.sample_rate_hz,
            commercial=row.commercial,
            licence_chain=row.licence_chain,
            card=row.card,
        )
        for row in rows
    }


def plan(store: Store, night_id: int, batches: Sequence[Sequence[JobRecord]]) -> int:
    """Add jobs to what a night wants; how many of them nobody had planned before.

    Jobs that are known, finished or not, stay what they are and join this night; the others form batches as
    they came. All or nothing.
    """
    with store.write() as connection:
        asked = nights.get(connection, night_id)
        wanted = {record.key: record for records in batches for record in records}
        model_ids = _model_ids(connection, wanted)
        known = _job_ids(connection, list(wanted))
        ordinal = connection.scalar(
            select(func.coalesce(func.max(batch.c.ordinal) + 1, 0)).where(batch.c.night_id == night_id)
        )
        new = 0
        for records in batches:
            fresh = {record.key: record for record in records if record.key not in known}
            if not fresh:
                continue
            _insert_batch(connection, night_id, ordinal, list(fresh.values()), model_ids)
            known.update(_job_ids(connection, list(fresh)))
            ordinal += 1
            new += len(fresh)
        _join(connection, night_id, {known[key]: record.round for key, record in wanted.items()})
        _reopen_skipped(connection, night_id, nights.config_sha256(asked.config))
        nights.skip_stopped(connection, night_id)
        return new


def _model_ids(connection: Connection, wanted: dict[str, JobRecord]) -> dict[str, int]:
    """Job key -> id of the very model (name, fingerprint, technique version) that shall make it."""
    known = {
        (record.name, record.fingerprint, record.technique_version): id for id, record in models(connection).items()
    }
    found = {}
    for record in wanted.values():
        identity = (record.model, record.settings["fingerprint"], record.settings["technique_version"])
        if identity not in known:
            raise LibraryError(
                f"model {record.model} (fingerprint {identity[1]}, technique version {identity[2]}) is not "
                "known to this library; add it before planning its jobs"
            )
        if not 0 <= record.seed < SEED_LIMIT:
            raise LibraryError(f"seed {record.seed} does not fit; 0 to 2^63 - 1 is needed")
        found[record.key] = known[identity]
    return found


def _job_ids(connection: Connection, keys: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in chunks(keys):
        rows = connection.execute(select(job.c.key, job.c.id).where(job.c.key.in_(part)))
        found.update({row.key: row.id for row in rows})
    return found


def _insert_batch(
    connection: Connection,
    night_id: int,
    ordinal: int,
    records: list[JobRecord],
    model_ids: dict[str, int],
) -> None:
    makers = {model_ids[record.key] for record in records}
    if len(makers) != 1:
        names = sorted({record.model for record in records})
        raise LibraryError(f"a batch is made by one model, this one asks for {', '.join(names)}")
    made = connection.execute(
        insert(batch).values(
            night_id=night_id,
            ordinal=ordinal,
            round=records[0].round,
            model_id=makers.pop(),
            status="pending",
            attempts=0,
        )
    )
    batch_id = made.inserted_primary_key[0]  # type: ignore[index]
    rows = [
        {
            "key": record.key,
            "model_id": model_ids[record.key],
            "batch_id": batch_id,
            "position": position,
            "prompt": record.prompt,
            "family": record.family,
            "source": record.source,
            "qualities": record.qualities,
            "note": record.note,
            "seed": record.seed,
            "settings": record.settings,
            "round": record.round,
            "status": "planned",
        }
        for position, record in enumerate(records)
    ]
    connection.execute(insert(job), rows)


def _join(connection: Connection, night_id: int, rounds: dict[int, int]) -> None:
    """Make jobs members of a night (job id -> round); members already stay as they are."""
    members = set(connection.scalars(select(night_job.c.job_id).where(night_job.c.night_id == night_id)))
    joining = [job_id for job_id in rounds if job_id not in members]
    finished: set[int] = set()
    for part in chunks(joining):
        finished |= set(connection.scalars(select(job.c.id).where(job.c.id.in_(part), job.c.status != "planned")))
    rows = [
        {"night_id": night_id, "job_id": job_id, "round": rounds[job_id], "found": job_id in finished}
        for job_id in joining
    ]
    if rows:
        connection.execute(insert(night_job), rows)


def _reopen_skipped(connection: Connection, night_id: int, digest: str) -> None:
    """Give batches another chance that a night of another configuration had skipped.

    The same configuration would be stopped by the same canary: a second run of it generates nothing new.
    """
    mine = (
        select(job.c.batch_id).join(night_job, night_job.c.job_id == job.c.id).where(night_job.c.night_id == night_id)
    )
    others = select(night.c.id).where(night.c.config_sha256 != bindparam("digest"))
    connection.execute(
        update(batch)
        .where(batch.c.status == "skipped", batch.c.id.in_(mine), batch.c.skipped_by.in_(others))
        .values(status="pending", skipped_by=None),
        {"digest": digest},
    )

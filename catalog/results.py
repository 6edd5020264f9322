"""What became of the jobs of a batch: files first, then all rows in one transaction.

A kill at any instruction leaves the batch either finished or to be made again; files that no row names lie
under the names of their jobs, where the next try overwrites them or the next sweep removes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from catalog import fulltext
from catalog.errors import LibraryError
from catalog.records import ACCEPTED, FAILED, REJECTED, ResultRecord
from catalog.store import Store, to_json, utc_now
from catalog.tables import batch, job, model, sample
from generation.audio import AudioError, Clip, write_clip

AUDIO, REJECTS = "audio", "rejects"
MEASURED = (
    "midi_note",
    "cents",
    "pitch_confidence",
    "lufs",
    "peak_dbfs",
    "attack_s",
    "decay_s",
    "bandwidth_hz",
    "centroid_hz",
    "duration_s",
)
"""Facts with a column of their own, to be filtered and shown; all others stay in the JSON."""


@dataclass(frozen=True)
class _Written:
    """The file of one sound, relative to the library."""

    file: str
    sha256: str


def audio_file(key: str) -> str:
    """Where the master of an accepted job lies, relative to the library."""
    return f"{AUDIO}/{key[:2]}/{key}.flac"


def reject_file(key: str) -> str:
    """Where the raw clip of a rejected job lies while it is kept, relative to the library."""
    return f"{REJECTS}/{key[:2]}/{key}.wav"


def finish_batch(store: Store, root: Path, batch_id: int, results: Sequence[ResultRecord]) -> None:
    """Write the files of a batch, then its rows; on any failure no file and no row of it remains.

    Raises LibraryError when the results are not those of the batch's members, when the batch is finished
    already, or when a sound cannot be written or the disk refuses.
    """
    job_ids = _check_members(store, batch_id, results)
    for result in results:
        _check(result)
    written: dict[str, _Written] = {}
    try:
        for result in results:
            _write_file(root, result, written)
        _insert_rows(store, batch_id, job_ids, results, written)
    except Exception as error:
        # Not for an interrupt: it may come after the commit, when the files have their rows.
        for file in written.values():
            with suppress(OSError):  # the same trouble may keep it from being removed: then sweep does
                (root / file.file).unlink(missing_ok=True)
        if isinstance(error, AudioError):
            # Without one behind it, it is the sound that cannot be written.
            advice = ", see to the disk and start again" if isinstance(error.__cause__, OSError) else ""
            raise LibraryError(f"{error}; nothing of this batch was kept{advice}") from error
        raise


def _check_members(store: Store, batch_id: int, results: Sequence[ResultRecord]) -> dict[str, int]:
    """Job key -> job id of an unfinished batch whose members are exactly the jobs of these results."""
    with store.read() as connection:
        status = connection.scalar(select(batch.c.status).where(batch.c.id == batch_id))
        rows = connection.execute(select(job.c.key, job.c.id).where(job.c.batch_id == batch_id))
        job_ids = {row.key: row.id for row in rows}
    if status is None:
        raise LibraryError(f"there is no batch {batch_id} in this library")
    if status in ("finished", "skipped"):
        raise LibraryError(f"batch {batch_id} is {status} already; nothing was written")
    keys = [result.job_key for result in results]
    if sorted(keys) != sorted(job_ids):
        raise LibraryError(
            f"batch {batch_id} has {len(job_ids)} jobs and needs one result for each; "
            f"{len(set(keys) & set(job_ids))} of them came among {len(keys)} results"
        )
    return job_ids


def status_of(result: ResultRecord) -> str:
    """Say accepted, rejected or failed."""
    if result.error is not None:
        return FAILED
    return ACCEPTED if result.accepted else REJECTED


def _check(result: ResultRecord) -> None:
    """Refuse a result that contradicts itself or could not be stored, before anything is written."""
    status = status_of(result)
    if status == ACCEPTED and (result.clip is None or result.sound_facts is None):
        raise LibraryError(f"job {result.job_key}: an accepted sound needs its clip and its facts")
    if status == REJECTED and not result.reasons:
        raise LibraryError(f"job {result.job_key}: a rejection needs a reason")
    if status == FAILED and result.accepted:
        raise LibraryError(f"job {result.job_key}: cannot be accepted and have failed ({result.error})")
    try:
        to_json([result.raw_facts, result.sound_facts, result.reasons, result.versions])
    except (TypeError, ValueError) as error:
        raise LibraryError(f"job {result.job_key}: its facts cannot be stored ({error})") from error


def _write_file(root: Path, result: ResultRecord, written: dict[str, _Written]) -> None:
    """Write the file that a result leaves, if any; its name is noted before, so that a failure removes it."""
    status = status_of(result)
    if status == ACCEPTED and result.clip is not None:
        file, clip, subtype = audio_file(result.job_key), result.clip, None
    elif status == REJECTED and result.raw is not None:
        file, clip, subtype = reject_file(result.job_key), result.raw, "FLOAT"
    else:
        return
    written[result.job_key] = _Written(file, "")
    written[result.job_key] = _Written(file, write_clip(root / file, clip, subtype))


def _insert_rows(
    store: Store,
    batch_id: int,
    job_ids: dict[str, int],
    results: Iterable[ResultRecord],
    written: dict[str, _Written],
) -> None:
    now = utc_now()
    results = list(results)
    with store.write() as connection:
        finished = connection.execute(
            update(batch)
            .where(batch.c.id == batch_id, batch.c.status.in_(("pending", "claimed")))
            .values(status="finished", finished_at=now)
        )
        if finished.rowcount != 1:
            raise LibraryError(f"batch {batch_id} was finished by somebody else; nothing was written")
        connection.execute(
            update(job)
            .where(job.c.id == bindparam("job_id"))
            .values({name: bindparam(f"new_{name}") for name in _JOB_FIELDS}),
            [_job_row(result, job_ids[result.job_key], now) for result in results],
        )
        native_rate = connection.scalar(
            select(model.c.sample_rate_hz).join(batch, batch.c.model_id == model.c.id).where(batch.c.id == batch_id)
        )
        rows = [
            _sample_row(result, job_ids[result.job_key], written.get(result.job_key), native_rate, now)
            for result in results
            if status_of(result) != FAILED
        ]
        if rows:
            connection.execute(insert(sample), rows)
        made = select(sample.c.id).join(job, job.c.id == sample.c.job_id).where(job.c.batch_id == batch_id)
        fulltext.index_words(connection, connection.scalars(made))


_JOB_FIELDS = ("status", "error", "seconds", "device", "versions", "finished_at")


def _job_row(result: ResultRecord, job_id: int, now: datetime) -> dict[str, Any]:
    values = (status_of(result), result.error, result.seconds, result.device, result.versions, now)
    return {
        "job_id": job_id,
        **{f"new_{name}": value for name, value in zip(_JOB_FIELDS, values, strict=True)},
    }


def _sample_row(
    result: ResultRecord, job_id: int, file: _Written | None, native_rate_hz: int | None, now: datetime
) -> dict[str, Any]:
    status = status_of(result)
    shown: Clip | None = result.clip if status == ACCEPTED else result.raw
    facts = result.raw_facts | (result.sound_facts or {})  # raw where nothing else was measured
    return {
        "job_id": job_id,
        "status": status,
        "file": file.file if file else None,
        "sha256": file.sha256 if file else None,
        "sample_rate_hz": shown.sample_rate_hz if shown else native_rate_hz,
        **{name: facts.get(name) for name in MEASURED},
        "raw_facts": result.raw_facts,
        "sound_facts": result.sound_facts,
        "reasons": list(result.reasons),
        "sources": list(shown.sources) if shown else [],
        "created_at": now,
    }

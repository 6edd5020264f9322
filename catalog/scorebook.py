"""Scores in rows: a figure with what it was measured against, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, false, insert, or_, select, update

from catalog.errors import LibraryError
from catalog.records import ScoreRecord
from catalog.store import Store, chunks, utc_now
from catalog.tables import sample, score

SCOPES = ("sample", "model", "model_family")
_OF_SOUNDS = "sample"
_IDENTITY = ("scope", "subject", "name", "embedder", "reference")


def add(store: Store, records: Sequence[ScoreRecord]) -> None:
    """Keep scores; one of the same scope, subject, name, embedder and reference is replaced.

    Raises LibraryError for an unknown scope, NaN, or a score with both a value and a reason, or neither.
    """
    for record in records:
        _check(record)
    rows = _rows(records)
    if not rows:
        return
    # As many scores as a library has sounds are one statement each way.
    same = [score.c[name] == bindparam(f"old_{name}") for name in _IDENTITY]
    old = [{f"old_{name}": row[name] for name in _IDENTITY} for row in rows]
    with store.write() as connection:
        connection.execute(delete(score).where(*same), old)
        connection.execute(insert(score), rows)


def replace(store: Store, records: Sequence[ScoreRecord], embedder: str) -> None:
    """Keep these scores as the only ones of this embedder: older ones of groups and sounds that are gone go too.

    Of single sounds the same figure of another embedder, such as an older judge, goes as well, whatever that judge is
    called: NAME [JUDGE] is one figure by all judges. Raises LibraryError as `add` does, or for a score of another
    embedder; then the older ones stay.
    """
    for record in records:
        _check(record)
        if record.embedder != embedder:
            raise LibraryError(f"{record.name} of {record.subject}: is of {record.embedder}, not of {embedder}")
    rows = _rows(records)
    named = [_same_figure(name) for name in sorted({record.name for record in records if record.scope == _OF_SOUNDS})]
    superseded = and_(score.c.scope == _OF_SOUNDS, or_(false(), *named))
    with store.write() as connection:
        connection.execute(delete(score).where(or_(score.c.embedder == embedder, superseded)))
        if rows:
            connection.execute(insert(score), rows)


def forget_sounds(connection: Connection, sample_ids: Collection[int]) -> None:
    """Take back the scores of single sounds that are not the same any more; the percentiles stay."""
    for part in chunks([str(id) for id in sample_ids]):
        connection.execute(delete(score).where(score.c.scope == _OF_SOUNDS, score.c.subject.in_(part)))


def _same_figure(name: str) -> ColumnElement[bool]:
    """The condition for scores of this figure by any judge; a name without brackets is of itself alone."""
    figure, bracket, _ = name.partition(" [")
    return score.c.name.startswith(figure + bracket, autoescape=True) if bracket else score.c.name == name


def _rows(records: Sequence[ScoreRecord]) -> list[dict[str, Any]]:
    """What the table keeps; of records of the same identity the last one, in the place of the first."""
    now = utc_now()
    last = {tuple(getattr(record, name) for name in _IDENTITY): record for record in records}
    return [
        {
            **dict(zip(_IDENTITY, identity, strict=True)),
            "value": record.value,
            "reason": record.reason,
            "n": record.n,
            "settings": record.settings,
            "at": now,
        }
        for identity, record in last.items()
    ]


def find(
    connection: Connection,
    scope: str | None = None,
    subject: str | Collection[str] | None = None,
    name: str | None = None,
) -> list[ScoreRecord]:
    """Scores of this scope, subject (or any of several) and name (None: any), in the order of their keeping."""
    query = select(score)
    for column, wanted in ((score.c.scope, scope), (score.c.name, name)):
        if wanted is not None:
            query = query.where(column == wanted)
    queries = [query]
    if subject is not None:
        subjects = [subject] if isinstance(subject, str) else sorted(set(subject))
        queries = [query.where(score.c.subject.in_(part)) for part in chunks(subjects)]
    rows = [row for part in queries for row in connection.execute(part)]
    return [
        ScoreRecord(
            scope=row.scope,
            subject=row.subject,
            name=row.name,
            value=row.value,
            reason=row.reason,
            embedder=row.embedder,
            reference=row.reference,
            n=row.n,
            settings=row.settings,
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


def set_sample_scores(store: Store, percentiles: Mapping[int, float]) -> None:
    """Write the score of sounds: sample id -> percentile within its family, 0..100.

    Raises LibraryError for a number outside or an unknown sound; then none is written.
    """
    for sample_id, percentile in percentiles.items():
        if not 0.0 <= percentile <= 100.0:  # also false for NaN
            raise LibraryError(f"sound {sample_id}: a percentile is 0 to 100, not {percentile}")
    if not percentiles:
        return
    with store.write() as connection:
        known: set[int] = set()
        for part in chunks(list(percentiles)):
            known |= set(connection.scalars(select(sample.c.id).where(sample.c.id.in_(part))))
        unknown = sorted(set(percentiles) - known)
        if unknown:
            raise LibraryError(f"there is no sound {unknown[0]} in this library; no score was written")
        connection.execute(
            update(sample).where(sample.c.id == bindparam("sample_id")).values(score=bindparam("percentile")),
            [{"sample_id": id, "percentile": float(value)} for id, value in percentiles.items()],
        )


def _check(record: ScoreRecord) -> None:
    if record.scope not in SCOPES:
        raise LibraryError(f"a score is of {', '.join(SCOPES)}, not of {record.scope!r}")
    if (record.value is None) == (record.reason is None):
        raise LibraryError(f"{record.name} of {record.subject}: needs a value, or a reason why there is none")
    if record.value is not None and not math.isfinite(record.value):
        raise LibraryError(f"{record.name} of {record.subject}: {record.value} is no score; give the reason")

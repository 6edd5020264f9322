"""What people said about sounds: every verdict is kept, the newest one that was not undone is in force."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from catalog import samples
from catalog.errors import LibraryError
from catalog.records import DROP, KEEP
from catalog.store import Store, utc_now
from catalog.tables import review, sample


def add(store: Store, sample_id: int, verdict: str, why: str | None, who: str) -> None:
    """Keep a verdict; LibraryError for another word than keep or drop, no name, or an unknown sound."""
    if verdict not in (KEEP, DROP):
        raise LibraryError(f"a verdict is keep or drop, not {verdict!r}")
    if not who.strip():
        raise LibraryError("a verdict needs the name of who gives it")
    with store.write() as connection:
        samples.get(connection, sample_id)
        connection.execute(
            insert(review).values(sample_id=sample_id, verdict=verdict, why=why or None, who=who.strip(), at=utc_now())
        )


def undo(store: Store, sample_id: int) -> str | None:
    """Undo the verdict in force and return the one before it (None when there is none any more).

    Raises LibraryError when there is no verdict to undo.
    """
    with store.write() as connection:
        samples.get(connection, sample_id)
        newest = connection.scalar(
            select(review.c.id)
            .where(review.c.sample_id == sample_id, review.c.undone_at.is_(None))
            .order_by(review.c.id.desc())
            .limit(1)
        )
        if newest is None:
            raise LibraryError(f"sound {sample_id} has no verdict to undo")
        connection.execute(update(review).where(review.c.id == newest).values(undone_at=utc_now()))
        return _in_force(connection, sample_id)


def _in_force(connection: Connection, sample_id: int) -> str | None:
    return connection.scalar(select(samples.current_review).where(sample.c.id == sample_id))

"""Which training note each accepted sound comes nearest to: one row a sound, from the banks asked last."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from catalog.errors import LibraryError
from catalog.records import ACCEPTED, Kinship
from catalog.store import Store, chunks, utc_now
from catalog.tables import novelty, sample


def missing(connection: Connection, banks: str | None) -> list[int]:
    """Ids of the accepted sounds that were not compared with just these banks (None: with any), ascending."""
    present = select(novelty.c.sample_id)
    if banks is not None:
        present = present.where(novelty.c.banks == banks)
    query = select(sample.c.id).where(sample.c.status == ACCEPTED, sample.c.id.not_in(present))
    return list(connection.scalars(query.order_by(sample.c.id)))


def add(store: Store, banks: str, found: Mapping[int, Kinship]) -> None:
    """Keep kinships: sample id -> kinship. An older one of the same sound goes.

    Raises LibraryError for a likeness that is no number from 0 to 1, or an unknown sound; then none is kept.
    """
    for id, kinship in found.items():
        if not (math.isfinite(kinship.likeness) and 0.0 <= kinship.likeness <= 1.0):
            raise LibraryError(f"sound {id}: a likeness is 0 to 1, not {kinship.likeness}; none was kept")
    if not found:
        return
    now = utc_now()
    with store.write() as connection:
        for part in chunks(sorted(found)):
            known = set(connection.scalars(select(sample.c.id).where(sample.c.id.in_(part))))
            unknown = [id for id in part if id not in known]
            if unknown:
                raise LibraryError(f"there is no sound {unknown[0]} in this library; no kinship was kept")
            connection.execute(delete(novelty).where(novelty.c.sample_id.in_(part)))
        connection.execute(
            insert(novelty),
            [
                {
                    "sample_id": id,
                    "banks": banks,
                    "note": kinship.note,
                    "likeness": kinship.likeness,
                    "clap_note": kinship.clap_note,
                    "cosine": kinship.cosine,
                    "is_copy": kinship.is_copy,
                    "at": now,
                }
                for id, kinship in sorted(found.items())
            ],
        )

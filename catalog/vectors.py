"""Embeddings of accepted sounds: float32 vectors in rows, one for each sound and embedder.

They are the truth from which a vector index is built. Stored as little-endian float32, so that a copy of the
catalogue means the same on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select, true

from catalog.errors import LibraryError
from catalog.records import ACCEPTED, EmbeddingState
from catalog.store import Store, chunks
from catalog.tables import embedder, embedding, sample

STORED = np.dtype("<f4")


def missing(connection: Connection, embedder_id: str) -> list[int]:
    """Ids of the accepted sounds that have no vector of this embedder yet, ascending."""
    present = (
        select(embedding.c.sample_id)
        .join(embedder, embedder.c.id == embedding.c.embedder_id)
        .where(embedder.c.name == embedder_id)
    )
    query = select(sample.c.id).where(sample.c.status == ACCEPTED, sample.c.id.not_in(present))
    return list(connection.scalars(query.order_by(sample.c.id)))


def add(store: Store, embedder_id: str, ids: Sequence[int], vectors: np.ndarray) -> None:
    """Keep vectors float32 [n, d] of the sounds `ids` [n]; a sound's older vector of this embedder goes.

    Raises LibraryError for another shape or type, another d than this embedder had before, NaN or infinite
    numbers, a repeated id, or a sound that is not an accepted one of this library.
    """
    wanted = [int(id) for id in ids]
    _check_vectors(embedder_id, wanted, vectors)
    if not wanted:
        return
    with store.write() as connection:
        number = _embedder_number(connection, embedder_id, vectors.shape[1])
        for part in chunks(wanted):
            known = set(
                connection.scalars(select(sample.c.id).where(sample.c.id.in_(part), sample.c.status == ACCEPTED))
            )
            unknown = [id for id in part if id not in known]
            if unknown:
                raise LibraryError(f"sound {unknown[0]} is not an accepted one here; no vector was kept")
            connection.execute(
                delete(embedding).where(embedding.c.embedder_id == number, embedding.c.sample_id.in_(part))
            )
        connection.execute(
            insert(embedding),
            [
                {"embedder_id": number, "sample_id": id, "vector": vector.astype(STORED).tobytes()}
                for id, vector in zip(wanted, vectors, strict=True)
            ],
        )


def get(connection: Connection, embedder_id: str, ids: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Ids int64 [n] and vectors float32 [n, d]: all by ascending id, or those of `ids` in their order.

    An embedder that nobody used yet gives n = 0 (and d = 0). Raises LibraryError when one of `ids` has no
    vector.
    """
    known = connection.execute(select(embedder).where(embedder.c.name == embedder_id)).first()
    number, dim = (known.id, known.dim) if known else (-1, 0)
    query = select(embedding.c.sample_id, embedding.c.vector).where(embedding.c.embedder_id == number)
    if ids is None:
        found = {row.sample_id: row.vector for row in connection.execute(query.order_by(embedding.c.sample_id))}
        wanted = list(found)
    else:
        wanted = [int(id) for id in ids]
        found = {}
        for part in chunks(wanted):
            rows = connection.execute(query.where(embedding.c.sample_id.in_(part)))
            found.update({row.sample_id: row.vector for row in rows})
        lacking = [id for id in wanted if id not in found]
        if lacking:
            raise LibraryError(f"sound {lacking[0]} has no vector of {embedder_id}; `nightcrate rebuild` makes it")
    joined = b"".join(found[id] for id in wanted)
    vectors = np.frombuffer(joined, dtype=STORED).reshape(len(wanted), dim)
    return np.array(wanted, dtype=np.int64), vectors.astype(np.float32)


def state(connection: Connection, embedder_id: str | None) -> EmbeddingState:
    """What an index of this embedder would be built from now; None: of the one whose vector was written last."""
    newest = func.coalesce(func.max(embedding.c.id), 0)
    row = connection.execute(
        select(embedder.c.name, embedder.c.dim, func.count(embedding.c.id), newest)
        .outerjoin(embedding, embedding.c.embedder_id == embedder.c.id)
        .where(true() if embedder_id is None else embedder.c.name == embedder_id)
        .group_by(embedder.c.name, embedder.c.dim)
        .order_by(newest.desc())
    ).first()
    return EmbeddingState(*row) if row else EmbeddingState(embedder_id or "", 0, 0, 0)


def embedders(connection: Connection) -> list[str]:
    """Names of the embedders with vectors here, in the order of their first use."""
    return list(connection.scalars(select(embedder.c.name).order_by(embedder.c.id)))


def _check_vectors(embedder_id: str, ids: list[int], vectors: np.ndarray) -> None:
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(ids) or vectors.shape[1] == 0:
        raise LibraryError(
            f"{embedder_id}: float32 vectors [{len(ids)}, d] are needed, got {vectors.dtype} {list(vectors.shape)}"
        )
    if not np.isfinite(vectors).all():
        broken = ids[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
        raise LibraryError(f"{embedder_id}: the vector of sound {broken} holds NaN or infinity")
    if len(set(ids)) != len(ids):
        raise LibraryError(f"{embedder_id}: a sound came twice; one vector a sound is needed")


def _embedder_number(connection: Connection, embedder_id: str, dim: int) -> int:
    known = connection.execute(select(embedder).where(embedder.c.name == embedder_id)).first()
    if known is None:
        made = connection.execute(insert(embedder).values(name=embedder_id, dim=dim))
        return int(made.inserted_primary_key[0])  # type: ignore[index]
    if known.dim != dim:
        raise LibraryError(
            f"{embedder_id}: vectors of {dim} dimensions came, it had {known.dim} before; "
            "another network needs another embedder id"
        )
    return int(known.id)

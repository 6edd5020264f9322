"""The vector index: a FAISS file beside the catalogue that can be thrown away at any time.

The vectors themselves live in the catalogue's rows. The index is a cache of them for one embedder, with a
small json beside it that says what it was built from. FAISS files carry no checksum of their own, so the json
holds one; whenever the two disagree with each other or with the rows, the index is built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from catalog.errors import VectorIndexError
from generation.audio import AudioError, write_bytes

if TYPE_CHECKING:
    from catalog.library import Library

logger = logging.getLogger(__name__)

FORMAT = 1  # of the json; another number makes an index stale
NORM_TOLERANCE = 1e-3  # how far from 1 the length of a vector may be; inner products are cosines only then


class VectorIndex:
    """Exact cosine search over the vectors of one embedder.

    `embedder_id` names the embedder and `dim` the length of its vectors; `rebuilt` says why the index was
    built again instead of read from its file (None when the file was good).
    """

    def __init__(self, embedder_id: str, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Build from sample ids [n] and their L2-normalised vectors float32 [n, d].

        Raises VectorIndexError for a shape that does not fit, a duplicate id, NaN or vectors that are not of
        length 1.
        """
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] == 0 or ids.shape != (len(vectors),):
            raise VectorIndexError(
                f"{embedder_id}: ids {ids.shape} and vectors {vectors.shape} came, [n] and [n, d] are needed"
            )
        if len(np.unique(ids)) != len(ids):  # FAISS itself would keep both
            raise VectorIndexError(f"{embedder_id}: a sample id came twice; one vector a sample is needed")
        _check_unit_length(vectors, embedder_id)
        self._use(embedder_id, faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1])))
        self._faiss.add_with_ids(vectors, ids)

    def _use(self, embedder_id: str, index: Any) -> None:
        """Take a FAISS index over; one thread answers a single query faster than several do."""
        faiss.omp_set_num_threads(1)
        self.embedder_id = embedder_id
        self.dim = int(index.d)
        self.rebuilt: str | None = None
        self._faiss = index

    def __len__(self) -> int:
        """Return how many vectors the index holds."""
        return int(self._faiss.ntotal)

    @classmethod
    def open(cls, library: Library, embedder_id: str) -> VectorIndex:
        """Read the index of an embedder from a library, or build it from the rows when its file is no good.

        The new file is kept unless the library is read-only; what cannot be written is used from memory.
        Raises VectorIndexError when there are no rows, or they cannot be indexed.
        """
        path = index_path(library.path, embedder_id)
        expected = asdict(library.embedding_state(embedder_id)) | {"format": FORMAT}
        if expected["count"] == 0:
            raise VectorIndexError(f"{library.path}: no sound has a vector of {embedder_id} yet")
        index, why = cls._read(path, expected)
        if index is None:
            index = cls(embedder_id, *library.embeddings(embedder_id))
            index.rebuilt = why
            logger.info("index of %s built from %d rows: %s", embedder_id, len(index), why)
            if not library.read_only:
                index._keep(path, expected)
        return index

    def search(
        self, vector: np.ndarray, k: int | None = None, among: Sequence[int] | np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids int64 [m] and cosines float32 [m] of the k nearest vectors, best first.

        vector is float32 [d] of length 1; k = None asks for all; `among` limits the answer to these ids
        (unknown ones are ignored). m is at most k. Raises VectorIndexError when d does not fit.
        """
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        if query.shape[1] != self.dim:  # FAISS would stop with an empty message
            raise VectorIndexError(
                f"a vector of {query.shape[1]} dimensions came, {self.embedder_id} has {self.dim}; "
                "use the embedder that the library was indexed with"
            )
        _check_unit_length(query, self.embedder_id)
        parameters = None
        if among is not None:
            selected = np.ascontiguousarray(among, dtype=np.int64)
            if selected.size == 0:
                return np.zeros(0, np.int64), np.zeros(0, np.float32)
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(selected))  # type: ignore[call-arg]
        wanted = min(len(self) if k is None else k, len(self))
        if wanted < 1:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        cosines, ids = self._faiss.search(query, wanted, params=parameters)
        found = ids[0] >= 0  # FAISS fills up with -1
        return ids[0][found], cosines[0][found]

    @classmethod
    def _read(cls, path: Path, expected: dict[str, Any]) -> tuple[VectorIndex | None, str]:
        """Return the stored index if it was built from the expected rows, else None and the reason."""
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            data = path.read_bytes()
        except FileNotFoundError:
            return None, "there was none"
        except (OSError, ValueError) as error:
            return None, f"its file cannot be read ({error})"
        if not isinstance(about, dict) or about.pop("sha256", None) != hashlib.sha256(data).hexdigest():
            return None, "its file was damaged"
        if about != expected:
            return None, "the sounds have changed since"
        try:
            stored = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except RuntimeError as error:
            return None, f"this FAISS cannot read it ({str(error).splitlines()[0]})"
        if stored.d != expected["dim"] or stored.ntotal != expected["count"]:
            return None, "it does not hold what its description says"
        index = cls.__new__(cls)
        index._use(expected["embedder"], stored)
        return index, ""

    def _keep(self, path: Path, about: dict[str, Any]) -> None:
        """Write index and description; a kill between the two leaves a pair that the next reader rejects."""
        data = faiss.serialize_index(self._faiss).tobytes()
        description = about | {"sha256": hashlib.sha256(data).hexdigest()}
        try:
            write_bytes(path, data)
            write_bytes(path.with_suffix(".json"), json.dumps(description, indent=1).encode())
        except AudioError as error:
            logger.warning("the index stays in memory: %s", error)


def index_path(library_path: Path, embedder_id: str) -> Path:
    """Return where the index of an embedder lies in a library; each embedder has its own file."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", embedder_id)[:60]
    unique = hashlib.sha256(embedder_id.encode()).hexdigest()[:8]
    return library_path / "index" / f"{readable}-{unique}.faiss"


def _check_unit_length(vectors: np.ndarray, embedder_id: str) -> None:
    """Refuse vectors [n, d] that hold NaN or are not L2-normalised."""
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.all(np.abs(lengths - 1.0) < NORM_TOLERANCE):  # also false for NaN
        raise VectorIndexError(f"{embedder_id}: vectors of length 1 are needed; NaN or other lengths came")

"""The front door of a library: everything that is asked of it or put into it goes through this class.

A library is a folder: catalog.sqlite holds the truth, audio/ the masters, rejects/ the raw clips of rejected
sounds for some days, index/ what can be rebuilt from rows. One night at a time makes sounds in it (writer
lock); reviews, scores and reading go on beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from catalog import (
    batches,
    fulltext,
    kinships,
    nights,
    packbook,
    plans,
    rejudging,
    results,
    reviews,
    samples,
    scorebook,
    vectors,
    verify,
)
from catalog.errors import LibraryError
from catalog.gate_fit import GatedSound
from catalog.listening.book import ListeningBook
from catalog.records import (
    BatchRecord,
    EmbeddingState,
    JobRecord,
    Kinship,
    ModelRecord,
    NightRecord,
    NightSummary,
    PackItem,
    PackRecord,
    Problem,
    ResultRecord,
    SampleDetails,
    SampleFilter,
    SampleRecord,
    ScoreRecord,
    StoppedCell,
    Swept,
)
from catalog.store import Store
from catalog.writer_lock import WriterLock

CATALOG_NAME = "catalog.sqlite"


class Library:
    """One open library; use it as a context manager, or close it.

    Every method raises LibraryError, one line, when catalogue or disk refuse; then nothing of that call is kept.
    """

    def __init__(self, path: Path, store: Store) -> None:
        """Use Library.open instead."""
        self.path = path
        self._store = store
        self._lock = WriterLock(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], create: bool = False, read_only: bool = False) -> Self:
        """Open the library in the folder `path`; `create` makes it when there is none.

        read_only never writes, and works on a folder that cannot be written. Raises LibraryError when the
        path is a file, holds no library, or cannot be written though it must; SchemaTooNewError when a newer
        nightcrate made it (the file stays as it is).
        """
        root = Path(path)
        if root.exists() and not root.is_dir():
            raise LibraryError(f"{root}: a library is a folder, this is a file; choose another library")
        catalog = root / CATALOG_NAME
        if not catalog.exists():
            if not create or read_only:
                raise LibraryError(f"{root}: there is no library here; `nightcrate night` makes one")
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LibraryError(f"{root}: cannot be made ({error.strerror or error})") from error
        if not read_only:
            for needed in (root, catalog):
                if needed.exists() and not os.access(needed, os.W_OK):
                    raise LibraryError(f"{needed}: read-only; choose a library that you may write")
        return cls(root, Store(catalog, read_only))

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        return self._store.read_only

    def close(self) -> None:
        """Close the catalogue and let go of the writer lock."""
        self._store.close()
        self._lock.release()

    def __enter__(self) -> Self:
        """Give the library itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    # Nights

    def lock(self) -> None:
        """Take the right to make sounds until close(); LibraryError when another night has it.

        start_night, plan, claim, finish_batch and sweep take it by themselves.
        """
        if self.read_only:
            raise LibraryError(f"{self.path}: opened for reading only; nothing was written")
        self._lock.acquire()

    def start_night(self, name: str, config: dict[str, Any]) -> int:
        """Resume the unfinished night of this config, or begin a new one; its id.

        `config` (JSON-safe) must hold all that decides the plan, fingerprints too: other weights, another night.
        """
        self.lock()
        return nights.start(self._store, name, config)

    def end_night(self, night_id: int, status: str) -> None:
        """Say how a night ended: finished, or deadline (the same config resumes it)."""
        nights.end(self._store, night_id, status)

    def night(self, night_id: int) -> NightRecord:
        """One night; LibraryError when there is none with this id."""
        with self._store.read() as connection:
            return nights.get(connection, night_id)

    def nights(self) -> list[NightRecord]:
        """All nights, oldest first."""
        with self._store.read() as connection:
            return nights.every(connection)

    def add_stage_time(self, night_id: int, stage: str, seconds: float) -> None:
        """Add to the seconds that a stage has taken in this night, over all its resumptions."""
        nights.add_stage_time(self._store, night_id, stage, seconds)

    def stop_cell(self, night_id: int, model: str, family: str, sentence: str) -> int:
        """Record that the canary stopped a model x family cell, with its sentence.

        Pending batches of this night that lie wholly in stopped cells are skipped, also those planned later;
        a batch that holds other cells too is made whole. Returns how many batches are skipped now.
        """
        return nights.stop_cell(self._store, night_id, StoppedCell(model, family, sentence))

    def stopped_cells(self, night_id: int) -> list[StoppedCell]:
        """The cells stopped in this night, in the order of their stopping."""
        with self._store.read() as connection:
            return nights.stopped_cells(connection, night_id)

    def outcomes(self, night_id: int) -> list[tuple[str, str, bool]]:
        """(model, family, accepted) of all that this night made, in batch order: what its canary has seen."""
        with self._store.read() as connection:
            return nights.outcomes(connection, night_id)

    def accepted_counts(self, night_id: int) -> dict[tuple[str, str | None, str], int]:
        """(model, source, family) -> accepted sounds among this night's jobs, found or made; 0 where none."""
        with self._store.read() as connection:
            cells = nights.cells(connection, night_id)
        return {(cell.model, cell.source, cell.family): cell.accepted for cell in cells}

    def pace(self, model: str) -> tuple[float, int] | None:
        """(mean seconds a sound, sounds) of all that a model made here; None when it made nothing yet."""
        with self._store.read() as connection:
            return nights.pace(connection, model)

    def summary(self, night_id: int) -> NightSummary:
        """The facts of the morning page."""
        with self._store.read() as connection:
            return nights.summary(connection, night_id)

    # Plan and results

    def add_models(self, records: Sequence[ModelRecord]) -> None:
        """Make models known; name, fingerprint and technique version identify one, the rest is updated."""
        plans.add_models(self._store, records)

    def models(self) -> dict[int, ModelRecord]:
        """Every model known here by its id (SampleRecord.model_id)."""
        with self._store.read() as connection:
            return plans.models(connection)

    def plan(self, night_id: int, wanted: Sequence[Sequence[JobRecord]]) -> int:
        """Add jobs to what this night wants, in these batches; how many of them were new to the library.

        Idempotent: a known job, finished or not, keeps its batch and its result and only joins this night.
        """
        self.lock()
        return plans.plan(self._store, night_id, wanted)

    def pending_batches(self, night_id: int, model: str | None = None) -> list[BatchRecord]:
        """Batches still to be made for this night, in planning order; of one model if asked.

        A batch that an older, unfinished night planned is among them when it holds a job of this one.
        """
        with self._store.read() as connection:
            return batches.pending_batches(connection, night_id, model)

    def job_statuses(self, keys: Sequence[str]) -> dict[str, str]:
        """How jobs stand by key: planned, accepted, rejected or failed; keys never planned are left out."""
        with self._store.read() as connection:
            return batches.statuses(connection, keys)

    def retry_failed(self, night_id: int) -> int:
        """Give batches another chance of which every job failed (the cause may be gone); how many."""
        self.lock()
        return batches.retry_failed(self._store, night_id)

    def jobs(self, batch_id: int) -> list[JobRecord]:
        """The members of a batch in their order."""
        with self._store.read() as connection:
            return batches.jobs(connection, batch_id)

    def claim(self, batch_id: int) -> bool:
        """Say that a batch is being made now; False when it needs no making any more."""
        self.lock()
        return batches.claim(self._store, batch_id)

    def finish_batch(self, batch_id: int, outcome: Sequence[ResultRecord]) -> None:
        """Keep one result for each member of a batch: the files, then all rows in one transaction.

        When anything refuses, no file and no row of the batch remains and it stays to be made.
        """
        self.lock()
        results.finish_batch(self._store, self.path, batch_id, outcome)

    # Sounds

    def samples(self, where: SampleFilter | None = None) -> list[SampleRecord]:
        """The sounds that pass the filter (default: all accepted ones), by id."""
        with self._store.read() as connection:
            return samples.find(connection, where or SampleFilter())

    def sample_ids(self, where: SampleFilter | None = None) -> list[int]:
        """Only the ids of `samples(where)`, ascending."""
        with self._store.read() as connection:
            return samples.find_ids(connection, where or SampleFilter())

    def count(self, where: SampleFilter | None = None) -> int:
        """How many sounds pass the filter (default: accepted ones)."""
        with self._store.read() as connection:
            return samples.count(connection, where or SampleFilter())

    def sample(self, wanted: int | str) -> SampleRecord:
        """One sound by id, or by the beginning of its job key (4 or more characters, as text)."""
        with self._store.read() as connection:
            return samples.get(connection, wanted)

    def details(self, wanted: int | str) -> SampleDetails:
        """One sound with its settings, all its measured facts and its reviews."""
        with self._store.read() as connection:
            return samples.details(connection, samples.get(connection, wanted))

    def audio_path(self, sample: SampleRecord) -> Path:
        """Where the sound's file lies; LibraryError for a reject whose raw clip is not kept."""
        if sample.file is None:
            raise LibraryError(f"sound {sample.id} was rejected and its raw clip is not kept any more")
        return self.path / sample.file

    def fulltext(self, query_terms: Iterable[str], limit: int | None = None) -> list[tuple[int, float]]:
        """(sample id, rank) of accepted sounds with at least one of the terms, best (highest rank) first.

        A term may be several words, which must then stand together; nothing in it is an operator. English
        endings and accents are ignored. The rank is BM25, comparable within one call only.
        """
        with self._store.read() as connection:
            return fulltext.search(connection, query_terms, limit)

    # Embeddings

    def missing_embeddings(self, embedder_id: str) -> list[SampleRecord]:
        """Accepted sounds without a vector of this embedder, by id."""
        with self._store.read() as connection:
            return samples.find(connection, SampleFilter(ids=tuple(vectors.missing(connection, embedder_id))))

    def add_embeddings(self, embedder_id: str, ids: Sequence[int], values: np.ndarray) -> None:
        """Keep vectors float32 [n, d] of the sounds `ids` [n]; older ones of this embedder are replaced.

        Raises LibraryError for another d than before, NaN, a repeated id or an unknown sound.
        """
        vectors.add(self._store, embedder_id, ids, values)

    def embeddings(self, embedder_id: str, ids: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids int64 [n] and vectors float32 [n, d]: all by ascending id, or those of `ids` in their order."""
        with self._store.read() as connection:
            return vectors.get(connection, embedder_id, ids)

    def embedding_state(self, embedder_id: str | None = None) -> EmbeddingState:
        """What an index of this embedder would be built from now; None: of the one that heard the sounds last."""
        with self._store.read() as connection:
            return vectors.state(connection, embedder_id)

    # Judgements

    def add_scores(self, records: Sequence[ScoreRecord]) -> None:
        """Keep scores; the same figure (scope, subject, name, embedder, reference) is replaced."""
        scorebook.add(self._store, records)

    def replace_model_scores(self, records: Sequence[ScoreRecord], embedder: str) -> None:
        """Keep these scores as the only ones of this embedder; those of groups and sounds that are gone go."""
        scorebook.replace(self._store, records, embedder)

    def scores(
        self, scope: str | None = None, subject: str | Collection[str] | None = None, name: str | None = None
    ) -> list[ScoreRecord]:
        """Scores of this scope, subject (or any of several) and name; None means any."""
        with self._store.read() as connection:
            return scorebook.find(connection, scope, subject, name)

    def set_sample_scores(self, percentiles: Mapping[int, float]) -> None:
        """Write the score of sounds: sample id -> percentile within its family, 0..100."""
        scorebook.set_sample_scores(self._store, percentiles)

    def missing_kinships(self, banks: str | None) -> list[SampleRecord]:
        """Accepted sounds that were not compared with just these novelty banks (None: with any) yet, by id."""
        with self._store.read() as connection:
            return samples.find(connection, SampleFilter(ids=tuple(kinships.missing(connection, banks))))

    def add_kinships(self, banks: str, found: Mapping[int, Kinship]) -> None:
        """Keep how sounds stand to the training notes of these banks: sample id -> kinship; older ones go."""
        kinships.add(self._store, banks, found)

    def gated_sounds(self) -> list[GatedSound]:
        """Every sound, rejected ones too, with the facts that its verdict follows from, by id."""
        with self._store.read() as connection:
            return rejudging.gated_sounds(connection)

    def rejudge(self, verdicts: Sequence[rejudging.NewVerdict]) -> None:
        """Keep other verdicts than the night's; masters of newly accepted sounds are written first."""
        self.lock()
        rejudging.rejudge(self._store, self.path, verdicts)

    def review(self, sample_id: int, verdict: str, why: str | None, who: str) -> None:
        """Keep a person's verdict, keep or drop, on a sound."""
        reviews.add(self._store, sample_id, verdict, why, who)

    def undo_review(self, sample_id: int) -> str | None:
        """Undo the verdict in force; the one before it is in force again and returned (None: none is)."""
        return reviews.undo(self._store, sample_id)

    @property
    def listening(self) -> ListeningBook:
        """The listening tests made of this library, who listened and what they answered."""
        return ListeningBook(self._store, self.path)

    # Packs

    def add_pack(self, name: str, sha256: str, items: Sequence[PackItem]) -> int:
        """Remember a pack that was made, the name and sha256 of its file and what lies in it; its id."""
        return packbook.add(self._store, name, sha256, items)

    def packs(self) -> list[PackRecord]:
        """Every pack that was made, oldest first."""
        with self._store.read() as connection:
            return packbook.find(connection)

    # Upkeep

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        """Everything in which folder and rows disagree; every sound is read, `progress` gets (done, all)."""
        return verify.verify(self._store, self.path, progress)

    def sweep(self, reject_days: float | None = None) -> Swept:
        """Remove what a kill left behind, and raw clips of rejects older than this many days (None: none).

        Only files named after this library's own jobs go; call it after start_night.
        """
        held = self._lock.held
        self.lock()
        try:
            return verify.sweep(self._store, self.path, reject_days)
        finally:
            if not held:
                self._lock.release()

    def rebuild_index(self) -> int:
        """Make full text and vector indexes again from rows; how many sounds' words were indexed."""
        from catalog.index import VectorIndex, index_path

        indexed = fulltext.rebuild(self._store)
        with self._store.read() as connection:
            used = vectors.embedders(connection)
        for embedder_id in used:
            index_path(self.path, embedder_id).unlink(missing_ok=True)
            VectorIndex.open(self, embedder_id)
        return indexed

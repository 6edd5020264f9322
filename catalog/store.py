"""The one writer: opens a catalogue, checks its schema, and hands out reading and writing connections.

All SQLite-only talk is here, in the full-text search and in the migrations. A write takes the lock of the
database at once (BEGIN IMMEDIATE), so that what it read first is still true when it writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, ProgrammingError

from catalog.errors import LibraryError, SchemaTooNewError
from catalog.migrations import REVISIONS, upgrade

BUSY_TIMEOUT_MS = 30_000
CHUNK = 5_000
"""Values in one IN (...): SQLite takes 32,766, Postgres 65,535."""
_SQLITE_HEADER = b"SQLite format 3\0"
to_json = partial(json.dumps, allow_nan=False, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
"""Canonical JSON, as stored and hashed; ValueError for NaN and infinities."""


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a long list into pieces that fit one IN (...)."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def utc_now() -> datetime:
    """The time of day, aware, in UTC."""
    return datetime.now(UTC)


class Store:
    """One open catalogue file.

    read_only: nothing is written, not even beside the file when its folder cannot be written.
    Raises LibraryError when the file is no catalogue or cannot be opened, SchemaTooNewError when a newer
    nightcrate wrote it; in both cases the file is left as it is.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        """Open the file, or make it when it is missing and may be written; older schemas are upgraded."""
        self.path = path
        self.read_only = read_only
        revision = self._revision()
        if revision is not None and revision not in REVISIONS:
            raise SchemaTooNewError(
                f"{path}: made by a newer nightcrate (schema {revision}, this one knows up to "
                f"{REVISIONS[-1]}); update nightcrate"
            )
        if read_only and revision != REVISIONS[-1]:
            raise LibraryError(
                f"{path}: schema {revision or 'empty'} must become {REVISIONS[-1]} first; "
                "open the library once with a command that writes"
            )
        self._engine = self._create_engine()
        if revision != REVISIONS[-1]:
            self._migrate()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the catalogue; what it writes is not kept."""
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of the block is kept, or, when it raises, nothing."""
        if self.read_only:
            raise LibraryError(f"{self.path.parent}: opened for reading only; nothing was written")
        with self._explained(), self._engine.connect() as connection:
            connection = connection.execution_options(write=True)
            with connection.begin():
                yield connection

    def damages(self) -> list[str]:
        """What the database finds wrong with itself, one line each; empty when it is sound."""
        with self.read() as connection:
            try:
                lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(10)")]
            except DatabaseError as error:
                # SQLite gives up where even its own schema is broken.
                if getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_CORRUPT"):
                    return [str(error.orig)]
                raise
            if lines != ["ok"]:
                return lines  # keys of a broken file cannot be followed
            lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(10)
        return [f"row {row[1]} of {row[0]} has lost its {row[2]}" for row in lost]

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        self._engine.dispose()

    def _revision(self) -> str | None:
        """The schema of the file, None when it is empty, without changing one byte of it or beside it."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file:
                header = file.read(len(_SQLITE_HEADER))
        except OSError as error:
            raise LibraryError(f"{self.path}: cannot be read ({error.strerror or error})") from error
        # SQLite itself takes a file of a few bytes for an empty database, and would write over it.
        if header not in (b"", _SQLITE_HEADER):
            raise LibraryError(f"{self.path}: {_REMEDIES['SQLITE_NOTADB']}")
        try:
            with closing(sqlite3.connect(self._uri(self._peek_mode()), uri=True)) as connection:
                tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
                if not tables:
                    return None
                if "alembic_version" in tables:
                    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                    if row is not None:
                        return str(row[0])
        except sqlite3.Error as error:
            raise self._cannot_open(error) from error
        raise LibraryError(f"{self.path}: a database, but not a nightcrate catalogue; choose another library")

    def _peek_mode(self) -> str:
        """How to look without a trace: SQLite leaves helper files behind unless told it is immutable."""
        log = self.path.with_name(self.path.name + "-wal")
        unfolded = log.exists() and log.stat().st_size > 0
        return "mode=ro" if unfolded else "mode=ro&immutable=1"

    def _uri(self, mode: str) -> str:
        return f"file:{quote(str(self.path.absolute()))}?{mode}"

    def _mode(self) -> str:
        if not self.read_only:
            return "mode=rwc"
        # Readers of a write-ahead log need helper files beside it; a folder nobody can write has no writer.
        return "mode=ro" if os.access(self.path.parent, os.W_OK) else self._peek_mode()

    def _create_engine(self) -> Engine:
        uri = self._uri(self._mode())

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
            )

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, json_serializer=to_json)
        event.listen(engine, "connect", self._set_pragmas)
        event.listen(engine, "begin", _begin)
        return engine

    def _set_pragmas(self, connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        if not self.read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

    def _migrate(self) -> None:
        """Bring the schema up to date in one transaction; tables may be copied, so keys are checked after."""
        with self._explained(), self._engine.connect() as connection:
            connection = connection.execution_options(write=True)
            driver = connection.connection.driver_connection
            if driver is None:  # only a detached connection has none
                raise LibraryError(f"{self.path}: no connection to migrate")
            driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    upgrade(connection)
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                    if broken is not None:
                        raise LibraryError(
                            f"{self.path}: not upgraded, rows of {broken[0]} would lose their {broken[2]}"
                        )
            finally:
                driver.execute("PRAGMA foreign_keys=ON")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database says into one line that tells what to do."""
        try:
            yield
        except (IntegrityError, ProgrammingError):
            raise  # our own mistakes, not the user's
        except DatabaseError as error:
            if not isinstance(error.orig, sqlite3.Error):
                raise
            raise self._cannot_open(error.orig) from error

    def _cannot_open(self, error: sqlite3.Error) -> LibraryError:
        name: str = getattr(error, "sqlite_errorname", "")
        for prefix, sentence in _REMEDIES.items():
            if name.startswith(prefix):
                return LibraryError(f"{self.path}: {sentence}")
        return LibraryError(f"{self.path}: {error}")


_REMEDIES = {
    "SQLITE_NOTADB": "not a nightcrate catalogue (no SQLite file); choose another library",
    "SQLITE_CORRUPT": "the catalogue is damaged; restore it from a copy",
    "SQLITE_FULL": "the disk is full; free some space and start again, finished batches are kept",
    "SQLITE_IOERR": "the disk cannot be read or written (full?); see to it and start again, finished batches are kept",
    "SQLITE_READONLY": "cannot be written (read-only); choose a library in a folder of your own",
    "SQLITE_CANTOPEN": "cannot be opened; check that you may read and write its folder",
    "SQLITE_BUSY": f"another command has been writing for {BUSY_TIMEOUT_MS // 1000} s; try again after it",
}


def _begin(connection: Connection) -> None:
    """Start a transaction by hand: Python's sqlite3 would start it too late, or not at all for tables."""
    writing: Any = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

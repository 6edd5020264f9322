"""The store: pragmas, one transaction, UTC, and what it refuses to open."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select

from catalog import store as store_module
from catalog.errors import LibraryError, SchemaTooNewError
from catalog.library import Library
from catalog.store import Store, utc_now
from catalog.tables import UtcDateTime, Words, night
from tests.catalog.toy_library import make, toy_job

NIGHT = {"name": "n", "config": {}, "config_sha256": "0" * 64, "status": "running"}


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "catalog.sqlite")
    yield opened
    opened.close()


def names(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(select(night.c.name)))


def test_connections_are_set_up_for_one_writer_and_many_readers(store):
    with store.read() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert found == ["wal", 1, 1, 30_000]


def test_a_block_that_raises_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute(insert(night).values(**NIGHT, started_at=utc_now()))
        raise RuntimeError("stop")
    assert names(store) == []


def test_a_writer_keeps_others_from_reading_what_it_is_about_to_change(store, monkeypatch, tmp_path):
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_MS", 50)
    other = Store(tmp_path / "catalog.sqlite")
    with store.write(), pytest.raises(LibraryError, match="another command has been writing"):
        with other.write():
            pytest.fail("two writers at once")
    other.close()


def test_read_then_write_in_threads_loses_no_step(store):
    with store.write() as connection:
        connection.execute(insert(night).values(**NIGHT | {"name": "0"}, started_at=utc_now()))

    def count_up() -> None:
        for _ in range(10):
            with store.write() as connection:
                value = int(connection.scalar(select(night.c.name)))
                connection.execute(night.update().values(name=str(value + 1)))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(store) == ["40"]


def test_times_come_back_in_utc_from_any_zone(store):
    noon = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=-6)))
    with store.write() as connection:
        connection.execute(insert(night).values(**NIGHT, started_at=noon))
    with store.read() as connection:
        kept = connection.scalar(select(night.c.started_at))
    assert kept == noon and kept.tzinfo is UTC and kept.hour == 18


def test_a_time_without_a_zone_is_refused():
    dialect = create_engine("sqlite://").dialect
    with pytest.raises(ValueError, match="needs a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 6, 1), dialect)


@given(st.lists(st.from_regex(r"[a-z_-]{1,12}", fullmatch=True)))
def test_words_survive_the_column(words):
    dialect = create_engine("sqlite://").dialect
    stored = Words().process_bind_param(tuple(words), dialect)
    assert Words().process_result_value(stored, dialect) == tuple(words)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(min_size=1, max_size=5_000))
def test_bytes_that_are_no_catalogue_are_refused_and_kept(tmp_path, data):
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(data)
    for read_only in (False, True):
        with pytest.raises(LibraryError) as caught:
            Store(path, read_only)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == data and os.listdir(tmp_path) == ["catalog.sqlite"]


def test_another_programs_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "catalog.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="not a nightcrate catalogue"):
        Store(path)
    assert path.read_bytes() == before


def test_an_interrupted_creation_goes_on(tmp_path):
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(LibraryError, match="with a command that writes"):
        Store(tmp_path / "catalog.sqlite", read_only=True)
    opened = Store(tmp_path / "catalog.sqlite")
    assert names(opened) == []
    opened.close()


@pytest.mark.parametrize("killed", [False, True])
def test_a_newer_schema_is_refused_and_the_folder_untouched(library_path, killed):
    """`killed`: its write-ahead log was never folded in, and it alone tells the newer number."""
    with Library.open(library_path, create=True) as library:
        make(library, [toy_job()])
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute(\"UPDATE alembic_version SET version_num = '9999'\");"
        "os._exit(0) if sys.argv[2] == 'True' else c.close()"
    )
    catalog = str(library_path / "catalog.sqlite")
    subprocess.run([sys.executable, "-c", code, catalog, str(killed)], check=True)
    assert (library_path / "catalog.sqlite-wal").exists() == killed

    def content() -> dict[Path, bytes]:
        # The shared-memory file holds locks, not data; every reader of a log uses it.
        kept = (p for p in library_path.rglob("*") if p.is_file() and not p.name.endswith("-shm"))
        return {path: path.read_bytes() for path in kept}

    before = content()
    for read_only in (False, True):
        with pytest.raises(SchemaTooNewError, match=r"schema 9999, this one knows up to 0003.*update nightcrate"):
            Library.open(library_path, read_only=read_only)
    assert content() == before


def test_a_store_for_reading_refuses_to_write(tmp_path):
    Store(tmp_path / "catalog.sqlite").close()
    opened = Store(tmp_path / "catalog.sqlite", read_only=True)
    with pytest.raises(LibraryError, match="opened for reading only"), opened.write():
        pytest.fail("wrote")
    opened.close()


def test_odd_characters_in_the_path_are_no_trouble(tmp_path):
    path = tmp_path / "a?b#c%20 d" / "catalog.sqlite"
    path.parent.mkdir()
    Store(path).close()
    assert path.exists()
    Store(path, read_only=True).close()


@pytest.mark.parametrize("seed", range(8))
def test_damage_is_found_wherever_it_lies(tmp_path, seed):
    path = tmp_path / "catalog.sqlite"
    opened = Store(path)
    assert opened.damages() == []
    with opened.write() as connection:
        for _ in range(500):
            connection.execute(insert(night).values(**NIGHT | {"name": "x" * 500}, started_at=utc_now()))
    opened.close()
    data = bytearray(path.read_bytes())
    data[-40_000:-20_000] = random.Random(seed).randbytes(20_000)
    path.write_bytes(data)
    opened = Store(path, read_only=True)
    assert opened.damages()
    opened.close()

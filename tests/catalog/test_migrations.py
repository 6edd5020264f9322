"""Migrations: they make exactly the tables of the code, from nothing and from every older catalogue."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from catalog import migrations
from catalog.library import Library
from catalog.store import Store
from catalog.tables import metadata

STORED = Path(__file__).parent / "stored_catalogues"


def shape(engine: Engine) -> dict[str, object]:
    """All that the database says about its tables, the full-text ones apart."""
    looked = inspect(engine)

    def by_name(found: list[dict[str, object]]) -> list[str]:
        return sorted(str(sorted(one.items(), key=lambda item: item[0])) for one in found)

    return {
        name: {
            "columns": [
                (c["name"], str(c["type"]), c["nullable"], c["default"], c["primary_key"])
                for c in looked.get_columns(name)
            ],
            "key": looked.get_pk_constraint(name),
            "foreign": by_name(looked.get_foreign_keys(name)),
            "unique": by_name(looked.get_unique_constraints(name)),
            "indexes": by_name(looked.get_indexes(name)),
            "checks": by_name(looked.get_check_constraints(name)),
        }
        for name in looked.get_table_names()
        if not name.startswith("sample_fts") and name not in ("alembic_version", "sqlite_sequence")
    }


def test_from_nothing_to_exactly_the_tables_of_the_code(tmp_path):
    Store(tmp_path / "made.sqlite").close()
    wanted = create_engine("sqlite://")
    metadata.create_all(wanted)
    made = create_engine(f"sqlite:///{tmp_path}/made.sqlite")
    assert shape(made) == shape(wanted)
    with made.connect() as connection:
        keeps_numbers = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = 'embedding'"
        assert connection.scalar(text(keeps_numbers)) == 1
    made.dispose()


def test_the_known_revisions_are_the_steps_in_order():
    config = Config()
    config.set_main_option("script_location", "catalog:migrations")
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([step.revision for step in steps])) == migrations.REVISIONS


def test_a_step_that_fails_leaves_the_catalogue_as_it_was(tmp_path, monkeypatch):
    def broken(connection):
        real(connection)
        raise RuntimeError("stop")

    real = migrations.upgrade
    monkeypatch.setattr("catalog.store.upgrade", broken)
    with pytest.raises(RuntimeError):
        Store(tmp_path / "catalog.sqlite")
    monkeypatch.undo()
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.sqlite")
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Store(tmp_path / "catalog.sqlite").close()


@pytest.mark.parametrize("revision", migrations.REVISIONS)
def test_a_stored_catalogue_of_each_version_opens_with_its_sounds(tmp_path, revision):
    packed = (STORED / f"{revision}.sqlite.gz").read_bytes()
    (tmp_path / "catalog.sqlite").write_bytes(gzip.decompress(packed))
    with Library.open(tmp_path) as library:
        sounds = library.samples()
        assert [(sound.prompt, sound.note, sound.review) for sound in sounds] == [
            ("acoustic dark bass", "A1", "keep"),
            ("acoustic dark bass", "A1", None),
        ]
        assert [id for id, _ in library.fulltext(["bass"])] == [sound.id for sound in sounds]
        assert library.embeddings("toy@1")[1].tolist() == [[1.0, 0.0], [0.0, 1.0]]
        assert library.summary(1).accepted == 2

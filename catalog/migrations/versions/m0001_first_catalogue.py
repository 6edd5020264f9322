"""Step 0001: the first catalogue, with full text over prompt, tags and synonyms."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UTC = sa.DateTime(timezone=True)


def _column(name: str, kind: Any = sa.String, null: bool = False) -> sa.Column:
    """A column that must hold something, unless `null`."""
    return sa.Column(name, kind, nullable=null)


def _key() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def _to(target: str, name: str, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{target}.id"), nullable=null)


def upgrade() -> None:
    """Make every table, then the full-text table and its triggers."""
    _create_nights()
    _create_jobs()
    _create_samples()
    _create_judgements()
    _create_packs()
    if op.get_bind().dialect.name == "sqlite":
        _create_fulltext()


def _create_nights() -> None:
    op.create_table(
        "model",
        _key(),
        _column("name"),
        _column("technique"),
        _column("fingerprint"),
        _column("technique_version"),
        _column("sample_rate_hz", sa.Integer),
        _column("commercial"),
        _column("licence_chain", sa.JSON),
        _column("card", sa.JSON),
        _column("added_at", UTC),
        sa.UniqueConstraint("name", "fingerprint", "technique_version"),
        _one_of("commercial", "yes", "no", "undeclared"),
    )
    op.create_table(
        "night",
        _key(),
        _column("name"),
        _column("config", sa.JSON),
        sa.Column("config_sha256", sa.String, nullable=False, index=True),
        _column("status"),
        _column("started_at", UTC),
        _column("ended_at", UTC, null=True),
        _one_of("status", "running", "finished", "deadline"),
    )
    op.create_table(
        "stage_time",
        _to("night", "night_id"),
        _column("stage"),
        _column("seconds", sa.Float),
        sa.PrimaryKeyConstraint("night_id", "stage"),
    )
    op.create_table(
        "stopped_cell",
        _to("night", "night_id"),
        _column("model"),
        _column("family"),
        _column("sentence", sa.Text),
        _column("at", UTC),
        sa.PrimaryKeyConstraint("night_id", "model", "family"),
    )


def _create_jobs() -> None:
    op.create_table(
        "batch",
        _key(),
        _to("night", "night_id"),
        _column("ordinal", sa.Integer),
        _column("round", sa.Integer),
        _to("model", "model_id"),
        sa.Column("status", sa.String, nullable=False, index=True),
        _column("attempts", sa.Integer),
        _to("night", "skipped_by", null=True),
        _column("finished_at", UTC, null=True),
        sa.UniqueConstraint("night_id", "ordinal"),
        _one_of("status", "pending", "claimed", "finished", "skipped"),
    )
    op.create_table(
        "job",
        _key(),
        _column("key"),
        _to("model", "model_id"),
        _to("batch", "batch_id"),
        _column("position", sa.Integer),
        _column("prompt", sa.Text),
        _column("family"),
        _column("source", null=True),
        _column("qualities", sa.Text),
        _column("note", sa.Integer, null=True),
        _column("seed", sa.BigInteger),
        _column("settings", sa.JSON),
        _column("round", sa.Integer),
        _column("status"),
        _column("error", sa.Text, null=True),
        _column("seconds", sa.Float, null=True),
        _column("device", null=True),
        _column("versions", sa.JSON, null=True),
        _column("finished_at", UTC, null=True),
        sa.UniqueConstraint("key"),
        sa.UniqueConstraint("batch_id", "position"),
        _one_of("status", "planned", "accepted", "rejected", "failed"),
    )
    op.create_index(None, "job", ["model_id", "family"])
    op.create_table(
        "night_job",
        _to("night", "night_id"),
        sa.Column("job_id", sa.Integer, sa.ForeignKey("job.id"), nullable=False, index=True),
        _column("round", sa.Integer),
        _column("found", sa.Boolean),
        sa.PrimaryKeyConstraint("night_id", "job_id"),
    )


def _create_samples() -> None:
    measured = ("cents", "pitch_confidence", "lufs", "peak_dbfs", "attack_s", "decay_s", "bandwidth_hz")
    op.create_table(
        "sample",
        _key(),
        _to("job", "job_id"),
        sa.Column("status", sa.String, nullable=False, index=True),
        _column("file", null=True),
        _column("sha256", null=True),
        _column("sample_rate_hz", sa.Integer),
        sa.Column("midi_note", sa.Integer, index=True),
        *(_column(name, sa.Float, null=True) for name in (*measured, "centroid_hz", "duration_s")),
        _column("raw_facts", sa.JSON),
        _column("sound_facts", sa.JSON, null=True),
        _column("reasons", sa.JSON),
        _column("sources", sa.JSON),
        _column("score", sa.Float, null=True),
        _column("created_at", UTC),
        sa.UniqueConstraint("job_id"),
        sa.UniqueConstraint("file"),
        _one_of("status", "accepted", "rejected"),
    )
    op.create_table(
        "sample_text",
        sa.Column("sample_id", sa.Integer, sa.ForeignKey("sample.id"), primary_key=True),
        _column("prompt", sa.Text),
        _column("tags", sa.Text),
        _column("synonyms", sa.Text),
    )
    op.create_table("embedder", _key(), _column("name"), _column("dim", sa.Integer), sa.UniqueConstraint("name"))
    op.create_table(
        "embedding",
        _key(),
        _to("embedder", "embedder_id"),
        _to("sample", "sample_id"),
        _column("vector", sa.LargeBinary),
        sa.UniqueConstraint("embedder_id", "sample_id"),
        sqlite_autoincrement=True,
    )


def _create_judgements() -> None:
    op.create_table(
        "score",
        _key(),
        _column("scope"),
        _column("subject"),
        _column("name"),
        _column("value", sa.Float, null=True),
        _column("reason", sa.Text, null=True),
        _column("embedder"),
        _column("reference"),
        _column("n", sa.Integer),
        _column("settings", sa.JSON),
        _column("at", UTC),
        sa.UniqueConstraint("scope", "subject", "name", "embedder", "reference"),
        _one_of("scope", "sample", "model", "model_family"),
        sa.CheckConstraint("(value IS NULL) <> (reason IS NULL)", name="value_or_reason"),
    )
    op.create_table(
        "review",
        _key(),
        sa.Column("sample_id", sa.Integer, sa.ForeignKey("sample.id"), nullable=False, index=True),
        _column("verdict"),
        _column("why", sa.Text, null=True),
        _column("who"),
        _column("at", UTC),
        _column("undone_at", UTC, null=True),
        _one_of("verdict", "keep", "drop"),
    )


def _create_packs() -> None:
    op.create_table("pack", _key(), _column("name"), _column("sha256"), _column("made_at", UTC))
    op.create_table(
        "pack_item",
        _to("pack", "pack_id"),
        _column("name"),
        sa.Column("sample_id", sa.Integer, sa.ForeignKey("sample.id"), nullable=False, index=True),
        _column("sha256"),
        sa.PrimaryKeyConstraint("pack_id", "name"),
    )


def _create_fulltext() -> None:
    """FTS5 over sample_text; the words stay there, the triggers keep the index in step.

    `porter` folds English endings (plucked, plucking), `remove_diacritics 2` Spanish accents.
    """
    op.execute(
        "CREATE VIRTUAL TABLE sample_fts USING fts5(prompt, tags, synonyms, content='sample_text', "
        "content_rowid='sample_id', tokenize='porter unicode61 remove_diacritics 2')"
    )
    insert = (
        "INSERT INTO sample_fts(rowid, prompt, tags, synonyms) "
        "VALUES (new.sample_id, new.prompt, new.tags, new.synonyms);"
    )
    delete = (
        "INSERT INTO sample_fts(sample_fts, rowid, prompt, tags, synonyms) "
        "VALUES ('delete', old.sample_id, old.prompt, old.tags, old.synonyms);"
    )
    for event, body in (("insert", insert), ("delete", delete), ("update", delete + " " + insert)):
        op.execute(f"CREATE TRIGGER sample_text_{event} AFTER {event.upper()} ON sample_text BEGIN {body} END")

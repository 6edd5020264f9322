"""The tables of a catalogue, unit beside each column; portable SQL, the schema itself is made by migrations.

A job is one wanted sound and belongs to exactly one batch for ever; several nights may want the same job
(night_job). A sample is what a job became, also when it was rejected. Nothing else counts as a record.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database (SQLite forgets the zone, Postgres keeps it)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; a datetime without a zone is refused, since nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs a zone, got {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware UTC datetime."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[tuple[str, ...]]):
    """A tuple of words as ` one two `, so that every database finds a whole word with LIKE `% one %`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """Join with one space, and one at each end."""
        return None if value is None else f" {' '.join(value)} "

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Give the tuple back."""
        return None if value is None else tuple(value.split())


def _one_of(column: str, *values: str) -> CheckConstraint:
    """Let a column hold only these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


model = Table(
    "model",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("technique", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("technique_version", String, nullable=False),
    Column("sample_rate_hz", Integer, nullable=False),
    Column("commercial", String, nullable=False),
    Column("licence_chain", JSON, nullable=False),
    Column("card", JSON, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    UniqueConstraint("name", "fingerprint", "technique_version"),
    _one_of("commercial", "yes", "no", "undeclared"),
)

night = Table(
    "night",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("config", JSON, nullable=False),
    Column("config_sha256", String, nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    _one_of("status", "running", "finished", "deadline"),
)

stage_time = Table(
    "stage_time",
    metadata,
    Column("night_id", ForeignKey("night.id"), primary_key=True),
    Column("stage", String, primary_key=True),
    Column("seconds", Float, nullable=False),
)

stopped_cell = Table(
    "stopped_cell",
    metadata,
    Column("night_id", ForeignKey("night.id"), primary_key=True),
    Column("model", String, primary_key=True),
    Column("family", String, primary_key=True),
    Column("sentence", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

batch = Table(
    "batch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("night_id", ForeignKey("night.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("model_id", ForeignKey("model.id"), nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("skipped_by", ForeignKey("night.id")),  # the night whose canary stopped it
    Column("finished_at", UtcDateTime),
    UniqueConstraint("night_id", "ordinal"),
    _one_of("status", "pending", "claimed", "finished", "skipped"),
)

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("model_id", ForeignKey("model.id"), nullable=False),
    Column("batch_id", ForeignKey("batch.id"), nullable=False),
    Column("position", Integer, nullable=False),  # place in the batch, from 0
    Column("prompt", Text, nullable=False),
    Column("family", String, nullable=False),
    Column("source", String),
    Column("qualities", Words, nullable=False),
    Column("note", Integer),  # MIDI note asked for
    Column("seed", BigInteger, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("round", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("seconds", Float),  # wall time of this job's share of its batch
    Column("device", String),
    Column("versions", JSON),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("batch_id", "position"),
    _one_of("status", "planned", "accepted", "rejected", "failed"),
)

night_job = Table(
    "night_job",
    metadata,
    Column("night_id", ForeignKey("night.id"), primary_key=True),
    Column("job_id", ForeignKey("job.id"), primary_key=True, index=True),
    Column("round", Integer, nullable=False),
    Column("found", Boolean, nullable=False),  # it had a result already when this night planned it
)

sample = Table(
    "sample",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("job.id"), nullable=False, unique=True),
    Column("status", String, nullable=False, index=True),
    Column("file", String, unique=True),  # relative to the library
    Column("sha256", String),
    Column("sample_rate_hz", Integer, nullable=False),
    Column("midi_note", Integer),  # measured; C4 = 60
    Column("cents", Float),  # deviation from midi_note, -50..50
    Column("pitch_confidence", Float),  # 0..1
    Column("lufs", Float),  # LUFS, None for silence
    Column("peak_dbfs", Float),  # dB re full scale
    Column("attack_s", Float),
    Column("decay_s", Float),
    Column("bandwidth_hz", Float),
    Column("centroid_hz", Float),
    Column("duration_s", Float),
    Column("raw_facts", JSON, nullable=False),
    Column("sound_facts", JSON),
    Column("reasons", JSON, nullable=False),
    Column("sources", JSON, nullable=False),
    Column("score", Float),  # percentile within the family, 0..100
    Column("created_at", UtcDateTime, nullable=False),
    _one_of("status", "accepted", "rejected"),
)

sample_text = Table(
    "sample_text",
    metadata,
    Column("sample_id", ForeignKey("sample.id"), primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("tags", Text, nullable=False),  # source, family, qualities, model
    Column("synonyms", Text, nullable=False),  # what people say for the tags
)

embedder = Table(
    "embedder",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),  # name@revision
    Column("dim", Integer, nullable=False),
)

embedding = Table(
    "embedding",
    metadata,
    Column("id", Integer, primary_key=True),  # never reused: a replaced vector is newer
    Column("embedder_id", ForeignKey("embedder.id"), nullable=False),
    Column("sample_id", ForeignKey("sample.id"), nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian [dim]
    UniqueConstraint("embedder_id", "sample_id"),
    sqlite_autoincrement=True,
)

score = Table(
    "score",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value", Float),
    Column("reason", Text),
    Column("embedder", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("n", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("scope", "subject", "name", "embedder", "reference"),
    _one_of("scope", "sample", "model", "model_family"),
    CheckConstraint("(value IS NULL) <> (reason IS NULL)", name="value_or_reason"),
)

novelty = Table(
    "novelty",
    metadata,
    Column("sample_id", ForeignKey("sample.id"), primary_key=True),
    Column("banks", String, nullable=False),  # ids of the banks that were asked
    Column("note", String, nullable=False),  # the training note most alike by fingerprint
    Column("likeness", Float, nullable=False),  # 0..1
    Column("clap_note", String),  # the training note nearest in CLAP space
    Column("cosine", Float),  # with clap_note, -1..1
    Column("is_copy", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

review = Table(
    "review",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sample_id", ForeignKey("sample.id"), nullable=False),
    Column("verdict", String, nullable=False),
    Column("why", Text),
    Column("who", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("undone_at", UtcDateTime),
    _one_of("verdict", "keep", "drop"),
)

pack = Table(
    "pack",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),  # of its file, without folder
    Column("sha256", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

pack_item = Table(
    "pack_item",
    metadata,
    Column("pack_id", ForeignKey("pack.id"), primary_key=True),
    Column("name", String, primary_key=True),  # of the file in the pack
    Column("sample_id", ForeignKey("sample.id"), nullable=False, index=True),
    Column("sha256", String, nullable=False),
)

listening_test = Table(
    "listening_test",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("seed", BigInteger, nullable=False),
    Column("lufs", Float, nullable=False),  # of every copy
    Column("made_at", UtcDateTime, nullable=False),
)

listening_sound = Table(
    "listening_sound",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("test_id", ForeignKey("listening_test.id"), nullable=False),
    Column("token", String, nullable=False, unique=True),  # the only name a listener meets
    Column("sample_id", ForeignKey("sample.id")),  # None for a real note
    Column("model", String),  # None for a real note
    Column("family", String),
    Column("prompt", Text, nullable=False),
    Column("origin", String, nullable=False),  # key of the job, or name of the real note
    Column("sha256", String, nullable=False),  # of the copy that is heard
    UniqueConstraint("test_id", "origin"),
    CheckConstraint("(sample_id IS NULL) = (model IS NULL)", name="model_of_sample"),
)

listener = Table(
    "listener",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("test_id", ForeignKey("listening_test.id"), nullable=False),
    Column("code", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("rehearsal", Boolean, nullable=False),  # a test of the test: its answers are never counted
    Column("started_at", UtcDateTime, nullable=False),
    UniqueConstraint("test_id", "name", "rehearsal"),
)

listening_answer = Table(
    "listening_answer",
    metadata,
    Column("listener_id", ForeignKey("listener.id"), primary_key=True),
    Column("sound_id", ForeignKey("listening_sound.id"), primary_key=True),
    Column("cag", Integer, nullable=False),  # quality of the sound, 0..100
    Column("rel", Integer, nullable=False),  # relevance to the prompt, 0..100
    Column("plays", Integer, nullable=False),  # times it was heard to its end
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("cag BETWEEN 0 AND 100 AND rel BETWEEN 0 AND 100", name="scale"),
    CheckConstraint("plays >= 1", name="heard"),
)

Index(None, job.c.model_id, job.c.family)
Index(None, batch.c.status)
Index(None, review.c.sample_id)
Index(None, sample.c.midi_note)

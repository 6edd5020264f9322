"""Step 0003: listening tests, their sounds, who listened, and what was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the four tables; older catalogues have no test until one is made."""
    op.create_table(
        "listening_test",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("lufs", sa.Float, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "listening_sound",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("test_id", sa.Integer, sa.ForeignKey("listening_test.id"), nullable=False),
        sa.Column("token", sa.String, nullable=False, unique=True),
        sa.Column("sample_id", sa.Integer, sa.ForeignKey("sample.id")),
        sa.Column("model", sa.String),
        sa.Column("family", sa.String),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.UniqueConstraint("test_id", "origin"),
        sa.CheckConstraint("(sample_id IS NULL) = (model IS NULL)", name="model_of_sample"),
    )
    op.create_table(
        "listener",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("test_id", sa.Integer, sa.ForeignKey("listening_test.id"), nullable=False),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("test_id", "name", "rehearsal"),
    )
    op.create_table(
        "listening_answer",
        sa.Column("listener_id", sa.Integer, sa.ForeignKey("listener.id"), primary_key=True),
        sa.Column("sound_id", sa.Integer, sa.ForeignKey("listening_sound.id"), primary_key=True),
        sa.Column("cag", sa.Integer, nullable=False),
        sa.Column("rel", sa.Integer, nullable=False),
        sa.Column("plays", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cag BETWEEN 0 AND 100 AND rel BETWEEN 0 AND 100", name="scale"),
        sa.CheckConstraint("plays >= 1", name="heard"),
    )

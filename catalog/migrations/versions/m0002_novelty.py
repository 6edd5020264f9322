"""Step 0002: which training note each sound comes nearest to, and whether it is a copy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of kinships; sounds of older catalogues have none until they are compared."""
    op.create_table(
        "novelty",
        sa.Column("sample_id", sa.Integer, sa.ForeignKey("sample.id"), primary_key=True),
        sa.Column("banks", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("likeness", sa.Float, nullable=False),
        sa.Column("clap_note", sa.String),
        sa.Column("cosine", sa.Float),
        sa.Column("is_copy", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )

"""How the schema of a catalogue came about: numbered steps, never edited once released, only added to.

A step is a file `versions/mNNNN_what.py`; adding one means adding its number to REVISIONS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISIONS = ("0001", "0002", "0003")
"""Every revision this program knows, oldest first; any other was written by a newer one."""


def upgrade(connection: Connection) -> None:
    """Bring the catalogue behind `connection` to the newest revision, inside its open transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "catalog:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

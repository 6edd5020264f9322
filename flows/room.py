"""Whether the disk has room for a night to begin, asked before anything is written."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import LibraryError
from generation.downloads import free_bytes

NEEDED_BYTES = 10_000_000
"""Measured of a night of 12 small sounds at its widest: 5.5 MB Prefect's database with its log, 1.6 MB all else."""


def need_room(folder: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """Raise LibraryError, one line, when fewer than needed_bytes can be written in `folder`."""
    free = free_bytes(folder)
    if free < needed_bytes:
        raise LibraryError(
            f"{folder}: no room left, {free / 1e6:.1f} MB are free and a night needs {needed_bytes / 1e6:.0f} MB to "
            "begin; free some, or choose a library on another disk"
        )

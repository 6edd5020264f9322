"""Where a command may write what it was told to: a slip of the hand must not cost a catalogue."""

from __future__ import annotations

from pathlib import Path

from flows.place import SettingsError


def only_replacing(path: Path, *suffixes: str) -> Path:
    """The path, if nothing is there or a file of the kind that is written. Raises SettingsError, one line."""
    if path.exists() and path.suffix.lower() not in suffixes:
        raise SettingsError(f"{path}: is there already and is no {' or '.join(suffixes)} file; choose another name")
    return path

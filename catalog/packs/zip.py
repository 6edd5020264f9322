"""Zip files that are whole or absent, and byte for byte equal for equal content.

Entries are stored without compression (audio hardly shrinks, and other zlib versions would give other bytes)
and dated 1980, the zip format's first day.
"""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from catalog.errors import PackError
from generation.audio import TEMPORARY_SUFFIX, file_sha256

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_FILE_MODE = 0o100644


def write_zip(path: Path, entries: Iterable[tuple[str, Callable[[], bytes]]]) -> str:
    """Write entries (name in the zip, function that gives its bytes) in order; return the file's sha256, hex.

    A function is called when its turn comes, so one entry is held in memory at a time. The zip grows under
    a temporary name in the same folder and is renamed at the end; whatever goes wrong, no part of it stays
    and an older file of this name is kept.
    Raises PackError as check_place does, and when the disk refuses.
    """
    check_place(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        try:
            with temporary.open("xb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                    for name, content in entries:
                        archive.writestr(_entry(name), content())
                file.flush()
                os.fsync(file.fileno())
            digest = file_sha256(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise PackError(f"{path}: the pack cannot be written ({error.strerror or error})") from error
    return digest


def check_place(path: Path) -> None:
    """Raise PackError, one line, where no zip can be: no folder, a folder, or a file or name of another kind."""
    if not path.parent.is_dir():
        raise PackError(f"{path}: the folder {path.parent} does not exist; make it or choose another --out")
    if path.is_dir():
        raise PackError(f"{path}: is a folder; give the name of a zip file")
    # Weights of PyTorch and documents are zip files too.
    if path.exists() and not (path.suffix.lower() == ".zip" and zipfile.is_zipfile(path)):
        raise PackError(f"{path}: is there already and is no zip file; choose another --out")
    if path.suffix.lower() != ".zip":
        raise PackError(f"{path}: a pack is a zip file; choose an --out that ends in .zip")


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an entry with nothing in it that differs between machines or days."""
    info = zipfile.ZipInfo(name, date_time=_FIRST_DAY)
    info.create_system = _UNIX
    info.external_attr = _FILE_MODE << 16
    return info

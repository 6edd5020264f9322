"""Files known by size and hash: what a ledger or the hub's lock file says must lie in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from generation.audio import file_sha256
from generation.strict_yaml import StrictModel


class KnownFile(StrictModel):
    """One file: path below its folder, size in bytes, sha256 as 64 hex digits."""

    path: str
    bytes: int
    sha256: str


def differences(folder: Path, files: Iterable[KnownFile]) -> list[str]:
    """Hold a folder against its list, every byte of it; one line for each file that is missing or another."""
    found = []
    for file in files:
        path = folder / file.path
        if not path.is_file():
            found.append(f"{file.path} is missing")
        elif path.stat().st_size != file.bytes:
            found.append(f"{file.path} has {path.stat().st_size} bytes, {file.bytes} are expected")
        elif (came := file_sha256(path)) != file.sha256:
            found.append(f"{file.path} has sha256 {came[:16]}..., {file.sha256[:16]}... is expected")
    return found

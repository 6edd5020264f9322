"""The ledger of the shipped weights: which files the packages carry, how large, with which content.

`python -m flows.ledger` writes LEDGER.json into generation/starter and catalog/starter after their models were
put there; a test holds ledger, files and limits together. How each model was made stands in its training.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generation.audio import file_sha256, write_bytes
from generation.errors import ConfigError

LEDGER = "LEDGER.json"
LARGEST_FILE_BYTES = 8_000_000
LARGEST_TOTAL_BYTES = 64_000_000
_CHECKOUT = Path(__file__).resolve().parent.parent
STARTERS = (_CHECKOUT / "generation" / "starter", _CHECKOUT / "catalog" / "starter")


def take_stock(folder: Path) -> list[dict[str, Any]]:
    """List what a starter folder holds, but for its ledger: path in it, bytes and sha256, sorted by path."""
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LEDGER and "__pycache__" not in path.parts
    ]


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """Read what the ledger of a starter folder says; ConfigError when there is none or it is no ledger."""
    path = folder / LEDGER
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no ledger that can be read; run python -m flows.ledger") from error
    return list(entries)


def write_ledger(folder: Path) -> int:
    """Write the ledger of a starter folder, whole or not at all. Returns the bytes of the files it lists.

    Raises ConfigError when a file is larger than a package may carry.
    """
    entries = take_stock(folder)
    for entry in entries:
        if entry["bytes"] > LARGEST_FILE_BYTES:
            raise ConfigError(
                f"{folder / entry['path']}: {entry['bytes']} bytes, at most {LARGEST_FILE_BYTES} may be shipped; "
                "split it or save it in half precision"
            )
    content = {"files": entries, "bytes": sum(entry["bytes"] for entry in entries)}
    write_bytes(folder / LEDGER, (json.dumps(content, indent=1) + "\n").encode())
    return int(content["bytes"])


def write_all(folders: tuple[Path, ...] = STARTERS) -> int:
    """Write the ledgers of all starter folders. Returns the bytes of all files they list.

    Raises ConfigError when they are more than the packages may carry together.
    """
    total = sum(write_ledger(folder) for folder in folders)
    if total > LARGEST_TOTAL_BYTES:
        raise ConfigError(f"the starters hold {total} bytes, at most {LARGEST_TOTAL_BYTES} may be shipped")
    return total


if __name__ == "__main__":
    print(f"{write_all()} bytes of {LARGEST_TOTAL_BYTES}")

"""Arrays of a corpus on disk: written once, chunk by chunk, then memory-mapped by every run that wants them.

Layout: PLACE/NAME/KEY/ARRAY.npy and PLACE/NAME/KEY/manifest.json. A draft is written under another name, forced to the
disk and renamed whole, so a folder called KEY is complete; the manifest's sizes tell when it is no longer.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from generation.audio import sync_path

FORMAT = 1
"""Version of the layout; part of every manifest, and of the keys that callers make."""
MANIFEST = "manifest.json"
KEPT = 3
"""Keys of one name that stay in a place, the last used ones: a full-size corpus takes gigabytes for each."""

Chunks = Callable[[], Iterable[Mapping[str, np.ndarray]]]


def cached_arrays(places: Sequence[Path], name: str, key: str, count: int, chunks: Chunks) -> dict[str, np.ndarray]:
    """Arrays of `count` rows by name, read-only and memory-mapped: taken from a place, else made in one.

    Args:
        places: folders to look in, in order; the first that can be written gets what has to be made.
        name: what the arrays are, a plain file name.
        key: hexadecimal digest of all that decides the arrays.
        count: rows of every array.
        chunks: makes the arrays, some rows at a time, in order; asked only when they have to be made.

    Two processes that want the same arrays do not disturb each other: one makes them, the other waits.
    Raises OSError when no place can be written, and whatever `chunks` raises.
    """
    for place in places:
        found = _open(place / name / key, key, count)
        if found is not None:
            return found
    failure = OSError("there is no place to write to")
    for place in places:
        try:
            return _made(place / name, key, count, chunks)
        except OSError as error:
            failure = error
    raise failure


def _made(folder: Path, key: str, count: int, chunks: Chunks) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        found = _open(folder / key, key, count)  # another process may have made them while this one waited
        if found is None:
            for leftover in folder.glob(".*.tmp"):  # of a process that was killed: who holds the lock is alone here
                shutil.rmtree(leftover)
            _write(folder, key, count, chunks)
            found = _open(folder / key, key, count)
            _forget_old(folder, key)
    if found is None:
        raise OSError(f"{folder / key} cannot be read back")
    return found


def _write(folder: Path, key: str, count: int, chunks: Chunks) -> None:
    draft = folder / f".{key}.tmp"
    draft.mkdir()
    files: dict[str, BinaryIO] = {}
    try:
        shapes: dict[str, tuple[int, ...]] = {}
        dtypes: dict[str, np.dtype[Any]] = {}
        rows = 0
        for chunk in chunks():
            lengths = {len(array) for array in chunk.values()}
            if len(lengths) != 1 or (files and chunk.keys() != files.keys()):
                raise ValueError(f"arrays {sorted(chunk)} of {sorted(lengths)} rows came; the same ones are needed")
            rows += lengths.pop()
            for name, array in chunk.items():
                if name not in files:
                    shapes[name], dtypes[name] = (count, *array.shape[1:]), array.dtype
                    files[name] = (draft / f"{name}.npy").open("wb")
                    header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shapes[name]}
                    npy.write_array_header_1_0(files[name], header)
                if array.shape[1:] != shapes[name][1:] or array.dtype != dtypes[name]:
                    raise ValueError(f"{name} became {array.dtype} {array.shape}; {dtypes[name]} {shapes[name]} began")
                files[name].write(np.ascontiguousarray(array).data)
        if rows != count:
            raise ValueError(f"{rows} rows came; {count} are needed")
        arrays = {}
        for name, file in files.items():
            _force(file)
            arrays[name] = {"dtype": dtypes[name].str, "shape": shapes[name], "bytes": file.tell()}
        with (draft / MANIFEST).open("wb") as manifest:
            manifest.write(json.dumps({"format": FORMAT, "key": key, "count": count, "arrays": arrays}).encode())
            _force(manifest)
        shutil.rmtree(folder / key, ignore_errors=True)  # damaged, or it would have been taken
        draft.rename(folder / key)
        sync_path(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        for file in files.values():
            file.close()


def _open(folder: Path, key: str, count: int) -> dict[str, np.ndarray] | None:
    """Map the arrays of a folder; None where it is missing, of another format, cut short or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (manifest["format"], manifest["key"], manifest["count"]) != (FORMAT, key, count):
            return None
        arrays: dict[str, np.ndarray] = {}
        for name, facts in manifest["arrays"].items():
            path = folder / f"{name}.npy"
            if path.stat().st_size != facts["bytes"]:
                return None
            arrays[name] = np.load(path, mmap_mode="r")
            if arrays[name].dtype.str != facts["dtype"] or arrays[name].shape != tuple(facts["shape"]):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    with suppress(OSError):  # a place that can only be read keeps the date of its making
        os.utime(folder)
    return arrays


def _forget_old(folder: Path, key: str) -> None:
    """Remove all but the last used keys; a run that still reads one keeps it open and loses nothing."""
    others = [path for path in folder.iterdir() if path.is_dir() and path.name != key and path.name[0] != "."]
    for path in sorted(others, key=lambda each: each.stat().st_mtime_ns, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be alone in a folder; the lock dies with its process."""
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: waiting for another process that writes there", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _force(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())

"""The lock that keeps a second night off a library while the first one writes.

An flock on LIBRARY/.writer.lock: the kernel lets go of it however the holder ends, so no stale lock can
remain. The file itself stays; it says who holds it.
"""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

from catalog.errors import LibraryError

LOCK_NAME = ".writer.lock"


class WriterLock:
    """Exclusive right to make sounds in one library."""

    def __init__(self, library: Path) -> None:
        """Prepare the lock of the library in this folder; nothing is taken yet."""
        self._library = library
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or do nothing when it is held already; LibraryError when another night has it."""
        if self.held:
            return
        try:
            # Not inherited by child processes, so that a server left behind by a kill holds nothing.
            descriptor = os.open(self._library / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LibraryError(f"{self._library}: cannot be locked for writing ({error.strerror or error})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise LibraryError(
                f"{self._library}: {holder} is writing to this library; wait for it or stop it"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (since {datetime.now(UTC):%H:%M} UTC)".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def in_use(library: Path) -> bool:
    """Whether somebody, perhaps this very process, is making sounds in this library."""
    try:
        descriptor = os.open(library / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

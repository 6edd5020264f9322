"""The lock file: which commit of each hub repository this machine uses, and what its files must be.

A branch of a hub repository may change any day. The first fetch writes down the commit it found; from then on that
commit is used, with or without a network, until the entry is removed from the file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generation.audio import write_bytes
from generation.errors import HubError
from generation.file_list import KnownFile
from generation.strict_yaml import StrictModel, dump_yaml, load_yaml

LOCK_VARIABLE = "NIGHTCRATE_HUB_LOCK"
"""Environment variable that names another lock file."""


_COMMIT = re.compile(r"[0-9a-f]{40}")


class LockedRepository(StrictModel):
    """One repository as it was fetched.

    asked: the revision that was asked for, null for the default branch. revision: the commit that this was.
    resolved_at: when, UTC. files: those that nightcrate uses.
    """

    repo: str
    asked: str | None
    revision: str
    resolved_at: str
    files: tuple[KnownFile, ...]


class _Lock(StrictModel):
    repositories: tuple[LockedRepository, ...] = ()


def lock_path() -> Path:
    """Where the lock file is, or will be."""
    named = os.environ.get(LOCK_VARIABLE)
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(named) if named else Path(settings) / "nightcrate" / "hub.lock.yaml"


def locked_repositories() -> tuple[LockedRepository, ...]:
    """Everything that is locked. Raises ConfigError, one line, when the file is no lock file."""
    path = lock_path()
    return load_yaml(path, _Lock).repositories if path.is_file() else ()


def locked(repo: str, asked: str | None) -> LockedRepository | None:
    """What is locked for a repository at the revision asked for. Raises ConfigError as locked_repositories does."""
    return next((each for each in locked_repositories() if (each.repo, each.asked) == (repo, asked)), None)


def commit_of(revision: str | None) -> str | None:
    """The revision, if it is a commit and no branch or tag."""
    return revision if revision is not None and _COMMIT.fullmatch(revision) else None


def check_lock() -> None:
    """Raise HubError, one line, when the lock file cannot be written: known before anything is fetched."""
    path = lock_path()
    with _told_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def lock(entry: LockedRepository) -> None:
    """Write an entry down in place of an older one, the file whole or not at all.

    Raises HubError or AudioError when the disk refuses, ConfigError when the file that is there is no lock file.
    """
    from huggingface_hub.utils import WeakFileLock

    check_lock()
    path = lock_path()
    # Two fetches at a time keep both entries.
    with _told_of(path), WeakFileLock(path.with_name(f".{path.name}.lock")):
        others = [each for each in locked_repositories() if (each.repo, each.asked) != (entry.repo, entry.asked)]
        whole = _Lock(repositories=tuple(sorted([*others, entry], key=lambda each: (each.repo, each.asked or ""))))
        write_bytes(path, dump_yaml(json.loads(whole.model_dump_json())).encode())


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HubError(
            f"the lock file {path} cannot be written ({error.strerror or error}); name another place by {LOCK_VARIABLE}"
        ) from error

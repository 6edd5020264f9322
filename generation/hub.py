"""Where a model's files are: a folder of this machine, or a hub repository at one commit, fetched when needed."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from generation.errors import HubError, HubUnreachableError
from generation.hub_fetch import fetch, plan_fetch
from generation.hub_listing import SAFE_PATTERNS, used_names
from generation.hub_lock import commit_of, locked

logger = logging.getLogger(__name__)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""What the hub calls a repository: owner/name, or a name alone."""


def open_source(source: str, revision: str | None = None) -> Path:
    """Return the folder of a source: the folder itself, or the local snapshot of a hub repository.

    A repository is used at the commit that `revision` names; without one, at the commit of the lock file; without
    that, the hub's default branch is resolved once and locked. What is locked and here needs no network. A pinned
    commit that other programs fetched is held against the hub's list and locked; without a network it is used as it
    lies here, and a warning says that nobody knows whether it is whole.

    Args:
        source: a folder, or a hub id such as "riffusion/riffusion-model-v1".
        revision: a commit (or a branch or tag, locked like the default branch).

    Raises:
        HubError: neither a folder nor a hub id, or the repository cannot be had; one line.
        ConfigError: the lock file cannot be read.
    """
    if Path(source).is_dir():
        return Path(source)
    if not HUB_ID.fullmatch(source):
        raise HubError(f"{source}: there is no such folder; a folder of weights or a hub id, owner/name, is needed")
    folder = local_snapshot(source, revision)
    if folder is not None:
        return folder
    try:
        return fetch(plan_fetch(source, revision))
    except HubUnreachableError:
        folder = _as_others_left_it(source, revision)
        if folder is None:
            raise
        logger.warning("%s: the hub cannot be reached to say whether %s is whole; it is used as it is", source, folder)
        return folder


def source_here(source: str, revision: str | None = None) -> Path | None:
    """Return the folder of a source where it is whole on this machine, asking no network; None for others."""
    return Path(source) if Path(source).is_dir() else local_snapshot(source, revision)


def used_files(source: str, revision: str | None, folder: Path) -> list[Path] | None:
    """Return what nightcrate uses of the folder that open_source gave; None where all of it counts.

    Other programs share the hub's cache and may put more beside it.
    """
    if Path(source).is_dir():
        return None
    entry = locked(source, revision)
    if entry is not None:
        return [folder / file.path for file in entry.files]
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [folder / name for name in used_names(names)]


def local_snapshot(repo: str, revision: str | None = None) -> Path | None:
    """Return the folder of a repository that the lock file names and that is whole on this machine; None for others."""
    entry = locked(repo, revision)
    if entry is None:
        return None
    folder = _snapshot(repo, entry.revision, [file.path for file in entry.files])
    whole = folder is not None and all((folder / file.path).is_file() for file in entry.files)
    return folder if whole else None


def _as_others_left_it(repo: str, revision: str | None) -> Path | None:
    """The folder of a pinned commit that is here without an entry in the lock file, whole or not."""
    commit = commit_of(revision)
    return _snapshot(repo, commit, list(SAFE_PATTERNS)) if commit and locked(repo, revision) is None else None


def _snapshot(repo: str, commit: str, patterns: list[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=commit, local_files_only=True, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        return None

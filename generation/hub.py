"""Where a model's files are: a folder of this machine, or a hub repository at one commit, fetched when needed."""

from __future__ import annotations

import re
from pathlib import Path

from generation.errors import HubError
from generation.hub_fetch import fetch, plan_fetch
from generation.hub_listing import SAFE_PATTERNS
from generation.hub_lock import commit_of, locked

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""What the hub calls a repository: owner/name, or a name alone."""


def open_source(source: str, revision: str | None = None) -> Path:
    """Return the folder of a source: the folder itself, or the local snapshot of a hub repository.

    A repository is used at the commit that `revision` names; without one, at the commit of the lock file; without
    that, the hub's default branch is resolved once and locked. What is here already needs no network.

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
    return folder if folder is not None else fetch(plan_fetch(source, revision))


def local_snapshot(repo: str, revision: str | None = None) -> Path | None:
    """Return the folder of a repository that is whole on this machine at its commit; None for any other.

    Of a commit without an entry in the lock file only the client knows what is whole, and not always: what other
    programs fetched of it is taken as it is.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    entry = locked(repo, revision)
    commit = entry.revision if entry else commit_of(revision)
    if commit is None:
        return None
    patterns = [file.path for file in entry.files] if entry else list(SAFE_PATTERNS)
    try:
        folder = Path(snapshot_download(repo, revision=commit, local_files_only=True, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        return None
    return folder if entry is None or all((folder / file.path).is_file() for file in entry.files) else None

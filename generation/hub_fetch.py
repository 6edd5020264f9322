"""Fetching a hub repository: what it will cost first, then file by file, each checked before it counts.

The files lie in the hub's own cache, under its own names (huggingface_hub, "Understand caching": blobs are named by
sha256 or git id), so that other programs share them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from generation.audio import file_sha256
from generation.downloads import bytes_begun, check_free_bytes, download
from generation.errors import HubUnreachableError
from generation.file_list import KnownFile, differences
from generation.hub_errors import one_line
from generation.hub_listing import RemoteFile, needed_files
from generation.hub_lock import LockedRepository, check_lock, commit_of, lock, lock_path, locked

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FetchPlan:
    """What a fetch will do.

    asked: the revision asked for, None for the default branch; revision: the commit that this is now. files: all
    that is used of it. bytes_missing: of them, what this machine does not hold yet.
    """

    repo: str
    asked: str | None
    revision: str
    files: tuple[RemoteFile, ...]
    bytes_missing: int

    @property
    def bytes_total(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files)


def plan_fetch(repo: str, asked: str | None = None) -> FetchPlan:
    """Ask the hub what a repository holds; files that lie here with a wrong hash are removed.

    What is locked and lies here whole needs no hub: nothing is missing of it. asked: a commit, branch or tag, None for
    the default branch; where it is locked, the commit in the lock file is meant. Raises HubError, or ConfigError for a
    broken lock file, each one line.
    """
    from huggingface_hub import HfApi

    entry = locked(repo, asked)
    try:
        with one_line(repo):
            info = HfApi().model_info(repo, revision=entry.revision if entry else asked, files_metadata=True)
    except HubUnreachableError:
        if entry is None or not _whole(entry):
            raise
        here = tuple(RemoteFile(each.path, each.bytes, each.sha256, "") for each in entry.files)
        return FetchPlan(repo, asked, entry.revision, here, 0)
    listed = [
        RemoteFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None, each.blob_id or "")
        for each in info.siblings or ()
    ]
    files = needed_files(repo, listed)
    missing = sum(file.bytes - _bytes_here(repo, file) for file in files)
    return FetchPlan(repo, asked, cast(str, info.sha), files, missing)


def check_room(plans: Sequence[FetchPlan]) -> None:
    """Raise HubError when the disk of the hub's cache has not the room for what the plans will fetch."""
    from huggingface_hub import constants

    names = ", ".join(plan.repo for plan in plans)
    needed = sum(plan.bytes_missing for plan in plans)
    check_free_bytes(names, Path(constants.HF_HUB_CACHE), needed, "set HF_HUB_CACHE to a folder on another disk")


def fetch(plan: FetchPlan, told: Callable[[int], None] = lambda came: None) -> Path:
    """Fetch what is missing, check it, write it down in the lock file; return the folder.

    Says "unpinned: ..." (a warning of this module's logger) when the commit was pinned by nothing before.

    A cut connection is taken up again where it broke, in this process or the next.

    Args:
        plan: from plan_fetch.
        told: is called with the bytes that have just come.

    Raises:
        HubError: no room, no network, no lock file can be written, or a file is not what the hub says it is (it is
            removed).
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import WeakFileLock

    check_room([plan])
    entry = locked(plan.repo, plan.asked)
    if plan.bytes_missing == 0 and entry is not None and entry.revision == plan.revision:
        folder = _snapshot_of(entry)  # its blobs were held against their hashes when this was planned
        if all((folder / file.path).is_file() for file in entry.files):
            return folder
    if entry is None or entry.revision != plan.revision:
        check_lock()
    with one_line(plan.repo):
        blobs = _blobs(plan.repo)
        blobs.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(blobs.parent / ".nightcrate.lock"):
            for file in plan.files:
                if not (blobs / _name(file)).is_file():
                    _fetch_file(plan, file, blobs, told)
        paths = [file.path for file in plan.files]
        folder = Path(
            snapshot_download(plan.repo, revision=plan.revision, allow_patterns=paths, tqdm_class=_silent_bar())
        )
        known = tuple(
            KnownFile(path=file.path, bytes=file.bytes, sha256=file.sha256 or file_sha256(folder / file.path))
            for file in plan.files
        )
    if entry is None or (entry.revision, entry.files) != (plan.revision, known):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lock(LockedRepository(repo=plan.repo, asked=plan.asked, revision=plan.revision, resolved_at=now, files=known))
    if entry is None and commit_of(plan.asked) is None:
        logger.warning("unpinned: %s, now locked at %s (%s)", plan.repo, plan.revision, lock_path())
    return folder


def _fetch_file(plan: FetchPlan, file: RemoteFile, blobs: Path, told: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(plan.repo, file.path, revision=plan.revision)
    name, place = f"{plan.repo}: {file.path}", blobs / _name(file)
    download(name, url, place, file.bytes, lambda path: _is_right(path, file), told, build_hf_headers())


def _whole(entry: LockedRepository) -> bool:
    """Whether every file of a locked repository lies here with its hash."""
    folder = _snapshot_of(entry)
    return folder.is_dir() and not differences(folder, entry.files)


def _snapshot_of(entry: LockedRepository) -> Path:
    return _blobs(entry.repo).parent / "snapshots" / entry.revision


def _bytes_here(repo: str, file: RemoteFile) -> int:
    """How much of a file is here. A whole one with a wrong hash is removed."""
    blob = _blobs(repo) / _name(file)
    if blob.is_file():
        if _is_right(blob, file):
            return file.bytes
        blob.unlink()
        logger.warning("%s: %s has a wrong hash and was removed; it is fetched again", repo, file.path)
    return bytes_begun(blob, file.bytes)


def _is_right(path: Path, file: RemoteFile) -> bool:
    if path.stat().st_size != file.bytes:
        return False
    return file_sha256(path) == file.sha256 if file.sha256 else _git_id(path) == file.git_id


def _git_id(path: Path) -> str:
    """The name git gives a file's content: sha1 of "blob SIZE", a zero byte and the content (git-hash-object)."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _name(file: RemoteFile) -> str:
    return file.sha256 or file.git_id


def _blobs(repo: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"


def _silent_bar() -> Any:
    """huggingface_hub's bar, silent: that of the command line counts all files together."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *parts: Any, **named: Any) -> None:
            super().__init__(*parts, **{**named, "disable": True})

    return Silent

"""Fetching a hub repository: what it will cost first, then file by file, each checked before it counts.

The files lie in the hub's own cache, under its own names (huggingface_hub, "Understand caching": blobs are named by
sha256 or git id), so that other programs share them. huggingface_hub goes on with a cut file only as long as its
process lives; here what came stays, and the next process asks for the rest.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, cast

from generation.audio import file_sha256
from generation.errors import HubError
from generation.file_list import KnownFile
from generation.hub_errors import one_line
from generation.hub_listing import RemoteFile, needed_files
from generation.hub_lock import LockedRepository, commit_of, lock, lock_path, locked

logger = logging.getLogger(__name__)

_PART = ".nightcrate-part"
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

    asked: a commit, branch or tag, None for the default branch; where it is locked, the commit in the lock file is
    meant. Raises HubError, or ConfigError for a broken lock file, each one line.
    """
    from huggingface_hub import HfApi

    entry = locked(repo, asked)
    with one_line(repo):
        info = HfApi().model_info(repo, revision=entry.revision if entry else asked, files_metadata=True)
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

    needed = sum(plan.bytes_missing for plan in plans)
    place = Path(constants.HF_HUB_CACHE).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        names = ", ".join(plan.repo for plan in plans)
        raise HubError(
            f"{names}: {needed} bytes are needed, but only {free} are free in {place}; make room, or set "
            "HF_HUB_CACHE to a folder on another disk"
        )


def fetch(plan: FetchPlan, told: Callable[[int], None] = lambda came: None) -> Path:
    """Fetch what is missing, check it, write it down in the lock file; return the folder.

    Says "unpinned: ..." (a warning of this module's logger) when the commit was pinned by nothing before.

    A cut connection is taken up again where it broke, in this process or the next.

    Args:
        plan: from plan_fetch.
        told: is called with the bytes that have just come.

    Raises:
        HubError: no room, no network, or a file is not what the hub says it is (it is removed).
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import WeakFileLock

    check_room([plan])
    with one_line(plan.repo):
        blobs = _blobs(plan.repo)
        blobs.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(blobs.parent / ".nightcrate.lock"):
            for file in plan.files:
                if not (blobs / _name(file)).is_file():
                    _fetch_file(plan, file, blobs, told)
        paths = [file.path for file in plan.files]
        folder = Path(snapshot_download(plan.repo, revision=plan.revision, allow_patterns=paths, tqdm_class=_no_bar()))
        known = tuple(
            KnownFile(path=file.path, bytes=file.bytes, sha256=file.sha256 or file_sha256(folder / file.path))
            for file in plan.files
        )
    entry = locked(plan.repo, plan.asked)
    if entry is None or (entry.revision, entry.files) != (plan.revision, known):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lock(LockedRepository(repo=plan.repo, asked=plan.asked, revision=plan.revision, resolved_at=now, files=known))
    if entry is None and commit_of(plan.asked) is None:
        logger.warning("unpinned: %s, now locked at %s (%s)", plan.repo, plan.revision, lock_path())
    return folder


def _fetch_file(plan: FetchPlan, file: RemoteFile, blobs: Path, told: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part = blobs / (_name(file) + _PART)
    if part.is_file() and part.stat().st_size > file.bytes:
        part.unlink()
    with part.open("ab") as out:
        if out.tell() < file.bytes:
            try:
                http_get(
                    hf_hub_url(plan.repo, file.path, revision=plan.revision),
                    cast(BinaryIO, _Counted(out, told)),
                    resume_size=out.tell(),
                    headers=build_hf_headers(),
                    displayed_filename=file.path,
                    tqdm_class=_no_bar(),
                )
            except HfHubHTTPError as error:
                # The hub has less of it than came already; the check below removes the part and says so.
                if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise
        out.flush()
        os.fsync(out.fileno())
    if not _is_right(part, file):
        part.unlink()
        raise HubError(f"{plan.repo}: {file.path} came with a wrong size or hash and was removed; fetch it again")
    os.replace(part, blobs / _name(file))


def _bytes_here(repo: str, file: RemoteFile) -> int:
    """How much of a file is here. A whole one with a wrong hash is removed."""
    blob = _blobs(repo) / _name(file)
    if blob.is_file():
        if _is_right(blob, file):
            return file.bytes
        blob.unlink()
        logger.warning("%s: %s has a wrong hash and was removed; it is fetched again", repo, file.path)
    part = blob.with_name(blob.name + _PART)
    return min(part.stat().st_size, file.bytes) if part.is_file() else 0


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


class _Counted:
    """A file that tells how much was written into it, less what was cut off again."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._file, self._told = file, told

    def write(self, data: bytes) -> int:
        self._told(len(data))
        return self._file.write(data)

    def truncate(self) -> int:
        size = self._file.tell()
        self._told(size - os.fstat(self._file.fileno()).st_size)
        return self._file.truncate()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _no_bar() -> Any:
    """huggingface_hub's bar, silent: that of the command line counts all files together."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *parts: Any, **named: Any) -> None:
            super().__init__(*parts, **{**named, "disable": True})

    return Silent

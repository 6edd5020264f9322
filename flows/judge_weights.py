"""Weights of the published judges of scores: fetched from where their authors keep them, kept in the user's cache.

A file counts by its sha256, which stands in the code beside its address: so it does not matter who sends it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from catalog.scores.extractors import EXTRACTORS, published_file
from generation.audio import file_sha256
from generation.downloads import bytes_begun, check_free_bytes, download, remote_bytes
from generation.hub_errors import one_line_of

if TYPE_CHECKING:
    from catalog.embedders.published_weights import PublishedFile

FETCHED = Path("fetched")
"""What `--vggish` and `--cnn14` take for the file that was fetched."""


@dataclass(frozen=True)
class JudgePlan:
    """What fetching a judge will do.

    kind: "vggish" or "cnn14". bytes_missing: of the file's bytes_total, what this machine does not hold yet.
    """

    kind: str
    published: PublishedFile
    bytes_total: int
    bytes_missing: int

    @property
    def place(self) -> Path:
        """The file, fetched or not."""
        return judges_folder() / self.published.name


def judges_folder() -> Path:
    """Where fetched judges lie: below XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nightcrate" / "judges"


def judge_place(named: Path | None) -> Path | None:
    """What an option for a judge's file means: the word "fetched" is the folder of fetched judges."""
    return judges_folder() if named == FETCHED and not FETCHED.exists() else named


def judges_here() -> list[str]:
    """The judges that were fetched."""
    return [kind for kind in EXTRACTORS if (judges_folder() / published_file(kind).name).is_file()]


def plan_judge(kind: str) -> JudgePlan:
    """Ask how large the file is, unless it is here; a wrong one is fetched again. Raises HubError, one line."""
    published = published_file(kind)
    place = judges_folder() / published.name
    if _is_right(place, published):
        return JudgePlan(kind, published, place.stat().st_size, 0)
    with one_line_of(published.name, _server(published), lambda: _otherwise(published)):
        size = remote_bytes(published.address)
    return JudgePlan(kind, published, size, size - bytes_begun(place, size))


def check_judge_room(plans: Sequence[JudgePlan]) -> None:
    """Raise HubError when the disk has no room: for the files, and for as much again once they are first used.

    `catalog.embedders.published_weights` keeps what it read of a pickle as safetensors beside it.
    """
    names = ", ".join(plan.published.name for plan in plans)
    needed = sum(plan.bytes_missing + plan.bytes_total for plan in plans if plan.bytes_missing)
    check_free_bytes(names, judges_folder(), needed, "set XDG_CACHE_HOME to a folder on another disk")


def fetch_judge(plan: JudgePlan, told: Callable[[int], None] = lambda came: None) -> Path:
    """Fetch what is missing and check it; return the file. A cut connection is taken up again, now or next time.

    `told` is called with the bytes that have just come. Raises HubError, one line: no room, no network, or what came
    is another file (it is removed).
    """
    from huggingface_hub.utils import WeakFileLock

    published, place = plan.published, plan.place
    if plan.bytes_missing == 0 and place.is_file():
        return place  # it was held against its hash when this was planned
    check_judge_room([plan])
    with one_line_of(published.name, _server(published), lambda: _otherwise(published)):
        place.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(place.parent / f".{plan.kind}.lock"):
            if not _is_right(place, published):
                download(
                    published.name, published.address, place, plan.bytes_total,
                    lambda path: _is_right(path, published), told,
                )  # fmt: skip
    return place


def judge_problems(kind: str) -> tuple[str, ...]:
    """Hold a fetched judge, and what was made of it, against its sha256; a line for each that differs."""
    from catalog.embedders.published_weights import SAFETENSORS, hold_same_weights

    published = published_file(kind)
    path = judges_folder() / published.name
    beside = path.with_suffix(SAFETENSORS)
    if (came := file_sha256(path)) != published.sha256:
        return (f"{path.name} has sha256 {came[:16]}..., {published.sha256[:16]}... is expected",)
    if beside.is_file() and not hold_same_weights(path, beside, published):
        return (f"{beside.name} holds other weights than {path.name}, from which it was made; remove it",)
    return ()


def _is_right(path: Path, published: PublishedFile) -> bool:
    return path.is_file() and file_sha256(path) == published.sha256


def _server(published: PublishedFile) -> str:
    return str(urlsplit(published.address).hostname)


def _otherwise(published: PublishedFile) -> str:
    return f"get {published.address} where there is a network and give it to nightcrate league --{published.judge} FILE"

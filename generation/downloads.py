"""A file from the network, taken up where it broke: what came stays on the disk, and the next process goes on.

huggingface_hub's client does the asking, of the hub and of any other server alike; by itself it goes on with a cut
file only as long as its process lives.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, cast

from generation.errors import HubError

_PART = ".nightcrate-part"
# A packed answer would have another length than the file.
_AS_IT_IS = {"Accept-Encoding": "identity"}


def remote_bytes(url: str) -> int:
    """Ask a server how large a file is. Raises HubError when it does not say, and what its client raises."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session, hf_raise_for_status

    # Not HEAD: some servers that files are redirected to answer it otherwise than GET.
    asked = {**_AS_IT_IS, "Range": "bytes=0-0"}
    with get_session().stream("GET", url, headers=asked, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer:
        hf_raise_for_status(answer)
        of_all = answer.headers.get("Content-Range", "").rpartition("/")[2]
        told = of_all or answer.headers.get("Content-Length", "")
    if not told.isdigit():
        raise HubError(f"{url}: its server does not say how large the file is; get it with a browser")
    return int(told)


def bytes_begun(place: Path, bytes_total: int) -> int:
    """How much of a file that is not in its place yet has come."""
    part = _part_of(place)
    return min(part.stat().st_size, bytes_total) if part.is_file() else 0


def download(
    name: str,
    url: str,
    place: Path,
    bytes_total: int,
    is_right: Callable[[Path], bool],
    told: Callable[[int], None],
    headers: Mapping[str, str] | None = None,
) -> None:
    """Fetch a file, or what is missing of it, check it and put it in its place.

    Args:
        name: what it is called where it must be spoken of.
        url: its address; redirections are followed.
        place: where it goes, in a folder that exists.
        bytes_total: its size.
        is_right: whether a whole file is what it should be.
        told: is called with the bytes that have just come.
        headers: of the request, such as a token for this very server.

    Raises:
        HubError: what came is another file; it is removed.
        OSError, huggingface_hub's errors: the disk, the server or the way to it; what came stays.
    """
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    part = _part_of(place)
    if part.is_file() and part.stat().st_size > bytes_total:
        part.unlink()
    with part.open("ab") as out:
        if out.tell() < bytes_total:
            try:
                http_get(
                    url,
                    cast(BinaryIO, _Counted(out, told)),
                    resume_size=out.tell(),
                    headers={**_AS_IT_IS, **(headers or {})},
                    displayed_filename=place.name,
                    tqdm_class=silent_bar(),
                )
            except HfHubHTTPError as error:
                # The server has less of it than came already; the check below removes the part and says so.
                if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise
        out.flush()
        os.fsync(out.fileno())
    if part.stat().st_size != bytes_total or not is_right(part):
        part.unlink()
        raise HubError(f"{name} came with a wrong size or hash and was removed; fetch it again")
    os.replace(part, place)


def check_free_bytes(names: str, place: Path, bytes_needed: int, otherwise: str) -> None:
    """Raise HubError when the disk of a folder, which need not exist yet, has no room for so many bytes."""
    place = place.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if bytes_needed > free:
        raise HubError(
            f"{names}: {bytes_needed} bytes are needed, but only {free} are free in {place}; make room, or {otherwise}"
        )


def silent_bar() -> Any:
    """huggingface_hub's bar, silent: that of the command line counts all files together."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *parts: Any, **named: Any) -> None:
            super().__init__(*parts, **{**named, "disable": True})

    return Silent


def _part_of(place: Path) -> Path:
    return place.with_name(place.name + _PART)


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

"""A file from the network, taken up where it broke: what came stays on the disk, and the next process goes on.

huggingface_hub's session does the asking, of the hub and of any other server alike. Its own download goes on with a cut
file only as long as its process lives, and forgets up to 10 MB at every cut.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BufferedWriter
from pathlib import Path

from generation.errors import HubError

_PART = ".nightcrate-part"
# A packed answer would have another length than the file.
_AS_IT_IS = {"Accept-Encoding": "identity"}
# Before the next try after one that brought nothing.
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_PASSING = (
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
)  # fmt: skip


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
        packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    if packed or not told.isdigit():
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
        HubError: the connection breaks again and again (what came stays), or what came is another file (it is removed).
        OSError, huggingface_hub's errors: the disk, the server or the way to it; what came stays.
    """
    part = _part_of(place)
    if part.is_file() and part.stat().st_size > bytes_total:
        part.unlink()
    with part.open("ab") as out:
        if out.tell() < bytes_total:
            _fetch_rest(name, url, out, bytes_total, {**_AS_IT_IS, **(headers or {})}, told)
        os.fsync(out.fileno())
    if part.stat().st_size != bytes_total or not is_right(part):
        part.unlink()
        raise HubError(f"{name} came with a wrong size or hash and was removed; fetch it again")
    os.replace(part, place)


def _fetch_rest(
    name: str,
    url: str,
    out: BufferedWriter,
    bytes_total: int,
    headers: Mapping[str, str],
    told: Callable[[int], None],
) -> None:
    """Write what comes after the bytes that a file holds already, as it comes; go on where a connection breaks."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    waits = iter(_WAITS_S)
    while True:
        begun = out.tell()
        try:
            _stream(url, out, headers, told)
            if out.tell() >= bytes_total:
                return
            reason: Exception = EOFError()  # it ended too early, without a word
        except HfHubHTTPError as error:
            if error.response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # the server has less of it than came already; whoever checks the file says so
            if error.response.status_code not in _PASSING:
                raise
            reason = error
        except HTTPError as error:
            reason = error
        if out.tell() > begun:
            waits = iter(_WAITS_S)
        wait_s = next(waits, None)
        if wait_s is None and (out.tell() or isinstance(reason, EOFError)):
            raise HubError(
                f"{name}: the connection breaks again and again ({type(reason).__name__}); the {out.tell()} bytes that "
                "came stay: run the same command again"
            ) from reason
        if wait_s is None:
            raise reason
        time.sleep(wait_s)


def _stream(url: str, out: BufferedWriter, headers: Mapping[str, str], told: Callable[[int], None]) -> None:
    """Ask once for what is missing."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session, hf_raise_for_status

    begun = out.tell()
    asked = {**headers, **({"Range": f"bytes={begun}-"} if begun else {})}
    with get_session().stream("GET", url, headers=asked, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer:
        hf_raise_for_status(answer)
        # A server that knows no ranges sends all of it again.
        here_already = begun if answer.status_code == HTTPStatus.OK else 0
        for chunk in answer.iter_bytes():
            new = chunk[here_already:]
            here_already -= len(chunk) - len(new)
            out.write(new)
            out.flush()  # a killed process leaves all that came
            told(len(new))


def free_bytes(folder: Path) -> int:
    """Bytes that a user may still write where `folder` lies, or would lie: it need not be there yet."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def check_free_bytes(names: str, place: Path, bytes_needed: int, otherwise: str) -> None:
    """Raise HubError when the disk of a folder, which need not exist yet, has no room for so many bytes."""
    free = free_bytes(place)
    if bytes_needed > free:
        raise HubError(
            f"{names}: {bytes_needed} bytes are needed, but only {free} are free in {place}; make room, or {otherwise}"
        )


def _part_of(place: Path) -> Path:
    return place.with_name(place.name + _PART)

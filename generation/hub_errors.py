"""Whatever huggingface_hub meets on the way, told in one line that says what to do."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generation.cards import list_cards
from generation.errors import HubError, HubUnreachableError

_DISK_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM, errno.EIO, errno.ENOTDIR,
    errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG,
)  # fmt: skip


@contextmanager
def one_line(repo: str) -> Iterator[None]:
    """Turn an error of the hub's client, the network or the disk into a HubError; any other error passes."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    with one_line_of(repo, "the hub", _starters):
        try:
            yield
        except GatedRepoError as error:
            raise HubError(
                f"{repo}: its owner wants its terms accepted first; do so at huggingface.co/{repo}, then set HF_TOKEN"
            ) from error
        except RepositoryNotFoundError as error:
            raise HubError(f"the hub has no repository {repo} that this machine may read") from error
        except RevisionNotFoundError as error:
            raise HubError(
                f"{repo}: the hub has no such revision; correct the card, or remove the lock's entry"
            ) from error


@contextmanager
def one_line_of(name: str, server: str, otherwise: Callable[[], str]) -> Iterator[None]:
    """The same for what any server is asked for by this client.

    name: of what is wanted. otherwise: says what to do without that server.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, RevisionResolutionError, XetDownloadError

    try:
        yield
    except HfHubHTTPError as error:
        code = error.response.status_code
        raise HubError(f"{name} cannot be fetched ({server} answered {code}); {otherwise()}") from error
    # HTTPError: of the client's HTTP library, whatever it met; JSONDecodeError: a page of somebody in between.
    except (OSError, HTTPError, RevisionResolutionError, XetDownloadError, json.JSONDecodeError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise HubError(f"{name}: {error.filename or 'the disk'} cannot be written ({error.strerror})") from error
        why = type(error).__name__
        raise HubUnreachableError(
            f"{name} is not on this machine and {server} cannot be reached ({why}); {otherwise()}"
        ) from error


def _starters() -> str:
    """What to do without a network."""
    names = ", ".join(card.name for card in list_cards() if card.tier == "starter")
    return f"connect once, or use a starter model, which needs no network: {names}"

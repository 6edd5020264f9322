"""Whatever huggingface_hub meets on the way, told in one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from generation.cards import list_cards
from generation.errors import GenerationError, HubError

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)


@contextmanager
def one_line(repo: str) -> Iterator[None]:
    """Turn an error of the block into a HubError; those of nightcrate pass."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except GenerationError:
        raise
    except GatedRepoError as error:
        raise HubError(
            f"{repo}: its owner wants its terms accepted first; do so at huggingface.co/{repo}, then set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(f"the hub has no repository {repo} that this machine may read") from error
    except RevisionNotFoundError as error:
        raise HubError(f"{repo}: the hub has no such revision; correct the card, or remove the lock's entry") from error
    except HfHubHTTPError as error:
        code = error.response.status_code
        raise HubError(f"{repo} cannot be fetched (the hub answered {code}); {_starters()}") from error
    except Exception as error:  # the client's HTTP library has errors of its own
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise HubError(f"{repo}: {error.filename or 'the disk'} cannot be written ({error.strerror})") from error
        why = type(error).__name__
        raise HubError(f"{repo} is not on this machine and the hub cannot be reached ({why}); {_starters()}") from error


def _starters() -> str:
    """What to do without a network."""
    names = ", ".join(card.name for card in list_cards() if card.tier == "starter")
    return f"connect once, or use a starter model, which needs no network: {names}"

"""What can go wrong in a library; each message is the one line a user reads."""

from __future__ import annotations


class CatalogError(Exception):
    """Base of every error that the catalogue raises on bad input."""


class LibraryError(CatalogError):
    """A library cannot be opened, read or written."""


class SchemaTooNewError(LibraryError):
    """The catalogue was written by a newer nightcrate; it is left untouched."""


class VectorIndexError(CatalogError):
    """The vector index cannot be used as it is (it can always be rebuilt from rows)."""


class SearchError(CatalogError):
    """A query cannot be answered."""


class PackError(CatalogError):
    """A pack cannot be made from the chosen sounds."""


class EmbedderError(CatalogError):
    """An embedder cannot be loaded, or its vectors cannot be trusted."""


class ScoreError(CatalogError, ValueError):
    """A score cannot be computed from these numbers (also a ValueError, for callers that know no catalogue)."""


class NoveltyError(CatalogError):
    """A novelty bank cannot be read or made, so nobody can say which sounds are copies."""


class GateFitError(CatalogError):
    """Gate thresholds cannot be fitted to what reviewers said so far."""


class ListeningError(CatalogError):
    """A listening test cannot be made, given or summed up."""


def first_line(error: BaseException) -> str:
    """What another library says, cut to its first line; the kind of error where it says nothing, or a bare key."""
    lines = str(error).strip().splitlines()
    if isinstance(error, KeyError) or not lines:
        return " ".join([type(error).__name__, *lines[:1]])
    return lines[0]

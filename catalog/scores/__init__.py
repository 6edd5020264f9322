"""Scores of sounds and of sets of sounds, each named after the judge that made it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.scores.frechet import frechet_distance
    from catalog.scores.inception import inception_score
    from catalog.scores.kl import kl_divergence

__all__ = ["frechet_distance", "inception_score", "kl_divergence"]

_HOMES = {
    "frechet_distance": "catalog.scores.frechet",
    "inception_score": "catalog.scores.inception",
    "kl_divergence": "catalog.scores.kl",
}


def __getattr__(name: str) -> object:
    """Load a score on first use, so that importing the package costs nothing."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'catalog.scores' has no attribute {name!r}")

"""Scores of sounds and of sets of sounds, each named after the judge that made it."""

from __future__ import annotations

from catalog.scores.frechet import frechet_distance
from catalog.scores.kl import kl_divergence

__all__ = ["frechet_distance", "kl_divergence"]

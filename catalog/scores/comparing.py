"""Which models a figure may tell apart: ranks for the league, and the note where numbers of sounds forbid one.

Intervals that lie apart are not enough for a Frechet distance. It is too large by an amount that falls as the number
of sounds grows, and with fewer sounds than dimensions the interval (intervals.py) does not make up for it: 50 sounds of
the reference's own distribution, N(0, I) in 128 dimensions, lay wholly above 3000 of it in 20 of 20 draws. So two
distances compare only at nearly equal numbers, or when each has a sound for every dimension: 50 against 62 sounds, 100
against 125 and 128 against 3000 of that distribution were told apart in 0 of 20 draws, 512 against 1500 in 512
dimensions in 0 of 4. The real notes on the other side bias it in the same way, so their numbers are held to the same
rule; they differ where models were asked for other families or sources. Sounds are counted, not the rows that a judge
makes of each: rows of one sound are much alike. FAD-inf keeps a part of the bias and is treated as FAD. KL is a mean
over sounds and has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from catalog.records import ScoreRecord
from catalog.scores.ranks import ranks

NEARLY_EQUAL = 1.25
"""The larger number of sounds over the smaller one, up to which distances of few sounds compare."""
UNBIASED = "KL"
NOTE = (
    "FAD and FD of few sounds are too large, more so the fewer they are: by them, models are told apart only at nearly "
    "equal n (within 25 %), or when each has as many sounds as the judge has dimensions; so with the n of real notes."
)
"""What a reader has to know where intervals lie apart and ranks are shared."""


def score_ranks(scores: Mapping[str, ScoreRecord]) -> dict[str, int]:
    """Ranks, as `ranks` gives them, of those of one comparison that have an interval; name -> rank."""
    return ranks(_intervals(scores), lambda one, other: comparable(scores[one], scores[other]))


def held_by_n(scores: Mapping[str, ScoreRecord]) -> set[str]:
    """Names whose interval lies apart from another's and which their numbers alone keep from being told apart."""
    intervals = _intervals(scores)
    return {
        name
        for pair in combinations(intervals, 2)
        if not _overlap(*(intervals[name] for name in pair)) and not comparable(*(scores[name] for name in pair))
        for name in pair
    }


def comparable_sizes(n: int, m: int, dimensions: int | None) -> bool:
    """Whether Frechet distances of n and of m sounds compare; None: nobody knows in how many dimensions they are."""
    few, many = sorted((n, m))
    return many <= NEARLY_EQUAL * few or (dimensions is not None and few >= dimensions)


def comparable(one: ScoreRecord, other: ScoreRecord) -> bool:
    """Whether the numbers of sounds and real notes let these two figures of one judge and reference be compared."""
    if one.name.startswith(f"{UNBIASED} "):
        return True
    # Records of older versions do not hold their dimensions; then only nearly equal numbers compare.
    dimensions = one.settings.get("dimensions") if other.settings.get("dimensions") else None
    sides: list[tuple[Any, Any]] = [(one.n, other.n)]
    notes = (one.settings.get("reference_n"), other.settings.get("reference_n"))
    if notes != (None, None):
        sides.append(notes)
    return all(None not in (n, m) and comparable_sizes(n, m, dimensions) for n, m in sides)


def _intervals(scores: Mapping[str, ScoreRecord]) -> dict[str, tuple[float, float]]:
    return {
        name: (score.settings["low"], score.settings["high"])
        for name, score in scores.items()
        if score.value is not None and score.settings.get("low") is not None and score.settings.get("high") is not None
    }


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]

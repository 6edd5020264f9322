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

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.records import ScoreRecord
from catalog.scores.ranks import ranks

NEARLY_EQUAL = 1.25
"""The larger number of sounds over the smaller one, up to which distances of few sounds compare."""
UNBIASED = "KL"
NOTE = (
    "FAD and FD of few sounds are too large, more so the fewer they are: by them, models compare only at nearly equal "
    "n (within 25 %), or when each has as many sounds as the judge has dimensions; so with the n of real notes. Models "
    "outside the largest set that compares have no rank; where no set holds more than half of them, none is told apart."
)
"""What a reader has to know where models have no rank, or share one, because of their numbers of sounds."""


@dataclass(frozen=True)
class Ranking:
    """ranks: name -> rank, of those that have one. held_by_n: name -> why numbers keep it from a rank of its own."""

    ranks: dict[str, int]
    held_by_n: dict[str, str]


def rank_scores(scores: Mapping[str, ScoreRecord]) -> Ranking:
    """Rank those of one comparison that have an interval; who shares a rank is said by `ranks`."""
    intervals = _intervals(scores)
    near = {
        name: {other for other in intervals if other != name and comparable(scores[name], scores[other])}
        for name in intervals
    }
    sets = _maximal_sets(frozenset(), set(intervals), set(), near)
    # Of equally large ones that of more sounds, then the first by name.
    best = min(sets, key=lambda names: (-len(names), sorted(-scores[name].n for name in names), sorted(names)))
    if 2 * len(best) <= len(intervals):
        apart = {name: set(intervals) - near[name] - {name} for name in intervals}
        held = {
            name: _why(scores, name, others)
            for name, others in apart.items()
            if any(not _overlap(intervals[name], intervals[other]) for other in others)
        }
        return Ranking(dict.fromkeys(intervals, 1), held)
    held = {name: _why(scores, name, best - near[name]) for name in intervals if name not in best}
    return Ranking(ranks({name: intervals[name] for name in best}), held)


def _maximal_sets(
    chosen: frozenset[str], left: set[str], seen: set[str], near: Mapping[str, set[str]]
) -> Iterator[frozenset[str]]:
    """Every set of names, each near all others of it, that no name can be added to (Bron and Kerbosch 1973, pivoted).

    chosen: a part of such a set; left: names near all of it that are still to be added; seen: those that were.
    """
    if not left and not seen:
        yield chosen
        return
    pivot = max(left | seen, key=lambda name: len(left & near[name]))
    for name in left - near[pivot]:
        yield from _maximal_sets(chosen | {name}, left & near[name], seen & near[name], near)
        left, seen = left - {name}, seen | {name}


def comparable_sizes(n: int, m: int, dimensions: int | None) -> bool:
    """Whether Frechet distances of n and of m sounds compare; None: nobody knows in how many dimensions they are."""
    few, many = sorted((n, m))
    return many <= NEARLY_EQUAL * few or (dimensions is not None and few >= dimensions)


def comparable(one: ScoreRecord, other: ScoreRecord) -> bool:
    """Whether the numbers of sounds and real notes let these two figures of one judge and reference be compared."""
    return not _too_different(one, other)


def _too_different(one: ScoreRecord, other: ScoreRecord) -> dict[str, tuple[Any, Any]]:
    """The numbers that forbid a comparison, "n" and "reference n", with what they are on both sides."""
    if one.name.startswith(f"{UNBIASED} "):
        return {}
    # Records of older versions do not hold their dimensions; then only nearly equal numbers compare.
    dimensions = one.settings.get("dimensions") if other.settings.get("dimensions") else None
    numbers: dict[str, tuple[Any, Any]] = {"n": (one.n, other.n)}
    notes = (one.settings.get("reference_n"), other.settings.get("reference_n"))
    if notes != (None, None):
        numbers["reference n"] = notes
    return {
        name: (n, m)
        for name, (n, m) in numbers.items()
        if n is None or m is None or not comparable_sizes(n, m, dimensions)
    }


def _why(scores: Mapping[str, ScoreRecord], name: str, others: Collection[str]) -> str:
    """Which numbers keep a figure from being compared with those of others, none of which it compares with."""
    beside: dict[str, tuple[Any, list[Any]]] = {}
    for other in others:
        for number, (mine, its) in _too_different(scores[name], scores[other]).items():
            beside.setdefault(number, (mine, []))[1].append(its)
    told = [f"{number} {_number([mine])} beside {_number(theirs)}" for number, (mine, theirs) in sorted(beside.items())]
    figure = scores[name].name.partition(" ")[0]
    return f"{', '.join(told)}: {figure} of so few sounds compares only at nearly equal n"


def _number(values: Sequence[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    if not known:
        return "unknown"
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _intervals(scores: Mapping[str, ScoreRecord]) -> dict[str, tuple[float, float]]:
    return {
        name: (score.settings["low"], score.settings["high"])
        for name, score in scores.items()
        if score.value is not None and score.settings.get("low") is not None and score.settings.get("high") is not None
    }


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]

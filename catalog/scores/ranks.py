"""Ranks that say no more than the figures do: models whose intervals overlap share one.

Overlap is not handed on (A may touch B, and B touch C, while A and C lie apart), ranks are. So a chain of overlapping
intervals is one group: two models get different ranks only when every model of the better group lies wholly below
every model of the other, and may be compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


def ranks(
    intervals: Mapping[str, tuple[float, float]], compare: Callable[[str, str], bool] = lambda one, other: True
) -> dict[str, int]:
    """Return the rank of each name by its (low, high), lower figures first: 1 for the best group, equal within one.

    The rank of a group is one more than the number of names in better groups. `compare` says of two names whether
    intervals that lie apart may tell them apart at all.
    """
    found: dict[str, int] = {}
    names = sorted(intervals, key=lambda name: intervals[name])
    rank = 1
    for place, name in enumerate(names):
        apart = (
            intervals[better][1] < intervals[worse][0] and compare(better, worse)
            for better in names[:place]
            for worse in names[place:]
        )
        if all(apart):
            rank = place + 1
        found[name] = rank
    return found

"""Ranks that say no more than the figures do: models whose intervals overlap share one.

Overlap is not handed on (A may touch B, and B touch C, while A and C lie apart), ranks are. So a chain of overlapping
intervals is one group: two models get different ranks only when every model of the better group lies wholly below
every model of the other.
"""

from __future__ import annotations

from collections.abc import Mapping


def ranks(intervals: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    """Return the rank of each name by its (low, high), lower figures first: 1 for the best group, equal within one.

    The rank of a group is one more than the number of names in better groups.
    """
    found: dict[str, int] = {}
    names = sorted(intervals, key=lambda name: intervals[name])
    rank, reach = 1, float("-inf")
    for place, name in enumerate(names):
        low, high = intervals[name]
        if low > reach:
            rank = place + 1
        reach = max(reach, high)
        found[name] = rank
    return found

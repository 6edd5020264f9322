"""Which sounds are heard: a balanced draw that follows from a seed alone, on every machine.

Chance comes from sha256, not from a generator whose numbers may change with the next version of a library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import TypeVar

from catalog.errors import ListeningError
from catalog.listening.records import Candidate

Thing = TypeVar("Thing")


def shuffled(things: Iterable[Thing], seed: int, *about: str) -> list[Thing]:
    """The things (told apart by their str) in an order that follows from seed and `about`, whatever order they had."""

    def place(thing: Thing) -> str:
        return hashlib.sha256("\n".join([str(seed), *about, str(thing)]).encode()).hexdigest()

    return sorted(things, key=place)


def choose(candidates: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """Choose `count` sounds, as many of every maker and, within it, of every family as can be.

    Makers take turns, so that their numbers differ by one at most while they have sounds left; each goes through the
    families in one common order, so that makers are heard on the same families. Raises ListeningError when there are
    fewer sounds than wanted, or fewer wanted than makers.
    """
    makers = shuffled({candidate.maker for candidate in candidates}, seed, "makers")
    if len(candidates) < count:
        raise ListeningError(
            f"{len(candidates)} sounds are there, {count} are wanted; make more sounds or ask for fewer"
        )
    if count < len(makers):
        raise ListeningError(
            f"{count} sounds are wanted of {len(makers)} models and real notes; ask for one each or more"
        )
    queues = {maker: _queue([one for one in candidates if one.maker == maker], seed) for maker in makers}
    chosen: list[Candidate] = []
    for maker in cycle(makers):
        if len(chosen) == count:
            return chosen
        if queues[maker]:
            chosen.append(queues[maker].pop(0))
    return chosen


def _queue(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """One maker's sounds in the order of their taking: one of each family, then another of each."""
    by_family: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_family.setdefault(candidate.family or "", []).append(candidate)
    turns: list[tuple[int, int, Candidate]] = []
    for place, family in enumerate(shuffled(by_family, seed, "families")):
        named = {candidate.origin: candidate for candidate in by_family[family]}
        turns += [(turn, place, named[origin]) for turn, origin in enumerate(shuffled(named, seed, "sounds"))]
    return [candidate for _, _, candidate in sorted(turns, key=lambda each: each[:2])]

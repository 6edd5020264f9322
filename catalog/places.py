"""Where a sound stands among others that a query means as well: by its note for "low", by its length for "long".

No note is low in itself: A2 is a high bass and a low flute. So "low brass" ranks the deepest brass of a library first,
and "high electric guitar" orders the electric guitars. Where no family is said, all sounds are compared: "low" alone
finds basses. Lengths likewise: few models make sounds that ring as long as a corpus calls long, yet some are longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from catalog.query import Query
from catalog.records import SampleRecord
from catalog.scores.percentile import percentiles

REGISTER_WEIGHT, LENGTH_WEIGHT = 2.0, 1.0
"""What the lowest or highest of many notes, and the longest or shortest of many sounds, is worth beside query.py's
weights; the other end is worth minus it."""

Place = tuple[float, str]
"""Worth, in standard deviations as query.agreement gives them, and the sentence that says why."""


def note_places(query: Query, samples: Iterable[SampleRecord]) -> dict[int, Place]:
    """Where measured notes stand, by sample id; nothing where no register is asked for, and no sound without a note."""
    register = query.register
    if not register:
        return {}
    end = "low" if register < 0 else "high"
    having = [sample for sample in samples if sample.midi_note is not None]
    return _ranked(
        query, having, REGISTER_WEIGHT, lambda s: register * (s.midi_note or 0), lambda s: f"{s.note} is {end}"
    )


def length_places(query: Query, samples: Iterable[SampleRecord]) -> dict[int, Place]:
    """Where the lengths of sounds stand, by sample id; nothing where neither long nor short ones are asked for."""
    length = query.length
    if not length:
        return {}
    end = "short" if length < 0 else "long"
    having = [sample for sample in samples if sample.duration_s is not None]
    return _ranked(
        query,
        having,
        LENGTH_WEIGHT,
        lambda s: length * (s.duration_s or 0.0),
        lambda s: f"{s.duration_s:.2f} s is {end}",
    )


def _ranked(
    query: Query,
    samples: Iterable[SampleRecord],
    weight: float,
    value: Callable[[SampleRecord], float],
    told: Callable[[SampleRecord], str],
) -> dict[int, Place]:
    """Rank sounds among those that are alike in what else the query names, from -weight to weight.

    Alike are sounds of one family, where families are named or leant to, and of the same mind about a source that is
    said and each quality that is named: those decide before a rank does. Equal values count alike, so the middle is
    worth 0.
    """
    alike: dict[tuple[object, ...], list[SampleRecord]] = defaultdict(list)
    asked, by_family = query.understood, query.names_families
    for sample in samples:
        tags = tuple(quality in sample.qualities for quality in asked.qualities)
        of_source = asked.says_source and query.is_of_source(sample)
        alike[sample.family if by_family else "", of_source, tags].append(sample)
    places: dict[int, Place] = {}
    for (family, *_), members in alike.items():
        ranks = percentiles(np.array([value(sample) for sample in members]))
        middle = (len(members) + 1) / 2 / len(members) * 100.0
        among = " ".join(filter(None, (f"among {len(members)}", str(family), "sounds")))
        for sample, rank in zip(members, ranks.tolist(), strict=True):
            places[sample.id] = (weight * round((rank - middle) / 50.0, 9), f"{told(sample)} {among}")
    return places

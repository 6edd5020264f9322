"""How long a sound takes and how much room it needs: measured in this library, else from the model's card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from catalog.library import Library
from catalog.records import ACCEPTED, REJECTED, SampleFilter
from generation.cards import ModelCard

MASTER_BYTES = 3
"""Of one sample in a 24-bit master before FLAC makes it smaller."""

LOOKED_UP = 100
"""Sounds of which the length asked for is looked up, at most."""


@dataclass(frozen=True)
class Pace:
    """Seconds a sound, all of its making counted, and where that figure comes from."""

    seconds: float
    origin: str


@dataclass(frozen=True)
class Room:
    """Bytes that an accepted sound needs, and where that figure comes from."""

    bytes: float
    origin: str


def seconds_per_sound(library: Library | None, card: ModelCard, length_s: float) -> Pace | None:
    """The pace of a model; None when it made nothing in this library and its card has no figure.

    Measured at another length than length_s, it is scaled in proportion: about so grows the work of a network that can
    make any length on a CPU and in full batches on a GPU; a few sounds at once on a GPU gain less by being short.
    """
    measured = library.pace(card.name) if library else None
    if library and measured is not None:
        made = library.sample_ids(SampleFilter(models=(card.name,), statuses=(ACCEPTED, REJECTED)))
        factor, scaled = _scale(_length_asked_s(library, made, card), length_s)
        return Pace(measured[0] * factor, f"measured on {measured[1]} sounds of this library{scaled}")
    if card.pace is not None:
        factor, scaled = _scale(card.length_s, length_s)
        return Pace(card.pace.seconds_per_sound * factor, f"from the card, measured on {card.pace.on}{scaled}")
    return None


def bytes_per_sound(library: Library | None, card: ModelCard, length_s: float) -> Room:
    """The room of a master: the mean in this library, scaled to the length, else the most that it can need."""
    sounds = library.samples(SampleFilter(models=(card.name,))) if library else []
    if library and sounds:
        total = sum((library.path / str(sound.file)).stat().st_size for sound in sounds)
        factor, scaled = _scale(_length_asked_s(library, [sound.id for sound in sounds], card), length_s)
        return Room(total / len(sounds) * factor, f"measured on {len(sounds)} sounds of this library{scaled}")
    return Room(card.sample_rate_hz * length_s * MASTER_BYTES, "from the card, at most")


def _length_asked_s(library: Library, ids: Sequence[int], card: ModelCard) -> float:
    """The mean length in seconds that sounds were asked for with; what is kept of them is cut where they fade.

    Each one's settings are looked up alone, so of many sounds some spread over all of them stand for the rest.
    """
    some = ids[:: 1 + len(ids) // LOOKED_UP]
    return fmean(library.details(id).settings.get("length_s", card.length_s) for id in some)


def _scale(measured_s: float, wanted_s: float) -> tuple[float, str]:
    """What a figure of one length is multiplied by for another, and the words that say so."""
    if math.isclose(measured_s, wanted_s):
        return 1.0, ""
    return wanted_s / measured_s, f", scaled from {measured_s:.4g} s to {wanted_s:.4g} s"

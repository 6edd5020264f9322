"""How long a sound takes and how much room it needs: measured in this library, else from the model's card."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.library import Library
from catalog.records import SampleFilter
from generation.cards import ModelCard

MASTER_BYTES = 3
"""Of one sample in a 24-bit master before FLAC makes it smaller."""


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


def seconds_per_sound(library: Library | None, card: ModelCard) -> Pace | None:
    """The pace of a model; None when it made nothing in this library and its card has no figure."""
    measured = library.pace(card.name) if library else None
    if measured is not None:
        return Pace(measured[0], f"measured on {measured[1]} sounds of this library")
    if card.pace is not None:
        return Pace(card.pace.seconds_per_sound, f"from the card, measured on {card.pace.on}")
    return None


def bytes_per_sound(library: Library | None, card: ModelCard, length_s: float) -> Room:
    """The room of a master: the mean in this library, else the most that a sound of a length can need."""
    sounds = library.samples(SampleFilter(models=(card.name,))) if library else []
    if library and sounds:
        total = sum((library.path / str(sound.file)).stat().st_size for sound in sounds)
        return Room(total / len(sounds), f"measured on {len(sounds)} sounds of this library")
    return Room(card.sample_rate_hz * length_s * MASTER_BYTES, "from the card, at most")

"""What "low" and "high" ask of a sound: where its measured note lies among those of its family.

No note is low in itself: A2 is a high bass and a low flute. So "low brass" ranks the deepest brass of a library first,
and "high" alone the highest sounds of every family.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from catalog.records import SampleRecord
from catalog.scores.percentile import percentiles
from generation.prompts.vocabulary import in_english

REGISTER_WEIGHT = 1.5
"""What the lowest or highest note of a family is worth beside query.py's weights; the other end is worth minus it."""

_LOW = {"low", "lower", "lowest", "deep", "deepest", "sub"}
_HIGH = {"high", "higher", "highest", "shrill"}
# "low pass" and "high quality" say nothing of a note.
_OF_NO_NOTE = r"(?![\s-]+(?:pass|passed|cut|quality|fi|fidelity|resolution|res|energy|volume|level|hat|hats)\b)"
_SAID = re.compile(rf"\b({'|'.join(sorted(_LOW | _HIGH))})\b{_OF_NO_NOTE}", re.IGNORECASE)


def asked_register(said: str, denied: Iterable[str]) -> int:
    """-1 where words ask for low notes, 1 where for high ones, 0 for neither or for both; English or Spanish.

    said: all that is said, or what is wanted of it. denied: words of it, or others, that are denied or excluded; they
    ask for the other end.
    """
    unwanted = {word.lower() for words in denied for word in _SAID.findall(in_english(words))}
    wanted = {word.lower() for word in _SAID.findall(in_english(said))} - unwanted
    return sum({_end(word) for word in wanted} | {-_end(word) for word in unwanted})


def in_register(register: int, samples: Iterable[SampleRecord]) -> dict[int, tuple[float, str]]:
    """What the measured notes of sounds are worth, in standard deviations as query.agreement gives them, and why.

    register: of asked_register; 0 gives nothing. Each note is ranked among those of its family that are given,
    from -REGISTER_WEIGHT to REGISTER_WEIGHT; equal notes count alike. Sounds without a note are not in the answer.
    """
    families: dict[str, list[SampleRecord]] = defaultdict(list)
    for sample in samples if register else ():
        if sample.midi_note is not None:
            families[sample.family].append(sample)
    worth: dict[int, tuple[float, str]] = {}
    for family, members in families.items():
        ranks = percentiles(np.array([register * (sample.midi_note or 0) for sample in members]))
        # The mean rank is worth exactly nothing, so that a family with few sounds gains nothing by it.
        middle = (len(members) + 1) / 2 / len(members) * 100.0
        for sample, rank in zip(members, ranks.tolist(), strict=True):
            told = f"{sample.note} is {'low' if register < 0 else 'high'} among {len(members)} {family} sounds"
            worth[sample.id] = (REGISTER_WEIGHT * round((rank - middle) / 50.0, 9), told)
    return worth


def _end(word: str) -> int:
    return -1 if word in _LOW else 1

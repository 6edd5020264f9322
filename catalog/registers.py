"""What "low" and "high" ask of a sound: where its measured note lies among the sounds that the other words mean.

No note is low in itself: A2 is a high bass and a low flute. So "low brass" ranks the deepest brass of a library first,
"low" alone the deepest sounds of every family, and "high electric guitar" orders the electric guitars.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from catalog.leanings import leanings
from catalog.records import SampleRecord
from catalog.scores.percentile import percentiles
from generation.prompts.vocabulary import in_english, understand

if TYPE_CHECKING:
    from catalog.query import Query

REGISTER_WEIGHT = 1.5
"""What the lowest or highest of many notes is worth beside query.py's weights; the other end is worth minus it."""

_LOW = frozenset("low lows lower lowest deep deeper deepest sub subbass".split())
_HIGH = frozenset("high highs higher highest upper shrill".split())
_SOUNDS = frozenset(
    "note notes pitch pitches pitched register octave octaves tone tones sound sounds sample samples one ones".split()
)
"""What may be low or high beside instruments and families."""
_THINGS = frozenset(
    "reverb reverberation echo echoes distortion saturation drive overdrive fuzz grit brightness darkness warmth punch "
    "attack decay release tail sustain".split()
)
"""What has much or little of itself: "low distortion" says nothing of a note."""
_BETWEEN = frozenset("and or very more a the".split())
_WORDS = re.compile(r"[^\W_]+|[,;.]")
_LONGEST_NAME = 3  # words, as "upright electric bass"


def asked_register(wanted: str) -> int:
    """-1 where words ask for low notes, 1 where for high ones, 0 for neither or for both.

    wanted: what is wanted, English or Spanish, without what is denied. A word counts where it stands at the end of a
    phrase or before a thing that has a note, adjectives between them: "low dark brass", not "low gain guitar".
    """
    words = [word.lower() for word in _WORDS.findall(in_english(wanted))]
    ends = {-1 if word in _LOW else 1 for at, word in enumerate(words) if _is_said(words, at)}
    return sum(ends)


def in_register(query: Query, samples: Iterable[SampleRecord]) -> dict[int, tuple[float, str]]:
    """What the measured notes of sounds are worth to a query, in standard deviations as query.agreement gives them.

    Each note is ranked among the given sounds of its family that are alike in the source and the qualities that the
    query names, from -REGISTER_WEIGHT to REGISTER_WEIGHT; equal notes count alike, and so the middle is worth 0.

    Returns:
        sample id -> worth and the sentence that says why. Sounds without a note are not in it, and none where the
        query asks for no register.
    """
    alike: dict[tuple[object, ...], list[SampleRecord]] = defaultdict(list)
    asked = query.understood
    for sample in samples if query.register else ():
        if sample.midi_note is not None:
            tags = tuple(quality in sample.qualities for quality in asked.qualities)
            alike[sample.family, asked.source == sample.source, tags].append(sample)
    worth: dict[int, tuple[float, str]] = {}
    for members in alike.values():
        ranks = percentiles(np.array([query.register * (sample.midi_note or 0) for sample in members]))
        middle = (len(members) + 1) / 2 / len(members) * 100.0
        end = "low" if query.register < 0 else "high"
        for sample, rank in zip(members, ranks.tolist(), strict=True):
            told = f"{sample.note} is {end} among {len(members)} {sample.family} sounds"
            worth[sample.id] = (REGISTER_WEIGHT * round((rank - middle) / 50.0, 9), told)
    return worth


def _is_said(words: Sequence[str], at: int) -> bool:
    """Whether a word is one of register, and of a note."""
    if words[at] not in _LOW | _HIGH:
        return False
    for next_one in range(at + 1, len(words)):
        word = words[next_one]
        if not word[0].isalnum() or word in _SOUNDS or _is_played(tuple(words[next_one : next_one + _LONGEST_NAME])):
            return True
        if word not in _LOW | _HIGH | _BETWEEN and not _is_adjective(word):
            return False
    return True


@cache
def _is_played(words: tuple[str, ...]) -> bool:
    """Whether a text begins with an instrument, a family, or what leans to one ("pad")."""
    first = understand(words[0])
    if first.families or any(one.families for one in leanings(first)):
        return True
    named = understand(" ".join(words)).words_used
    return any(name.startswith(f"{words[0]} ") and understand(name).families for name in named)


@cache
def _is_adjective(word: str) -> bool:
    """Whether a word says which source or quality, or leans to one, and is no thing itself."""
    meaning = understand(word)
    return word not in _THINGS and bool(meaning.source or meaning.qualities or leanings(meaning))

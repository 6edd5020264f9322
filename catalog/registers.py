"""Which words ask for low or high notes, and which say "low" or "high" of something else.

Captions, labels and the gate know nothing of it: what is low is settled by the sounds that there are (places.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from catalog.leanings import leanings
from generation.prompts.vocabulary import in_english, understand

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

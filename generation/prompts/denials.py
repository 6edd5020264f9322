"""How far a denial reaches: "no harsh distortion, bass" denies distortion, "not overly bright bass" brightness.

A denial is read like a noun phrase. It stays open over the words that say how something is (harsh, long, words
that nobody knows) until the thing is named; the thing is denied, and the words before it are not. Where no thing
follows, the words themselves are denied ("string, no bright"). Things are instruments and what a sound has or is
(reverb, vibrato, drums, pad: timbre.THINGS); bright, dark and long are none.

So "no deep bass" denies the bass: whoever wants one that is not deep says "bass, no deep bass", "bass, not deep" or
"not deep bass". Words like "not" and "less" deny only how something is, to the first quality, and the instrument
after it is asked for, unless another was asked for before ("strings, not a bright guitar").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.prompts import thesaurus
from generation.prompts.negation import ENDINGS, GOES_ON, JOINS, THINGS
from generation.prompts.phrases import Item
from generation.prompts.timbre import OPPOSITE

_OF = frozenset("of de del".split())
"""Behind a word that nobody knows, the thing comes only now: "without a trace of reverb"."""
_BEFORE_THINGS = frozenset(
    """
    a an the any some very too so much really quite slightly un una unos unas el la los las muy mucho mucha tan
    """.split()
)
"""Small words that may stand between a denied word and the thing; any other ends the denial."""


@dataclass(frozen=True, slots=True)
class Denied:
    """One denied phrase: the thing, None in "not bright", and the words before it that say how it is."""

    thing: Item | None
    manner: tuple[Item, ...] = ()

    @property
    def meaning(self) -> thesaurus.Meaning | None:
        """The meaning of its last word."""
        return self.thing.meaning if self.thing else self.manner[-1].meaning


def denied_from(items: Sequence[Item], at: int, named: bool) -> tuple[list[Denied], int]:
    """What the denying item at `at` denies, and the place of the item behind that; none and at + 1 if nothing.

    named: whether the text has named an instrument before.
    """
    found: list[Denied] = []
    start, after = at + 1, at + 1
    things = items[at].denies == THINGS
    if items[at].word == "no" and start < len(items) and items[start].word.isdigit():
        return [], after  # "Bass No 5"
    while start < len(items):
        phrase, end = _phrase(items, start, things, named)
        if phrase is None:
            break
        found.append(phrase)
        after = end
        if not _goes_on(items, end, phrase.meaning):
            break
        start = end + 1
    return found, after


def _phrase(items: Sequence[Item], start: int, things: bool, named: bool) -> tuple[Denied | None, int]:
    """The denied phrase that starts at an item, None without one, and the place behind it."""
    manner: list[Item] = []
    after = start
    for at in range(start, len(items)):
        item = items[at]
        if item.denies is not None or item.note is not None:
            if manner:
                break
            if item.note is not None:
                return Denied(item), at + 1
            things = things or item.denies == THINGS  # "no quiero ninguna voz"
        elif item.meaning is not None and item.meaning.thing:
            if manner and not (things or _thing_of_its_own(items, at, named)):
                break
            return Denied(item, tuple(manner)), at + 1
        elif item.meaning is not None or item.unknown:
            manner.append(item)
            after = at + 1
            settles = item.meaning is not None and bool(item.meaning.quality or item.meaning.source)
            if settles and not (things or _thing_of_its_own(items, after, named)):
                break
        elif item.word in ENDINGS:
            break
        elif not manner:
            continue
        elif item.word in _OF and all(word.unknown for word in manner):
            manner = []
        elif not (
            item.word in GOES_ON
            or (item.word in JOINS and _another(items, at + 1, manner[-1]))
            or (item.word in _BEFORE_THINGS and (manner[-1].unknown or items[at - 1].word in GOES_ON | JOINS))
        ):
            break
    return (Denied(None, tuple(manner)), after) if manner else (None, after)


def _thing_of_its_own(items: Sequence[Item], at: int, named: bool) -> bool:
    """Whether a thing stands here that "not" denies too: "not harsh distortion", "strings, not a bright guitar"."""
    meaning = items[at].meaning if at < len(items) else None
    return meaning is not None and meaning.thing and (meaning.quality is not None or (named and bool(meaning.family)))


def _another(items: Sequence[Item], at: int, word: Item) -> bool:
    """Whether a word of manner stands here, or a small word before one, that is not the opposite of another."""
    if at >= len(items):
        return False
    here = items[at]
    if here.word in _BEFORE_THINGS:
        return here.word not in ("a", "an", "un", "una", "the") and _another(items, at + 1, word)
    if here.meaning is None or word.meaning is None:
        return here.unknown or here.meaning is not None
    return not _opposite(here.meaning, word.meaning)


def _goes_on(items: Sequence[Item], at: int, denied: thesaurus.Meaning | None) -> bool:
    """Whether the item here carries a denial on: "or" always, "and" and the commas of a list within one kind."""
    if at >= len(items) or items[at].word in GOES_ON:
        return at < len(items)
    if items[at].word not in JOINS | {","} or denied is None:
        return False
    joined, behind = _last_word(items, at + 1)
    if joined is None or _kind(joined) != _kind(denied):
        return False
    if items[at].word in JOINS:
        return not _opposite(joined, denied)
    # "No reverb, distortion or vocals" is a list, "no bass, guitar" a change of mind.
    listed = denied.thing and _goes_on(items, behind, joined)
    return listed and (items[behind].word not in JOINS or not denied.family)


def _last_word(items: Sequence[Item], at: int) -> tuple[thesaurus.Meaning | None, int]:
    """The thing at the end of the known words that start here, or the last of them, and the place behind it."""
    meaning = None
    while at < len(items) and items[at].meaning is not None:
        meaning = items[at].meaning
        at += 1
        if meaning is not None and meaning.thing:
            break
    return meaning, at


def _opposite(one: thesaurus.Meaning, other: thesaurus.Meaning) -> bool:
    """Whether one is the opposite of the other: "not bright and dark" asks for dark."""
    return one.quality is not None and OPPOSITE.get(one.quality) == other.quality


def _kind(meaning: thesaurus.Meaning) -> str:
    if meaning.family or meaning.source:
        return "instrument"
    return "thing" if meaning.thing else "manner"

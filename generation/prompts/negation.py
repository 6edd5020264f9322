"""The words that deny in a sentence, English and Spanish: "no bass", "anything but bass", "ausencia de brillo".

How far a denial reaches is denials.py. Phrases that only look like one ("nothing but bass", "más o menos") deny
nothing and mean nothing.
"""

from __future__ import annotations

THINGS, MANNERS = "things", "manners"
"""What a word denies: a thing with all that is said of it ("no harsh distortion"), or how something is, which is
asked for all the same ("not overly bright bass")."""

_DENY_THINGS = """
    no, without, nor, none, except, excepting, excluding, exclude,
    avoid, minus, lack, lacks, lacking, absence, don't, dont, doesn't, doesnt,
    won't, wouldn't, shouldn't, do not, does not, did not, would not, should not, anything but, everything but, all but,
    other than, rather than, instead of, apart from, aside from, free of, free from,
    sin, ni, ningun, ninguno, ninguna, tampoco, excepto, salvo, ausencia, falta, libre de,
    todo menos, todos menos, cualquiera menos, cualquier cosa menos, en vez de, en lugar de, aparte de
    """
_DENY_MANNERS = """
    not, non, never, neither, nothing, less, fewer, hardly, barely, scarcely, isn't, isnt, aren't, arent,
    nunca, jamas, nada, menos, apenas
    """
_NO_NEGATIONS = """
    nothing but, nothing else than, nothing other than, nothing less than, no other than, not only, not just,
    not merely, more or less, no less than, no matter, no doubt, not sure, don't know, dont know, don't care,
    dont care, don't mind, dont mind, if not, why not,
    no solo, no solamente, nada mas que, nada menos que, no mas que, mas o menos, ni mas ni menos, al menos,
    por lo menos, falta un, falta una, hace falta, me falta, no importa, no se, sin duda, sin embargo
    """


def _phrases(words: str) -> list[tuple[str, ...]]:
    return [tuple(phrase.split()) for phrase in words.split(",")]


NEGATIONS: dict[tuple[str, ...], str] = {
    **dict.fromkeys(_phrases(_DENY_THINGS), THINGS),
    **dict.fromkeys(_phrases(_DENY_MANNERS), MANNERS),
    **dict.fromkeys(_phrases(_NO_NEGATIONS), ""),
}
"""What each phrase denies; "" for those that only look like denials."""
TOKENS = frozenset(token for phrase in NEGATIONS for token in phrase)
"""Every token of these phrases."""
_LONGEST = {token: max((len(phrase) for phrase in NEGATIONS if phrase[0] == token), default=0) for token in TOKENS}

ENDINGS = frozenset("but pero sino , . ; ! ? | )".split()) | {"\n"}
"""Tokens at which a denial ends: "not bright, dark" and "not bright but dark" ask for dark."""
GOES_ON = frozenset("or nor o u ni /".split())
"""Tokens that carry a denial on: "without reverb or distortion" denies both."""
JOINS = frozenset("and y e & +".split())
"""Tokens that carry it on to what is of the same kind: "no bass and guitar", "no reverb and distortion"."""


def negation_at(tokens: list[str], at: int) -> tuple[int, str | None]:
    """Number of plain tokens of the longest phrase here, 0 when none starts here, and what it denies."""
    for length in range(_LONGEST.get(tokens[at], 0), 0, -1):
        phrase = tuple(tokens[at : at + length])
        if phrase in NEGATIONS:
            return len(phrase), NEGATIONS[phrase]
    return 0, None

"""What denies in a sentence, English and Spanish: "no bass", "anything but bass", "ausencia de brillo".

A denial holds for the next word that means something, and for those joined to it by "or". Phrases that only
look like one ("nothing but bass", "más o menos") deny nothing and mean nothing.
"""

from __future__ import annotations

_NEGATIONS = """
    no, not, non, without, never, nor, none, nothing, neither, except, excepting, excluding, exclude,
    avoid, minus, less, lack, lacks, lacking, absence, don't, dont, doesn't, doesnt, isn't, isnt,
    aren't, arent, won't, wouldn't, shouldn't, anything but, everything but, all but,
    other than, rather than, instead of, apart from, aside from,
    sin, ni, nunca, jamas, nada, ningun, ninguno, ninguna, tampoco, excepto, salvo, menos, ausencia, falta,
    todo menos, todos menos, cualquiera menos, cualquier cosa menos, en vez de, en lugar de, aparte de
    """
_NO_NEGATIONS = """
    nothing but, nothing else than, nothing other than, nothing less than, no other than, not only, not just,
    not merely, more or less, no less than, no matter, no doubt, not sure, don't know, dont know, don't care,
    dont care, don't mind, dont mind, if not, why not,
    no solo, no solamente, nada mas que, nada menos que, no mas que, mas o menos, ni mas ni menos, al menos,
    por lo menos, falta un, falta una, hace falta, me falta, no importa, no se, sin duda, sin embargo
    """


def _phrases(words: str) -> dict[tuple[str, ...], bool]:
    return {tuple(phrase.split()): True for phrase in words.split(",")}


_DENIES = _phrases(_NEGATIONS) | dict.fromkeys(_phrases(_NO_NEGATIONS), False)
_LONGEST = {
    first: max(len(phrase) for phrase in _DENIES if phrase[0] == first) for first in {phrase[0] for phrase in _DENIES}
}
ENDINGS = frozenset("but pero sino , . ; ! ?".split())
"""Tokens at which a denial ends: "not bright, dark" and "not bright but dark" ask for dark."""
GOES_ON = frozenset("or nor o u ni /".split())
"""Tokens that carry a denial on: "without reverb or distortion" denies both."""
JOINS = frozenset("and y e & +".split())
"""Tokens that carry it on from one instrument to another: "no bass and guitar"."""


def negation_at(tokens: list[str], at: int) -> tuple[int, bool]:
    """Number of plain tokens of the longest phrase here, 0 when none starts here, and whether it denies."""
    for length in range(_LONGEST.get(tokens[at], 0), 0, -1):
        phrase = tuple(tokens[at : at + length])
        if phrase in _DENIES:
            return len(phrase), _DENIES[phrase]
    return 0, False

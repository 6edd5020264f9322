"""A text as a row of items: phrases that the thesaurus knows, words that deny, notes, other words and signs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from generation.prompts import negation, thesaurus
from generation.prompts.notes import midi_number

_TOKEN = re.compile(
    r"[a-g](?:#|b)?-1(?![a-z0-9])"  # a note below C0: its minus is no hyphen
    r"|[a-z]+-(?:like|ish|esque|style|type)(?![a-z])"  # "flute-like" names no flute
    r"|[a-z0-9#]+(?:'[a-z0-9#]+)*|[,;/|&+\n]|[().:!?]"
)
FILLERS = frozenset(
    """
    a an the some any very too much so really quite slightly bit little plenty sound sounds sounding
    note notes tone tones sample samples one shot shots oneshot instrument at by that is its s my i want
    please to me give un una unos unas el la los las lo al muy mas mucho mucha muchos muchas poco poca algo
    demasiado demasiada demasiados demasiadas tanto tanta tan
    sonido sonidos nota notas tono tonos muestra instrumento que es quiero su
    but just only anything everything something all be been are were there do does did have has having need
    needs use using include including contain contains containing add adding another other
    i'm im i'd i'll would could human kind type sort find search looking
    pero sino todo toda todos todas cualquier cualquiera cosa cosas algun alguna ser sea suene suena hay haya
    tiene tenga necesito usar busco dame solamente tipo humana humano humanas
    """.split()
)
"""Words that mean nothing by themselves."""


class Item(NamedTuple):
    """A phrase, word or sign: `word` in plain letters, singular where the thesaurus knows it so; `said` as written.

    start and end are its place in the plain text. At most one is set of: meaning, of a known phrase; denies, of a
    word that denies or looks so (see negation.negation_at); note, a MIDI number.
    """

    word: str
    said: str
    start: int
    end: int
    meaning: thesaurus.Meaning | None = None
    denies: str | None = None
    note: int | None = None

    @property
    def unknown(self) -> bool:
        """Whether nothing is known of the word."""
        known = self.meaning is not None or self.denies is not None or self.note is not None
        return not known and self.word[0].isalpha() and self.word not in _SMALL_WORDS


ALTERNATIVES = frozenset("and or y e o u , ; / | & +".split()) | {"\n"}
"""Tokens between instruments on a par."""
PREPOSITIONS = frozenset("with like in on of from for over through playing de del con como para en sobre".split())
"""Words behind which no head noun stands any more: "organ with choir"."""
_ARTICLES = frozenset("el la los las".split())
_SMALL_WORDS = FILLERS | ALTERNATIVES | PREPOSITIONS | negation.ENDINGS | negation.GOES_ON | negation.JOINS


def items(plain_text: str) -> list[Item]:
    """Read a text in plain letters (thesaurus.plain) into items, the longest known phrase first at each place."""
    found = list(_TOKEN.finditer(plain_text))
    tokens = [base(token[0]) for token in found]
    row: list[Item] = []
    at = 0
    while at < len(tokens):
        length, word, meaning = _longest(tokens, at)
        denies, note = None, None
        if meaning is None:
            length, denies = negation.negation_at(tokens, at)
        if not length:
            length, note = 1, midi_number(tokens[at])
        said = " ".join(token[0] for token in found[at : at + length])
        start, end = found[at].start(), found[at + length - 1].end()
        row.append(Item(word or " ".join(tokens[at : at + length]), said, start, end, meaning, denies, note))
        at += length
    return row


def _longest(tokens: list[str], at: int) -> tuple[int, str, thesaurus.Meaning | None]:
    """Number of tokens, words and meaning of the longest known phrase that starts at a token; 0, "" and None without.

    An article behind "de" is not counted among the words: "órgano de la iglesia" and "órgano del teatro" are known
    as "órgano de iglesia" and "órgano de teatro".
    """
    known, longest = thesaurus.lookup(), thesaurus.longest_from().get(tokens[at], 0)
    places = [at, *(i for i in range(at + 1, min(at + 2 * longest, len(tokens))) if not _is_article(tokens, i))]
    for length in range(min(longest, len(places)), 0, -1):
        words = tuple("de" if i > at and tokens[i] == "del" else tokens[i] for i in places[:length])
        # "horns" is known by itself; "french horns" is known as "french horn".
        meaning = known.get(words) or known.get((*words[:-1], words[-1].removesuffix("s")))
        if meaning is not None:
            return places[length - 1] + 1 - at, " ".join(words), meaning
    return 0, "", None


def _is_article(tokens: list[str], at: int) -> bool:
    """Whether a token is an article behind "de"."""
    return tokens[at] in _ARTICLES and tokens[at - 1] == "de"


@lru_cache(maxsize=4096)
def base(token: str) -> str:
    """Return the token as the thesaurus knows it: singular, or an instrument with one letter mistyped.

    Words that deny stay as they are: "less" is no plural of "les" (paul).
    """
    known = thesaurus.known_tokens()
    if token in known or token in FILLERS or token in negation.TOKENS or not token[0].isalpha():
        return token
    for ending in ("es", "s"):
        if token.endswith(ending) and token.removesuffix(ending) in known:
            return token.removesuffix(ending)
    if len(token) >= 6:
        near = (item for item in thesaurus.instrument_words() if _one_slip_apart(token, item[0]))
        meant = dict(near)
        if len(set(meant.values())) == 1:
            return min(meant)
    return token


def _one_slip_apart(a: str, b: str) -> bool:
    """Whether one letter added, dropped, changed or swapped with its neighbour makes b of a."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:])
    )

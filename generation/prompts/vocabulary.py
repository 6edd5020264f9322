"""NSynth's words, its cells, note names, and what a producer's sentence means in these words.

Sources, families and qualities stand in NSynth's index order (Engel et al. 2017, arXiv:1704.01279). Pure
Python, no third-party import: the catalogue, the prompts and the training captions all use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from generation.errors import ConfigError
from generation.prompts import thesaurus

SOURCES = ("acoustic", "electronic", "synthetic")
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead",
    "vocal",
)  # fmt: skip
QUALITIES = (
    "bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic", "nonlinear_env",
    "percussive", "reverb", "tempo-synced",
)  # fmt: skip
EXCLUSIVE_PAIRS = (("bright", "dark"), ("fast_decay", "long_release"), ("reverb", "tempo-synced"))
"""Qualities that never meet on one NSynth note."""

# Notes of NSynth per family, one column per source (table of the dataset page).
_NOTES = {
    "bass": (200, 8_387, 60_368),
    "brass": (13_760, 70, 0),
    "flute": (6_572, 35, 2_816),
    "guitar": (13_343, 16_805, 5_275),
    "keyboard": (8_508, 42_645, 3_838),
    "mallet": (27_722, 5_581, 1_763),
    "organ": (176, 36_401, 0),
    "reed": (14_262, 76, 528),
    "string": (20_510, 84, 0),
    "synth_lead": (0, 0, 5_501),
    "vocal": (3_925, 140, 6_688),
}
_THIN_NOTES = 200
_COUNTS = {(source, family): _NOTES[family][i] for i, source in enumerate(SOURCES) for family in FAMILIES}
CELLS: tuple[tuple[str, str], ...] = tuple(cell for cell, notes in _COUNTS.items() if notes)
"""The 28 (source, family) pairs of which NSynth has notes, by source index, then family index."""
EMPTY_CELLS: tuple[tuple[str, str], ...] = tuple(cell for cell, notes in _COUNTS.items() if not notes)
"""The 5 pairs of which NSynth has none."""
THIN_CELLS: tuple[tuple[str, str], ...] = tuple(cell for cell in CELLS if _COUNTS[cell] <= _THIN_NOTES)
"""The 7 pairs with at most 200 notes: what a model knows of them is little."""

LOWEST_NOTE, HIGHEST_NOTE = 21, 108
"""MIDI range of NSynth, A0 to C8: notes a model may be asked for."""

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NOTE = re.compile(r"([a-g])(#|b)?(-1|[0-9])")
# The same inside a text as somebody wrote it.
_WRITTEN_NOTE = re.compile(r"(?<![a-z0-9#'])[a-g][#b]?(?:-1|[0-9])(?![a-z0-9#'])", re.IGNORECASE)
_PLAIN_SIGNS = str.maketrans("♯♭", "#b")
# Notes as people also write them: "A sharp 2", "A# 2", "midi 46", and in Spanish "la#2", "la sostenido 2".
_SOLFEGE = {"do": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_SPELLED_SIGNS = {"sharp": "#", "sostenido": "#", "flat": "b", "bemol": "b"}
_SPELLED_NOTE = re.compile(
    rf"""(?<![a-z0-9#'])(?:
    midi[ ]?(?:note|nota)?[ :#]?(?P<number>[0-9]{{1,3}})
    | (?P<letter>[a-g]|{"|".join(_SOLFEGE)})[ -]?(?P<word>{"|".join(_SPELLED_SIGNS)})[ -]?(?P<octave>-1|[0-9])
    | (?P<syllable>{"|".join(_SOLFEGE)})(?P<sign>[#b]?)(?P<height>-1|[0-9])
    | (?P<sharp>[a-g])[#][ ](?P<apart>[0-9])
    )(?![a-z0-9#'])""",
    re.IGNORECASE | re.VERBOSE,
)
_TOKEN = re.compile(
    r"[a-g](?:#|b)?-1(?![a-z0-9])"  # a note below C0: its minus is no hyphen
    r"|[a-z]+-(?:like|ish|esque|style|type)(?![a-z])"  # "flute-like" names no flute
    r"|[a-z0-9#']+|[,;/|&+\n]|[().:!?]"
)
_ALTERNATIVES = frozenset("and or y e o u , ; / | & +".split()) | {"\n"}
_PREPOSITIONS = frozenset("with like in on of from for over through playing de del con como para en sobre".split())
_NEGATIONS = frozenset("no not without sin non never nor ni".split())
_FILLERS = frozenset(
    """
    a an the some any very too much so really quite slightly bit little plenty sound sounds sounding
    note notes tone tones sample samples one shot shots oneshot instrument at by that is its s my i want
    please to me give un una unos unas el la los las lo al muy mas mucho mucha poco poca algo demasiado
    sonido sonidos nota notas tono tonos muestra instrumento que es quiero su
    """.split()
)


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text says in NSynth's words, and nothing that it does not say.

    family is None when no family is named or several are on a par ("bass or guitar"); families has all
    of them. source is None when neither a word nor the instrument settles it. qualities are in index
    order; those denied ("no reverb") are in qualities_excluded. note is a MIDI number, None without one
    or with several. instruments are English names ("rhodes"). words_used holds the phrases understood,
    search-only ones too; words_unknown the rest.
    """

    source: str | None
    family: str | None
    qualities: tuple[str, ...]
    note: int | None
    words_used: tuple[str, ...]
    words_unknown: tuple[str, ...]
    families: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    qualities_excluded: tuple[str, ...] = ()


def note_name(midi: int) -> str:
    """Name of a MIDI note, 0 to 127: 33 is "A1", 34 "A#1", 60 "C4". Raises ConfigError beyond."""
    if not 0 <= midi <= 127:
        raise ConfigError(f"MIDI note {midi} does not exist; a whole number from 0 to 127 is needed")
    return f"{_NAMES[midi % 12]}{midi // 12 - 1}"


def parse_note(text: str) -> int:
    """MIDI number of a note name such as "A1", "c#4", "Bb2", "B flat 2", "sib2" or "C-1" (C4 is 60).

    Raises ConfigError for any other text.
    """
    match = _NOTE.fullmatch(thesaurus.plain(plain_notes(text.strip())))
    midi = _midi(match) if match else -1
    if not 0 <= midi <= 127:
        raise ConfigError(
            f"{text!r} is no note name; write a letter A to G, # or b if needed, and an octave: A1, C#4, Bb2"
        )
    return midi


def plain_notes(text: str) -> str:
    """A text with its notes as captions write them: "A#2" for A♯2, A sharp 2, la#2 and midi 46."""
    return _SPELLED_NOTE.sub(_as_captions, text.translate(_PLAIN_SIGNS))


def renamed_notes(text: str, name: str) -> str:
    """A text with `name` in the place of every note that it names; its other words stay as they are."""
    return _WRITTEN_NOTE.sub(name, plain_notes(text))


def exclusive_pair(qualities: Sequence[str]) -> tuple[str, str] | None:
    """Return the first pair of qualities that exclude each other, None when they can all be true."""
    return next((pair for pair in EXCLUSIVE_PAIRS if pair[0] in qualities and pair[1] in qualities), None)


def in_order(qualities: Sequence[str]) -> tuple[str, ...]:
    """Each quality once, in NSynth's index order. Raises ValueError for a word that is no quality."""
    return tuple(sorted(set(qualities), key=QUALITIES.index))


def synonyms(term: str) -> tuple[str, ...]:
    """Every English and Spanish word that means this source, family, quality or instrument, the term first.

    "keyboard" gives keys and teclado, not harpsichord (see `instruments`). Empty for any other word.
    """
    entry = thesaurus.entry(term)
    return () if entry is None else tuple(dict.fromkeys((entry.term, *entry.words())))


def misspellings(term: str) -> tuple[str, ...]:
    """Return common misspellings of this source, family, quality or instrument; empty for any other word."""
    entry = thesaurus.entry(term)
    return () if entry is None else entry.misspelled


def instruments(family: str) -> tuple[str, ...]:
    """English names of the instruments of a family ("keyboard": piano, harpsichord, rhodes, ...)."""
    return tuple(
        entry.meaning.instrument
        for entry in thesaurus.entries()
        if entry.meaning.family == family and entry.meaning.instrument
    )


def understand(text: str) -> Understood:
    """Read a producer's words, English or Spanish, accents optional: "bajo cálido A1", "dark guitarr".

    Longer phrases win over shorter ones ("bass clarinet" is a reed). The family is the head noun: the
    last one named in English ("bell piano"), the first in Spanish, and what stands before a preposition
    ("organ with choir").
    """
    return _Reading(_TOKEN.findall(thesaurus.plain(plain_notes(text)))).result()


@dataclass
class _Reading:
    """One pass over the tokens of a text, and what it has met so far."""

    tokens: list[str]
    segments: list[list[tuple[thesaurus.Meaning, bool]]] = field(default_factory=lambda: [[]])
    named: list[thesaurus.Meaning] = field(default_factory=list)
    denied: list[thesaurus.Meaning] = field(default_factory=list)
    notes: set[int] = field(default_factory=set)
    used: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def result(self) -> Understood:
        """Read all tokens and sum up."""
        self._read()
        family, families = self._family()
        denied = {meaning.quality for meaning in self.denied if meaning.quality}
        qualities = {meaning.quality for meaning in self.named if meaning.quality} - denied
        return Understood(
            source=self._source(family),
            family=family,
            qualities=in_order(tuple(filter(None, qualities))),
            note=self.notes.pop() if len(self.notes) == 1 else None,
            words_used=tuple(self.used),
            words_unknown=tuple(self.unknown),
            families=families,
            instruments=tuple(dict.fromkeys(m.instrument for m in self.named if m.instrument)),
            qualities_excluded=in_order(tuple(filter(None, denied))),
        )

    def _read(self) -> None:
        tokens = [_base(token) for token in self.tokens]
        at, negated, beside = 0, False, False
        while at < len(tokens):
            length, meaning = _longest(tokens, at)
            if meaning is not None:
                self.used.append(" ".join(self.tokens[at : at + length]))
                (self.denied if negated else self.named).append(meaning)
                if meaning.family and not negated:
                    self.segments[-1].append((meaning, beside))
                beside = False
                at += length
                # "no reverb or distortion" denies both, "no reverb, dark" only the first.
                negated = negated and tokens[at : at + 1] in (["or"], ["nor"], ["o"], ["ni"])
                continue
            token = tokens[at]
            if token in _NEGATIONS:
                negated = True
            elif token in _ALTERNATIVES:
                beside = True
            elif token in _PREPOSITIONS:
                self.segments.append([])
            elif (match := _NOTE.fullmatch(token)) and 0 <= _midi(match) <= 127:
                self.notes.add(_midi(match))
                self.used.append(token)
            elif token[0].isalpha() and token not in _FILLERS:
                self.unknown.append(self.tokens[at])
                negated = False
            at += 1

    def _family(self) -> tuple[str | None, tuple[str, ...]]:
        """Return the head noun's family and every family named on a par with it."""
        for segment in self.segments:
            strong = [item for item in segment if not item[0].weak] or segment
            if not strong:
                continue
            families = tuple(dict.fromkeys(meaning.family for meaning, _ in strong if meaning.family))
            if len(families) > 1 and any(beside for _, beside in strong[1:]):
                return None, families
            head = strong[0][0] if strong[0][0].spanish else strong[-1][0]
            return head.family, families
        return None, ()

    def _source(self, family: str | None) -> str | None:
        """Return the source that the most direct words agree on, None when they do not."""
        for weight in (3, 2, 1):
            found = {
                meaning.source
                for meaning in self.named
                if meaning.source_weight == weight and meaning.family in (None, family)
            }
            if found:
                return found.pop() if len(found) == 1 else None
        return None


def _as_captions(match: re.Match[str]) -> str:
    said = match.groupdict()
    if said["number"]:
        midi = int(said["number"])
        return note_name(midi) if midi <= 127 else match[0]
    if said["sharp"]:
        return f"{said['sharp'].upper()}#{said['apart']}"
    letter = (said["letter"] or said["syllable"]).lower()
    sign = _SPELLED_SIGNS[said["word"].lower()] if said["word"] else said["sign"].lower()
    return f"{_SOLFEGE.get(letter, letter.upper())}{sign}{said['octave'] or said['height']}"


def _midi(match: re.Match[str]) -> int:
    letter, accidental, octave = match.groups()
    return 12 * (int(octave) + 1) + _LETTERS[letter] + {"#": 1, "b": -1, None: 0}[accidental]


def _longest(tokens: list[str], at: int) -> tuple[int, thesaurus.Meaning | None]:
    """Length and meaning of the longest known phrase that starts at a token."""
    known = thesaurus.lookup()
    for length in range(thesaurus.longest_from().get(tokens[at], 0), 0, -1):
        words = tuple(tokens[at : at + length])
        # "horns" is known by itself; "french horns" is known as "french horn".
        meaning = known.get(words) or known.get((*words[:-1], words[-1].removesuffix("s")))
        if meaning is not None:
            return len(words), meaning
    return 0, None


@lru_cache(maxsize=4096)
def _base(token: str) -> str:
    """Return the token as the thesaurus knows it: singular, or an instrument with one letter mistyped."""
    known = thesaurus.known_tokens()
    if token in known or not token[0].isalpha() or token in _FILLERS:
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

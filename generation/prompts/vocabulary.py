"""NSynth's words, its cells, note names, and what a producer's sentence means in these words.

Sources, families and qualities stand in NSynth's index order (Engel et al. 2017, arXiv:1704.01279). Pure
Python, no third-party import: the catalogue, the prompts and the training captions all use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from generation.prompts import negation, thesaurus
from generation.prompts.notes import midi_number, plain_notes
from generation.prompts.notes import note_name as note_name
from generation.prompts.notes import parse_note as parse_note
from generation.prompts.notes import renamed_notes as renamed_notes

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

_TOKEN = re.compile(
    r"[a-g](?:#|b)?-1(?![a-z0-9])"  # a note below C0: its minus is no hyphen
    r"|[a-z]+-(?:like|ish|esque|style|type)(?![a-z])"  # "flute-like" names no flute
    r"|[a-z0-9#]+(?:'[a-z0-9#]+)*|[,;/|&+\n]|[().:!?]"
)
_ALTERNATIVES = frozenset("and or y e o u , ; / | & +".split()) | {"\n"}
_PREPOSITIONS = frozenset("with like in on of from for over through playing de del con como para en sobre".split())
_FILLERS = frozenset(
    """
    a an the some any very too much so really quite slightly bit little plenty sound sounds sounding
    note notes tone tones sample samples one shot shots oneshot instrument at by that is its s my i want
    please to me give un una unos unas el la los las lo al muy mas mucho mucha poco poca algo demasiado
    sonido sonidos nota notas tono tonos muestra instrumento que es quiero su
    but just only anything everything something all be been are were there do does did have has having need
    needs use using include including i'm im i'd i'll would could human kind type sort find search looking
    pero sino todo toda todos todas cualquier cualquiera cosa cosas algun alguna ser sea suene suena hay haya
    tiene tenga necesito usar busco dame solamente tipo humana humano humanas
    """.split()
)


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text says in NSynth's words, and nothing that it does not say.

    family is None when no family is named or several are on a par ("bass or guitar"); families has all
    of them. source is None when neither a word nor the instrument settles it. qualities are in index
    order. note is a MIDI number, None without one or with several. instruments are English names
    ("rhodes"). words_used holds the phrases understood, search-only ones too; words_unknown the rest.

    The fields that end in _excluded hold what is denied ("no reverb") in the same terms, words_excluded
    the denied phrases that settle nothing in them ("no kick drum"); what is named as well as denied is not
    excluded, unless it is a quality, which is then not claimed. wanted is the text without its denials,
    the whole text when it says nothing else.
    """

    source: str | None
    family: str | None
    qualities: tuple[str, ...]
    note: int | None
    words_used: tuple[str, ...]
    words_unknown: tuple[str, ...]
    families: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    families_excluded: tuple[str, ...] = ()
    instruments_excluded: tuple[str, ...] = ()
    sources_excluded: tuple[str, ...] = ()
    qualities_excluded: tuple[str, ...] = ()
    words_excluded: tuple[str, ...] = ()
    wanted: str = ""


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
    ("organ with choir"). What a negation denies ("no bass", "anything but bass") is not named.
    """
    shown = plain_notes(text)
    tokens = list(_TOKEN.finditer(thesaurus.plain(shown).replace("’", "'")))
    reading = _Reading([token[0] for token in tokens])
    told = reading.result()
    if not reading.denials or not (told.words_used or told.words_unknown):
        return replace(told, wanted=text)
    spans = [(tokens[first].start(), tokens[last].end()) for first, last in reading.denials]
    return replace(told, wanted=_without_spans(shown, spans))


def _without_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text without these parts, which count in its plain letters: an accent of its own has none."""
    places = [at for at, character in enumerate(text) for _ in thesaurus.plain(character)]
    kept, at = "", 0
    for start, end in spans:
        kept += text[at : places[start]]
        at = places[end - 1] + 1
    return " ".join((kept + text[at:]).split()).replace(" ,", ",").strip(" ,;")


@dataclass
class _Reading:
    """One pass over the tokens of a text, and what it has met so far; denials: first and last token of each."""

    tokens: list[str]
    segments: list[list[tuple[thesaurus.Meaning, bool]]] = field(default_factory=lambda: [[]])
    named: list[thesaurus.Meaning] = field(default_factory=list)
    denied: list[thesaurus.Meaning] = field(default_factory=list)
    notes: set[int] = field(default_factory=set)
    used: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    denials: list[tuple[int, int]] = field(default_factory=list)

    def result(self) -> Understood:
        """Read all tokens and sum up."""
        self._read()
        family, families = self._family()
        denied = {meaning.quality for meaning in self.denied if meaning.quality}
        qualities = {meaning.quality for meaning in self.named if meaning.quality} - denied
        instruments = tuple(dict.fromkeys(m.instrument for m in self.named if m.instrument))
        return Understood(
            source=self._source(family),
            family=family,
            qualities=in_order(tuple(filter(None, qualities))),
            note=self.notes.pop() if len(self.notes) == 1 else None,
            words_used=tuple(self.used),
            words_unknown=tuple(self.unknown),
            families=families,
            instruments=instruments,
            # "No rhodes" excludes no other keyboard, "no moog bass" no other synthesiser.
            families_excluded=_only_denied(
                (m.family for m in self.denied if not m.instrument), (m.family for m in self.named)
            ),
            instruments_excluded=_only_denied((m.instrument for m in self.denied), instruments),
            sources_excluded=_only_denied(
                (m.source for m in self.denied if not m.family), (m.source for m in self.named)
            ),
            qualities_excluded=in_order(tuple(filter(None, denied))),
            words_excluded=_only_denied(self.unsettled, (*self.used, *self.unknown)),
        )

    def _read(self) -> None:
        tokens = [_base(token) for token in self.tokens]
        at, beside = 0, False
        denial: int | None = None  # the token at which the denial in force began
        while at < len(tokens):
            token = tokens[at]
            length, meaning = _longest(tokens, at)
            if meaning is not None:
                self._take(" ".join(self.tokens[at : at + length]), meaning, denial, beside)
                beside = False
                at += length
                if denial is not None:
                    self.denials.append((denial, at - 1))
                    denial = at if self._goes_on(tokens, at, meaning) else None
                continue
            length, denies = negation.negation_at(tokens, at)
            if length:
                denial = at if denies and denial is None else denial
                at += length
                continue
            if token in negation.ENDINGS:
                denial = None
            if token in _ALTERNATIVES:
                beside = True
            elif token in _PREPOSITIONS:
                self.segments.append([])
            elif (note := midi_number(token)) is not None:
                if denial is None:
                    self.notes.add(note)
                    self.used.append(token)
                else:
                    self.denials.append((denial, at))
                    denial = None
            elif token[0].isalpha() and token not in _FILLERS:
                (self.unknown if denial is None else self.unsettled).append(self.tokens[at])
                if denial is not None:
                    self.denials.append((denial, at))
                    denial = None
            at += 1

    def _take(self, said: str, meaning: thesaurus.Meaning, denial: int | None, beside: bool) -> None:
        """Note what a phrase means, as named or as denied."""
        if denial is None:
            self.used.append(said)
            self.named.append(meaning)
            if meaning.family:
                self.segments[-1].append((meaning, beside))
            return
        self.denied.append(meaning)
        if not (meaning.family or meaning.source or meaning.quality):
            self.unsettled.append(said)

    @staticmethod
    def _goes_on(tokens: list[str], at: int, denied: thesaurus.Meaning) -> bool:
        """Whether the next token carries a denial on: "no reverb or distortion" denies both, "no reverb, dark" one."""
        if at >= len(tokens):
            return False
        if tokens[at] in negation.JOINS and at + 1 < len(tokens):
            joined = _longest(tokens, at + 1)[1]
            return bool(denied.family and joined is not None and joined.family)
        return tokens[at] in negation.GOES_ON

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


def _only_denied(denied: Iterable[str | None], named: Iterable[str | None]) -> tuple[str, ...]:
    """What is denied and not named too, each once."""
    kept = set(named)
    return tuple(dict.fromkeys(word for word in denied if word and word not in kept))


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

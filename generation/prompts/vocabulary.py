"""NSynth's words, its cells, note names, and what a producer's sentence means in these words.

Sources, families and qualities stand in NSynth's index order (Engel et al. 2017, arXiv:1704.01279). Pure
Python, no third-party import: the catalogue, the prompts and the training captions all use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from generation.prompts import thesaurus
from generation.prompts.denials import Denied, denied_from
from generation.prompts.english import in_english as in_english
from generation.prompts.notes import note_name as note_name
from generation.prompts.notes import parse_note as parse_note
from generation.prompts.notes import plain_notes
from generation.prompts.notes import renamed_notes as renamed_notes
from generation.prompts.phrases import ALTERNATIVES, PREPOSITIONS, Item, items
from generation.prompts.thesaurus import genders as genders
from generation.prompts.timbre import EXCLUSIVE_PAIRS as EXCLUSIVE_PAIRS
from generation.prompts.timbre import OPPOSITE as OPPOSITE

SOURCES = ("acoustic", "electronic", "synthetic")
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead",
    "vocal",
)  # fmt: skip
QUALITIES = (
    "bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic", "nonlinear_env",
    "percussive", "reverb", "tempo-synced",
)  # fmt: skip
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

# What a text cut short must not begin or end with, where a denial stood.
_LOOSE = frozenset("and y & + or but pero sino with con".split())


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text says in NSynth's words, and nothing that it does not say.

    family is None when no family is named or several are on a par ("bass or guitar"); families has all
    of them. source is None when neither a word nor the instrument settles it; says_source is whether a word
    says it ("electric violin", not "violin"). qualities are in index order. note is a MIDI number, None
    without one or with several. instruments are English names ("rhodes"). words_used holds the phrases
    understood, search-only ones too; words_unknown the rest.

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
    says_source: bool = False
    wanted: str = ""


def exclusive_pair(qualities: Sequence[str]) -> tuple[str, str] | None:
    """Return the first pair of qualities that exclude each other, None when they can all be true."""
    return next((pair for pair in EXCLUSIVE_PAIRS if pair[0] in qualities and pair[1] in qualities), None)


def in_order(qualities: Sequence[str]) -> tuple[str, ...]:
    """Each quality once, in NSynth's index order. Raises ValueError for a word that is no quality."""
    return tuple(sorted(set(qualities), key=QUALITIES.index))


def synonyms(term: str) -> tuple[str, ...]:
    """The English and Spanish words that mean this source, family, quality or instrument, the term first.

    "keyboard" gives keys and teclado, not harpsichord (see `instruments`); what is only searched for (searched.py) is
    not among them. Empty for any other word.
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
    ("organ with choir"). What a negation denies ("no bass", "anything but bass"; denials.py) is not named.
    """
    shown = plain_notes(text)
    reading = _Reading(items(thesaurus.plain(shown).replace("’", "'")))
    told = reading.result()
    if not reading.spans or not (told.words_used or told.words_unknown):
        return replace(told, wanted=text)
    return replace(told, wanted=_without_spans(shown, reading.spans))


def _without_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text without these parts, which count in its plain letters: an accent of its own has none.

    An "and", "but" or "with" that is left dangling beside a part goes too.
    """
    places = [at for at, character in enumerate(text) for _ in thesaurus.plain(character)]
    kept: list[str] = []
    at = 0
    for start, end in (*spans, (len(places), None)):
        words = text[at : places[start] if end else None].replace(",", " , ").split()
        while words and end and words[-1].casefold() in _LOOSE:
            words.pop()
        while words and at and words[0].casefold() in _LOOSE:
            words.pop(0)
        kept += words
        at = places[end - 1] + 1 if end else at
    return " ".join(kept).replace(" ,", ",").strip(" ,;")


@dataclass
class _Reading:
    """One pass over the items of a text, and what it has met so far; spans: places of the denials in the text."""

    items: list[Item]
    segments: list[list[tuple[thesaurus.Meaning, bool]]] = field(default_factory=lambda: [[]])
    named: list[thesaurus.Meaning] = field(default_factory=list)
    denied: list[Denied] = field(default_factory=list)
    notes: set[int] = field(default_factory=set)
    used: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def result(self) -> Understood:
        """Read all items and sum up."""
        self._read()
        family, families = self._family()
        words_denied = [word for phrase in self.denied for word in self._refused(phrase)]
        meanings = [word.meaning for word in words_denied if word.meaning is not None]
        denied = {meaning.quality for meaning in meanings if meaning.quality}
        qualities = {meaning.quality for meaning in self.named if meaning.quality} - denied
        instruments = tuple(dict.fromkeys(m.instrument for m in self.named if m.instrument))
        source = self._source(family)
        return Understood(
            source=source,
            family=family,
            qualities=in_order(tuple(filter(None, qualities))),
            note=self.notes.pop() if len(self.notes) == 1 else None,
            words_used=tuple(self.used),
            words_unknown=tuple(self.unknown),
            families=families,
            instruments=instruments,
            # "No rhodes" excludes no other keyboard, "no moog bass" no other synthesiser.
            families_excluded=_only_denied(
                (m.family for m in meanings if not m.instrument), (m.family for m in self.named)
            ),
            instruments_excluded=_only_denied((m.instrument for m in meanings), instruments),
            sources_excluded=_only_denied((m.source for m in meanings if not m.family), (m.source for m in self.named)),
            qualities_excluded=in_order(tuple(filter(None, denied))),
            words_excluded=_only_denied(map(_settles_nothing, words_denied), (*self.used, *self.unknown)),
            says_source=any(m.says_source for m in self.named if m.source == source),
        )

    def _read(self) -> None:
        at, beside = 0, False
        while at < len(self.items):
            item = self.items[at]
            at += 1
            if item.denies:
                found, after = denied_from(self.items, at - 1, any(self.segments))
                self.denied += found
                if found:
                    self.spans.append((item.start, self.items[after - 1].end))
                    at, beside = after, False
            elif item.meaning is not None:
                self.used.append(item.said)
                self.named.append(item.meaning)
                if item.meaning.family:
                    self.segments[-1].append((item.meaning, beside))
                beside = False
            elif item.note is not None:
                self.notes.add(item.note)
                self.used.append(item.word)
            elif item.unknown:
                self.unknown.append(item.said)
            elif item.word in ALTERNATIVES:
                beside = True
            elif item.word in PREPOSITIONS:
                self.segments.append([])

    def _refused(self, phrase: Denied) -> tuple[Item, ...]:
        """The words of a denied phrase that are excluded: its thing; how it is where that is all that is said, or
        where the thing is asked for too ("bass, no deep bass"), and then of words nobody knows only if all are."""
        if phrase.thing is not None and not (phrase.manner and self._asked_for(phrase.thing)):
            return (phrase.thing,)
        return tuple(word for word in phrase.manner if word.meaning is not None) or phrase.manner

    def _asked_for(self, thing: Item) -> bool:
        """Whether a text names a thing that it denies elsewhere."""
        meaning = thing.meaning
        if meaning is None or not (meaning.family or meaning.quality):
            return thing.said in self.used
        return any(
            (m.instrument, m.family, m.quality) == (meaning.instrument, meaning.family, meaning.quality)
            or (meaning.family is not None and not meaning.instrument and m.family == meaning.family)
            for m in self.named
        )

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


def _settles_nothing(item: Item) -> str | None:
    """A denied word as written, None where it has a meaning in NSynth's terms."""
    meaning = item.meaning
    settled = item.note is not None or (meaning and (meaning.family or meaning.source or meaning.quality))
    return None if settled else item.said


def _only_denied(denied: Iterable[str | None], named: Iterable[str | None]) -> tuple[str, ...]:
    """What is denied and not named too, each once."""
    kept = set(named)
    return tuple(dict.fromkeys(word for word in denied if word and word not in kept))

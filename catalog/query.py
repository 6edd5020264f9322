"""What a search asks for, and how far the words and the measured note of a sound answer it.

`dark bass -reverb "moog"`: plain words are wanted, a leading minus excludes, quotes demand the words as they
stand. The thesaurus gives the plain words their meaning in the library's terms, in English and Spanish, with
misspellings; what it does not know is left to full text and to the ear of the embedder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from catalog.records import SampleFilter, SampleRecord
from generation.prompts.vocabulary import EXCLUSIVE_PAIRS, Understood, note_name, understand

_TOKENS = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_ALIKE = {"“": '"', "”": '"', "„": '"', "−": "-", "–": "-"}  # what text programs make of " and -

# What a matching tag is worth, in standard deviations of the embedder's similarity: which family it is and
# which note it plays decide whether a sound can be used at all, the others how well.
FAMILY_WEIGHT, NOTE_WEIGHT, INSTRUMENT_WEIGHT, SOURCE_WEIGHT, QUALITY_WEIGHT = 3.0, 3.0, 1.5, 1.0, 1.0
SAME_PITCH_CLASS = 0.5  # credit of the right note in another octave
_OPPOSITE = {a: b for pair in EXCLUSIVE_PAIRS for a, b in (pair, pair[::-1])}


@dataclass(frozen=True)
class Query:
    """A parsed search.

    text: the wanted words, quoted ones too, as the embedder gets them. required: quoted phrases.
    excluded: words or phrases after a minus. understood: the meaning of `text`.
    """

    text: str
    required: tuple[str, ...]
    excluded: tuple[str, ...]
    understood: Understood

    @property
    def words(self) -> tuple[str, ...]:
        """Words and terms for full text: what was said, and what it means in the library's tags."""
        said = (*self.understood.words_used, *self.understood.words_unknown)
        tags = (*self.understood.families, *self.understood.qualities, *self.understood.instruments)
        source = (self.understood.source,) if self.understood.source else ()
        return tuple(dict.fromkeys((*said, *tags, *source)))


def parse_query(text: str) -> Query:
    """Split a search into wanted, required and excluded words; no text is refused."""
    for character, usual in _ALIKE.items():
        text = text.replace(character, usual)
    wanted: list[str] = []
    required: list[str] = []
    excluded: list[str] = []
    for token in _TOKENS.finditer(text):
        words = (token["word"] if token["phrase"] is None else token["phrase"]).strip()
        if not any(character.isalnum() for character in words):
            continue
        if token["minus"]:
            excluded.append(words)
            continue
        wanted.append(words)
        if token["phrase"] is not None:
            required.append(words)
    joined = " ".join(wanted)
    return Query(joined, tuple(required), tuple(excluded), understand(joined))


def agreement(query: Query, sample: SampleRecord) -> tuple[float, tuple[str, ...]]:
    """Return what a sound's tags, prompt and measured note are worth to a query, and which of them agree.

    The sum of the weights of all that the query names and the sound is, in standard deviations: half of it
    for the right note in another octave, minus it for the opposite of a quality (bright for dark). 0 when
    nothing agrees, or the query names nothing that the thesaurus knows.
    """
    asked = query.understood
    worth = 0.0
    why: list[str] = []

    def count(weight: float, credit: float, sentence: str) -> None:
        nonlocal worth
        worth += weight * credit
        if credit > 0:
            why.append(sentence)

    if asked.families:
        count(FAMILY_WEIGHT, float(sample.family in asked.families), f"family {sample.family}")
    for instrument in asked.instruments:
        named = instrument in _instruments(sample.prompt)
        count(INSTRUMENT_WEIGHT, float(named), f"asked for as {instrument}")
    if asked.note is not None:
        count(NOTE_WEIGHT, _note_credit(asked.note, sample.midi_note), f"measured note {sample.note}")
    if asked.source:
        count(SOURCE_WEIGHT, float(sample.source == asked.source), f"source {sample.source}")
    for quality in asked.qualities:
        credit = float(quality in sample.qualities) - float(_OPPOSITE.get(quality) in sample.qualities)
        count(QUALITY_WEIGHT, credit, f"quality {quality}")
    return worth, tuple(why)


def excluder(query: Query, full_text: Callable[[str], set[int]]) -> Callable[[SampleRecord], bool]:
    """Return the test whether a sound is excluded by the query's minus words and by "no" and "without".

    A word that names an instrument excludes sounds asked for as that instrument; one that names a family,
    source or quality those that have it, and those whose prompt says the word. A word that the thesaurus
    does not know excludes whatever `full_text` (phrase -> sample ids) finds it in.
    """
    tests: list[Callable[[SampleRecord], bool]] = [
        _has_quality(quality) for quality in query.understood.qualities_excluded
    ]
    tests += [_excludes(word, full_text) for word in query.excluded]
    return lambda sample: any(test(sample) for test in tests)


def _excludes(word: str, full_text: Callable[[str], set[int]]) -> Callable[[SampleRecord], bool]:
    """Return the test of one minus word."""
    meaning = understand(word)
    said = re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", re.IGNORECASE)
    note = meaning.note
    if meaning.instruments:
        named = set(meaning.instruments)
        return lambda s: bool(said.search(s.prompt)) or not named.isdisjoint(_instruments(s.prompt))
    if meaning.families or meaning.qualities or meaning.source or note is not None:
        return lambda s: (
            s.family in meaning.families
            or any(quality in s.qualities for quality in meaning.qualities)
            or (not meaning.families and meaning.source is not None and s.source == meaning.source)
            or (note is not None and s.midi_note == note)
            or bool(said.search(s.prompt))
        )
    found = full_text(word)
    return lambda s: s.id in found


def _has_quality(quality: str) -> Callable[[SampleRecord], bool]:
    return lambda sample: quality in sample.qualities


def _note_credit(asked: int, measured: int | None) -> float:
    if measured is None:
        return 0.0
    if measured == asked:
        return 1.0
    return SAME_PITCH_CLASS if measured % 12 == asked % 12 else 0.0


@cache
def _instruments(prompt: str) -> tuple[str, ...]:
    """Instruments that a prompt names; many sounds share a prompt."""
    return understand(prompt).instruments


def filter_text(where: SampleFilter) -> str:
    """Return what a filter asks for in words, for a search that has none of its own; empty without any."""
    tags = (*where.qualities, *where.sources, *where.families)
    return " ".join((*tags, *(note_name(note) for note in where.midi_notes)))

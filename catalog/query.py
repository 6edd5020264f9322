"""What a search asks for, and how far the words and the measured note of a sound answer it.

`dark bass -reverb "moog"`: plain words are wanted, a leading minus excludes, quotes demand the words as they
stand. The thesaurus gives the plain words their meaning in the library's terms, in English and Spanish, with
misspellings, and leanings.py says what the words lean to that it leaves open; what neither knows is left to
full text and to the ear of the embedder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from catalog.leanings import LEANING, balance, leanings, spelled_out
from catalog.records import SampleFilter, SampleRecord
from catalog.registers import asked_register
from generation.prompts.vocabulary import EMPTY_CELLS, OPPOSITE, Understood, in_english, note_name, understand

_TOKENS = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_ALIKE = {"“": '"', "”": '"', "„": '"', "−": "-", "–": "-"}  # what text programs make of " and -

# What a matching tag is worth, in standard deviations of the embedder's similarity: which family it is and
# which note it plays decide whether a sound can be used at all, the others how well. A note makes no guitar the bass
# that was asked for: it counts within the named families only, and everywhere where none is named.
FAMILY_WEIGHT, NOTE_WEIGHT, INSTRUMENT_WEIGHT, SOURCE_WEIGHT, QUALITY_WEIGHT = 3.0, 3.0, 1.5, 1.0, 1.0
SAID_SOURCE_WEIGHT = 2.0  # of a source that a word says: a violin is acoustic only by habit, a synth violin is not
SAME_PITCH_CLASS = 0.5  # credit of the right note in another octave
# Credit by semitones away: a sampler retunes these unheard, but until then they are out of tune.
NEAR_NOTE = {1: 0.4, 2: 0.25}


@dataclass(frozen=True)
class Query:
    """A parsed search.

    text: the wanted words, quoted ones too and denied ones ("no bass") not, as the embedder gets them; all
    words when they do nothing but deny. required: quoted phrases. excluded: words or phrases after a minus.
    understood: what all of it but the excluded words means.
    """

    text: str
    required: tuple[str, ...]
    excluded: tuple[str, ...]
    understood: Understood

    @property
    def words(self) -> tuple[str, ...]:
        """Words and terms for full text: what was said, in English, and what it means in the library's tags.

        A Spanish word stays beside its English where tags do not say it, for a prompt may.
        """
        said = _said(self.understood)
        english = _said(understand(in_english(self.text))) if said else ()
        asked = self.understood
        tags = (*asked.families, *asked.qualities, *asked.instruments, *((asked.source,) if asked.source else ()))
        untold = tuple(word for word in said if not _names(understand(word)))
        return tuple(dict.fromkeys((*english, *untold, *tags)))

    @property
    def heard(self) -> tuple[str, ...]:
        """What the embedder gets, one text or two that count alike: the wanted words in English, and, where some only
        lean to a quality, the same with that quality ("distorted synth" for an aggressive one): the ear of a small
        embedder makes nothing of such words. What is denied or excluded is no such quality."""
        english = in_english(self.text)
        excluded = {quality for word in self.excluded for quality in understand(word).qualities}
        wanted = replace(
            understand(english),  # of the wanted words, which do not say what is denied
            qualities_excluded=(*self.understood.qualities_excluded, *sorted(excluded)),
            words_excluded=self.understood.words_excluded,
        )
        return tuple(dict.fromkeys((english, spelled_out(english, leanings(wanted)))))

    @property
    def register(self) -> int:
        """-1 where low notes are asked for, 1 where high ones are, else 0: as where the note is named, or the query
        does nothing but deny."""
        if self.understood.note is not None or not _said(self.understood):
            return 0
        return asked_register(self.text)

    @property
    def length(self) -> int:
        """-1 where short sounds are asked for, by name or by what words lean to, 1 where long ones are, else 0."""
        leant = {quality for one in leanings(self.understood) for quality in one.towards}
        wanted = {*self.understood.qualities, *leant}
        return ("long_release" in wanted) - ("fast_decay" in wanted)

    @property
    def names_families(self) -> bool:
        """Whether a word names families or leans to some."""
        return bool(self.understood.families) or any(one.families for one in leanings(self.understood))

    def is_of_source(self, sample: SampleRecord) -> bool:
        """Whether a sound is of the source that is named; a synthesiser's brass, of which NSynth knows none, counts as
        electronic."""
        source = self.understood.source
        if source == "synthetic" and (source, sample.family) in EMPTY_CELLS:
            return sample.source in ("synthetic", "electronic")
        return source == sample.source

    @property
    def settles(self) -> bool:
        """Whether a word names or leans to anything that sounds have, or nothing but denies."""
        asked = self.understood
        denied = (*asked.families_excluded, *asked.instruments_excluded, *asked.sources_excluded)
        only_denies = not self.words and bool((*denied, *asked.qualities_excluded, *asked.words_excluded))
        return _names(asked) or bool(leanings(asked)) or bool(self.register) or only_denies


def _said(meaning: Understood) -> tuple[str, ...]:
    return (*meaning.words_used, *meaning.words_unknown)


def _names(meaning: Understood) -> bool:
    """Whether words name anything that the tags or the measured note of a sound can be."""
    named = (*meaning.families, *meaning.qualities, *meaning.instruments)
    return bool(named or meaning.source or meaning.note is not None)


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
    understood = understand(" ".join(wanted))
    return Query(understood.wanted, tuple(required), tuple(excluded), understood)


def agreement(query: Query, sample: SampleRecord) -> tuple[float, tuple[str, ...]]:
    """Return what a sound's tags, prompt and measured note are worth to a query, and which of them agree.

    The sum of the weights of all that the query names and the sound is, in standard deviations: half of it
    for the right note in another octave, less for a note beside it, none for a note of a family that was not asked
    for, minus it for the opposite of a quality (bright for dark), and the part LEANING of it, each once, for what
    its words only lean to or away from. 0 when nothing agrees, or the query names nothing that the thesaurus knows.
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
    if asked.note is not None and sample.family in (asked.families or (sample.family,)):
        apart = None if sample.midi_note is None else abs(sample.midi_note - asked.note)
        beside = (
            f", {apart} semitone{'s' if apart == 2 else ''} from {note_name(asked.note)}" if apart in NEAR_NOTE else ""
        )
        count(NOTE_WEIGHT, _note_credit(apart), f"measured note {sample.note}{beside}")
    if asked.source:
        weight = SAID_SOURCE_WEIGHT if asked.says_source else SOURCE_WEIGHT
        count(weight, float(query.is_of_source(sample)), f"source {sample.source}")
    for quality in asked.qualities:
        credit = float(quality in sample.qualities) - float(OPPOSITE.get(quality) in sample.qualities)
        count(QUALITY_WEIGHT, credit, f"quality {quality}")
    leaned, reasons = _leaned(asked, sample)
    return worth + leaned, (*why, *reasons)


def _leaned(asked: Understood, sample: SampleRecord) -> tuple[float, tuple[str, ...]]:
    """What the leanings of a query's words are worth for a sound, and which of them it answers."""
    open_ones = leanings(asked)
    family, qualities = balance(open_ones, sample)
    had = set(sample.qualities)
    why = []
    for one in open_ones:
        answered = [word for word in (sample.family, *sample.qualities) if word in (*one.families, *one.towards)]
        if answered:
            why.append(f"{one.said} leans to {', '.join(answered)}")
        elif one.opposite and had.isdisjoint(one.away):
            why.append(f"{one.said} leans away from {', '.join(one.away)}")
    return LEANING * (FAMILY_WEIGHT * family + QUALITY_WEIGHT * qualities), tuple(why)


def contradicts(query: Query) -> Callable[[SampleRecord], bool]:
    """Return the test whether a sound is not what the query says.

    That is another family than the named one (of "bell piano" the piano's), another source than a word says (a
    violin is acoustic only by habit), another note than the named one, the opposite of a quality ("bright" for
    dark), and what the leanings of the words point away from ("pad" from a plucked guitar). A query that says none
    of these contradicts nothing.
    """
    asked = query.understood
    families = (asked.family,) if asked.family else asked.families
    opposite = {OPPOSITE.get(quality) for quality in asked.qualities} - set(asked.qualities)
    return lambda s: (
        (bool(families) and s.family not in families)
        or (asked.says_source and s.source is not None and not query.is_of_source(s))
        or (asked.note is not None and s.midi_note != asked.note)
        or not opposite.isdisjoint(s.qualities)
        or _pointed_away(asked, s)
    )


def _pointed_away(asked: Understood, sample: SampleRecord) -> bool:
    """Whether leanings speak against a sound, or nothing speaks for it where something must.

    Something must where leanings are all that a query says, and where they lean to families: one of these, a
    quality leant to, or, where the families give way ("ambient"), a quality that the query names.
    """
    open_ones = leanings(asked)
    if not open_ones:
        return False
    family, qualities = balance(open_ones, sample)
    if qualities != 0 or family:
        return qualities < 0
    if any(one.families and not one.weak for one in open_ones):
        return True
    named = asked.families or asked.source or asked.note is not None
    must = any(one.families for one in open_ones) or not (named or asked.qualities)
    return must and set(asked.qualities).isdisjoint(sample.qualities)


def excluder(query: Query, full_text: Callable[[str], set[int]]) -> Callable[[SampleRecord], bool]:
    """Return the test whether a sound is excluded by the query's minus words and by what it denies ("no bass").

    A word that names an instrument excludes sounds asked for as that instrument; one that names a family,
    source or quality those that have it, and, after a minus, those whose prompt says the word. A word that the
    thesaurus does not know excludes whatever `full_text` (phrase -> sample ids) finds it in.
    """
    tests = [_excludes(word, full_text) for word in query.excluded]
    tests.append(_denies(query.understood, [full_text(word) for word in query.understood.words_excluded]))
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


def _denies(asked: Understood, found: list[set[int]]) -> Callable[[SampleRecord], bool]:
    """Return the test of what a query denies; found are the sounds with each denied word that settles nothing."""
    instruments, qualities = set(asked.instruments_excluded), set(asked.qualities_excluded)
    return lambda s: (
        s.family in asked.families_excluded
        or (s.source is not None and s.source in asked.sources_excluded)
        or not qualities.isdisjoint(s.qualities)
        or (bool(instruments) and not instruments.isdisjoint(_instruments(s.prompt)))
        or any(s.id in ids for ids in found)
    )


def _note_credit(semitones: int | None) -> float:
    if semitones is None:
        return 0.0
    if semitones == 0:
        return 1.0
    return SAME_PITCH_CLASS if semitones % 12 == 0 else NEAR_NOTE.get(semitones, 0.0)


@cache
def _instruments(prompt: str) -> tuple[str, ...]:
    """Instruments that a prompt names; many sounds share a prompt."""
    return understand(prompt).instruments


def filter_text(where: SampleFilter) -> str:
    """Return what a filter asks for in words, for a search that has none of its own; empty without any."""
    tags = (*where.qualities, *where.sources, *where.families)
    return " ".join((*tags, *(note_name(note) for note in where.midi_notes)))

"""Captions: a sound's tags as text, in NSynth's words or as a sentence a producer would type.

The tag caption is the one of the thesis (source, qualities in index order, family), with an optional
note. The plain caption says the same in the thesaurus' words; whatever it says, `vocabulary.understand`
reads the same tags back, so a caption never claims more than the labels do.
"""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeVar

from generation.prompts import thesaurus
from generation.prompts.vocabulary import in_order, note_name, understand

Language = Literal["en", "es"]
T = TypeVar("T")

# Nouns for a sound of which only the family is known; the first is the plainest.
_NOUNS: dict[str, tuple[str, ...]] = {
    "bass": ("bass",),
    "brass": ("brass", "brass section"),
    "flute": ("flute",),
    "guitar": ("guitar",),
    "keyboard": ("keyboard", "keys"),
    "mallet": ("mallet", "mallet percussion", "tuned percussion"),
    "organ": ("organ",),
    "reed": ("reed", "reed instrument"),
    "string": ("strings", "string"),
    "synth_lead": ("synth lead", "lead synth", "lead"),
    "vocal": ("vocal", "voice"),
}
_PHRASE_SHARE = 0.3
"""How often a quality is said after "with" and not as an adjective."""


def tag_caption(source: str | None, qualities: Sequence[str], family: str, note: int | None = None) -> str:
    """NSynth's words: "synthetic distortion fast_decay keyboard", with ", A1" when a note (MIDI) is given.

    The qualities come in index order whatever their order here; a missing source is left out.
    """
    words = [*filter(None, [source]), *in_order(qualities), family]
    return " ".join(words) + ("" if note is None else f", {note_name(note)}")


def plain_caption(
    source: str | None,
    qualities: Sequence[str],
    family: str,
    note: int | None = None,
    rng: random.Random | None = None,
    instrument: str | None = None,
    language: Language = "en",
) -> str:
    """Say the tags in a producer's words: "a warm, plucked electric guitar with reverb, A1".

    Without `rng` the wording is always the same; with it, words, order and form are drawn. `instrument`
    ("rhodes", "muted nylon guitar") takes the family's place where it fits the tags; an unknown name stands
    before the family's word. `language` "es" writes Spanish ("bajo eléctrico cálido con reverberación").
    Raises ConfigError for a note outside 0 to 127.
    """
    labels = in_order(qualities)
    build = _spanish if language == "es" else _english
    for name in _names(instrument, family, labels, language, rng):
        said = understand(name[0]).qualities
        caption = build(source, tuple(q for q in labels if q not in said), name, note, rng)
        if _tags(caption) == (source, family, labels, note):
            return caption
    return tag_caption(source, labels, family, note)


def misspelled(caption: str, rng: random.Random) -> str:
    """Write one word of a caption as people mistype it, so that it still reads the same.

    Gives the caption itself when no typo of its words is known.
    """
    typos = [
        caption[: match.start()] + wrong + caption[match.end() :]
        for right, wrong in _typos()
        if (match := re.search(rf"(?<!\w){re.escape(right)}(?!\w)", caption, re.IGNORECASE))
    ]
    rng.shuffle(typos)
    return next((typo for typo in typos if _tags(typo) == _tags(caption)), caption)


def _tags(caption: str) -> tuple[str | None, str | None, tuple[str, ...], int | None]:
    told = understand(caption)
    return told.source, told.family, told.qualities, told.note


@cache
def _typos() -> tuple[tuple[str, str], ...]:
    """Every (right word, misspelling) of the thesaurus; the right word is the term's word nearest to it."""
    return tuple(
        (difflib.get_close_matches(wrong, entry.words(), n=1, cutoff=0)[0], wrong)
        for entry in thesaurus.entries()
        for wrong in entry.misspelled
    )


def _pick(options: Sequence[T], rng: random.Random | None) -> T:
    return options[0] if rng is None else rng.choice(options)


def _names(
    instrument: str | None, family: str, labels: tuple[str, ...], language: Language,
    rng: random.Random | None,
) -> list[tuple[str, bool]]:  # fmt: skip
    """Nouns to try for the sound, best first, each with whether it is feminine (Spanish)."""
    generic = thesaurus.entry(family)
    if generic is None:
        raise ValueError(f"{family} has no line in the instrument table")
    plain = (generic.spanish[0][0], generic.feminine) if language == "es" else (_NOUNS[family][0], False)
    names: list[tuple[str, bool]] = []
    if instrument:
        names += _instrument_names(instrument, family, labels, language, rng)
        if understand(instrument).family is None:
            words = (plain[0], instrument) if language == "es" else (instrument, plain[0])
            names.append((" ".join(words), plain[1]))
    if language == "en":
        names.append((_pick(_NOUNS[family], rng), False))
    return [*names, plain]


def _instrument_names(
    instrument: str, family: str, labels: tuple[str, ...], language: Language,
    rng: random.Random | None,
) -> list[tuple[str, bool]]:  # fmt: skip
    """Names for an instrument whose words the thesaurus knows, none when it belongs to another family."""
    told = understand(instrument)
    itself = thesaurus.entry(instrument)
    known = [itself] if itself else [thesaurus.entry(name) for name in told.instruments[-1:]]
    entries = [entry for entry in known if entry and entry.meaning.family == family]
    if language == "es":
        return [(entry.spanish[0][0], entry.feminine) for entry in entries if entry.spanish]
    names = [(word, False) for entry in entries for word in (_pick(entry.english, rng), entry.english[0])]
    # A name may promise a quality this note does not have ("mellow piano"): its plain part stays.
    if itself is None and told.family == family and set(told.qualities) <= set(labels):
        names.insert(0, (instrument, False))
    return names


def _words(labels: tuple[str, ...], rng: random.Random | None, spanish: bool) -> tuple[list[str], list[str]]:
    """Split the qualities into adjectives ("cálido/a" in Spanish) and phrases that follow "with"."""
    adjectives, phrases = [], []
    for quality in labels:
        entry = thesaurus.entry(quality)
        if entry is None:
            raise ValueError(f"{quality} has no line in the quality table")
        if rng is not None and rng.random() < _PHRASE_SHARE:
            phrases.append(_pick(entry.spanish_phrases if spanish else entry.phrases, rng))
        elif spanish:
            adjectives.append("/".join(_pick(entry.spanish, rng)))
        else:
            adjectives.append(_pick(entry.english, rng))
    return adjectives, phrases


def _source_word(source: str | None, noun: str, rng: random.Random | None, feminine: bool | None) -> str:
    """Return the word for the source, empty when the noun says it already; `feminine` None is English."""
    entry = thesaurus.entry(source) if source else None
    if entry is None or understand(noun).source == source:
        return ""
    return _pick(entry.english, rng) if feminine is None else _pick(entry.spanish, rng)[feminine]


def _english(
    source: str | None, labels: tuple[str, ...], name: tuple[str, bool], note: int | None,
    rng: random.Random | None,
) -> str:  # fmt: skip
    adjectives, phrases = _words(labels, rng, spanish=False)
    noun = " ".join(filter(None, [_source_word(source, name[0], rng, None), name[0]]))
    tail = f" with {' and '.join(phrases)}" if phrases else ""
    form = 0 if rng is None else rng.randrange(4)
    if form == 3 and adjectives:  # "synth bass, dark and plucked, with reverb"
        text = f"{noun}, {' and '.join(adjectives)}{',' if tail else ''}{tail}"
    elif form == 2:  # "dark plucked synth bass with reverb"
        text = " ".join([*adjectives, noun]) + tail
    else:
        text = " ".join(filter(None, [", ".join(adjectives), noun])) + (" sound" if form == 1 else "") + tail
        # "strings" and "tubular bells" take no article, "bass" does.
        plural = noun.endswith("s") and not noun.endswith("ss")
        text = text if plural else f"{_article(text)} {text}"
    ending = _pick((", {}", " at {}", " playing {}"), rng)
    return text + ("" if note is None else ending.format(note_name(note)))


def _article(text: str) -> str:
    """Return "a" or "an", by sound: an organ, an 808, a ukulele, a euphonium."""
    sounds_open = text[0].lower() in "aeiou8" and not text.lower().startswith(("uk", "eu"))
    return "an" if sounds_open else "a"


def _spanish(
    source: str | None, labels: tuple[str, ...], name: tuple[str, bool], note: int | None,
    rng: random.Random | None,
) -> str:  # fmt: skip
    noun, feminine = name
    adjectives, phrases = _words(labels, rng, spanish=True)
    agreed = [forms.split("/")[feminine] for forms in adjectives]
    described = " y ".join(filter(None, [", ".join(agreed[:-1]), *agreed[-1:]]))
    text = " ".join(filter(None, [noun, _source_word(source, noun, rng, feminine), described]))
    if phrases:
        text += f" con {' y '.join(phrases)}"
    return text + ("" if note is None else f", {note_name(note)}")

"""What the starter CLIP and CLAP are told of a note, and which other notes that is true of.

A caption claims only what its words say, so it can be true of several notes of a batch. The loss must know
which, or it would push a flute away from the words "a flute".
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generation.corpus.nsynth import Note
from generation.prompts.captions import misspelled, plain_caption, tag_caption
from generation.prompts.vocabulary import (
    FAMILIES,
    QUALITIES,
    SOURCES,
    instruments,
    misspellings,
    note_name,
    synonyms,
)
from generation.training.playing_styles import STYLES, style_word, styles_of

_SAYS_STYLE = 0.25
_LOWEST_NOTE, _HIGHEST_NOTE = 21, 108


@dataclass(frozen=True, slots=True)
class Shares:
    """How often a caption mentions what is known, and how it says it; probabilities.

    quality: for each quality by itself. tags: in NSynth's words and not in plain language. instrument, spanish and
    misspelled: of the captions in plain language.
    """

    source: float = 0.7
    quality: float = 0.7
    note: float = 0.15
    instrument: float = 0.3
    tags: float = 0.4
    spanish: float = 0.15
    misspelled: float = 0.1


DEFAULT_SHARES = Shares()


@dataclass(frozen=True)
class Claim:
    """A caption and what it says; None and () mean that it does not say."""

    text: str
    family: str | None = None
    source: str | None = None
    qualities: tuple[str, ...] = ()
    pitch: int | None = None
    instrument: str | None = None
    styles: tuple[str, ...] = ()

    def holds_for(self, note: Note) -> bool:
        """Whether everything that is said is true of the note."""
        return (
            self.family in (None, note.family)
            and self.source in (None, note.source)
            and self.pitch in (None, note.pitch)
            and self.instrument in (None, note.instrument_name)
            and set(self.qualities) <= set(note.qualities)
            and set(self.styles) <= styles_of(note)
        )


def claim_about(note: Note, rng: random.Random, shares: Shares = DEFAULT_SHARES) -> Claim:
    """One caption of a note; what it mentions and how is drawn anew each time."""
    qualities = tuple(quality for quality in note.qualities if rng.random() < shares.quality)
    source = note.source if rng.random() < shares.source else None
    pitch = note.pitch if rng.random() < shares.note else None
    if rng.random() < shares.tags:
        text = tag_caption(source, qualities, note.family, pitch)
        return Claim(text, note.family, source, qualities, pitch)
    instrument = note.instrument_name if rng.random() < shares.instrument else None
    if rng.random() < shares.spanish:
        text = plain_caption(source, qualities, note.family, pitch, rng, instrument, language="es")
    else:
        text = plain_caption(source, qualities, note.family, pitch, rng, instrument)
    if rng.random() < shares.misspelled:
        text = misspelled(text, rng)
    return Claim(text, note.family, source, qualities, pitch, instrument)


def styled(claim: Claim, note: Note, rng: random.Random) -> Claim:
    """The claim with words for how the note is played before it, each style now and then."""
    styles = tuple(style for style in sorted(styles_of(note)) if rng.random() < _SAYS_STYLE)
    text = " ".join([*(style_word(style, rng) for style in styles), claim.text])
    return replace(claim, text=text, styles=styles)


def single_words(rng: random.Random) -> list[Claim]:
    """One claim for every family, source and quality alone, in any word that means it."""
    claims = [Claim(_any_name(family, rng), family=family) for family in FAMILIES]
    claims += [Claim(rng.choice(synonyms(source)), source=source) for source in SOURCES]
    claims += [Claim(rng.choice(synonyms(quality)), qualities=(quality,)) for quality in QUALITIES]
    return claims


def truth(claims: Sequence[Claim], notes: Sequence[Note]) -> Tensor:
    """Which claim is true of which note: bool [claims, notes]."""
    return torch.tensor([[claim.holds_for(note) for note in notes] for claim in claims])


def known_texts(notes: Sequence[Note]) -> list[str]:
    """Texts whose words a tokenizer must know: the thesaurus, note names, and captions of `notes`."""
    names = [name for family in FAMILIES for name in instruments(family)]
    texts = [note.instrument_name or "" for note in notes]
    for term in (*SOURCES, *FAMILIES, *QUALITIES, *names):
        texts += [*synonyms(term), *misspellings(term)]
    texts += [word for style in STYLES.values() for word in style.words]
    texts += [note_name(pitch) for pitch in range(_LOWEST_NOTE, _HIGHEST_NOTE + 1)]
    rng = random.Random(0)
    return texts + [claim_about(note, rng).text for note in notes]


def _any_name(family: str, rng: random.Random) -> str:
    """A word for the family itself, or for an instrument of it, which the corpus need not hold."""
    if rng.random() < 0.5:
        return rng.choice(synonyms(family))
    name = rng.choice(instruments(family))
    return rng.choice((*synonyms(name), *misspellings(name)) or (name,))

"""What the starter CLAP is told of a note: sentences in producers' words, and which other notes they are true of.

A caption claims only what its words say: family or instrument, perhaps source, qualities, playing style, note. It is
then true of every note of the batch for which all claims hold, not just of the one it was written for; the
contrastive loss needs to know that, or it would push a flute away from the words "a flute".
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from generation.corpus.nsynth import Note
from generation.prompts.captions import misspelled, plain_caption, tag_caption
from generation.prompts.vocabulary import (
    FAMILIES, QUALITIES, SOURCES, instruments, misspellings, note_name, synonyms, understand,
)  # fmt: skip

# How a note is played: words for it, the families in which it always holds, and instruments named for it.
STYLES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "plucked": (
        ("plucked", "picked", "finger plucked", "pulsado", "punteado"), ("guitar",),
        ("pizzicato", "harp", "harpsichord", "upright bass", "picked", "slap", "fingered", "koto", "kalimba"),
    ),
    "bowed": (
        ("bowed", "arco", "con arco", "frotado"), (),
        ("violin", "viola", "cello", "fiddle", "bowed", "double basses", "double bass section", "slow strings"),
    ),
    "blown": (("blown", "wind", "breathy", "soplado", "viento"), ("brass", "flute", "reed"), ()),
    "struck": (
        ("struck", "hit", "hammered", "percutido", "golpeado"), ("mallet",),
        ("piano", "hammered"),
    ),
    "sung": (("sung", "choral", "vocal", "cantado"), ("vocal",), ()),
    "pizzicato": (("pizzicato", "pizz", "pizzicatto"), (), ("pizzicato",)),
    "tremolo": (("tremolo", "tremulous", "trémolo"), (), ("tremolo",)),
    "muted": (("muted", "palm muted", "damped", "con sordina", "apagado"), (), ("muted", "damped", "palm muted", "stopped")),
    "slapped": (("slap", "slapped", "popped"), (), ("slap", "popped")),
    "section": (("section", "ensemble", "orchestral", "sección", "conjunto"), (), ("section", "ensemble", "strings", "basses")),
}  # fmt: skip
STYLE_NAMES = tuple(STYLES)
_FRAMES = ("{}", "{}", "{}", "a {}", "the sound of a {}", "{} one-shot", "{} sample", "single {} note", "a recording of a {}", "un {}", "sonido de {}")
_SLIPS = 0.06
_MISSPELLED = 0.1
_SPANISH = 0.2


@dataclass(frozen=True, eq=False)
class Facts:
    """Labels of notes as tensors, one row a note; -1 and False mean "not known"."""

    family: torch.Tensor
    source: torch.Tensor
    pitch: torch.Tensor
    instrument: torch.Tensor
    qualities: torch.Tensor
    styles: torch.Tensor

    def rows(self, chosen: torch.Tensor) -> Facts:
        """The labels of some notes."""
        return Facts(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Claim:
    """A sentence and what it says; None and empty mean "not said"."""

    text: str
    family: int | None = None
    source: int | None = None
    pitch: int | None = None
    instrument: int | None = None
    qualities: tuple[int, ...] = ()
    styles: tuple[int, ...] = ()


def styles_of(note: Note) -> tuple[int, ...]:
    """Playing styles that hold for a note by its family or by its instrument's name."""
    name = note.instrument_name or ""
    blocked = "bowed" in name or "tremolo" in name
    return tuple(
        index
        for index, (_, families, names) in enumerate(STYLES.values())
        if note.family in families or (any(word in name for word in names) and not (STYLE_NAMES[index] == "plucked" and blocked))
    )


def truth(claims: Sequence[Claim], facts: Facts) -> torch.Tensor:
    """Which claim is wholly true of which note. Returns bool [claims, notes]."""
    out = torch.ones(len(claims), len(facts.family), dtype=torch.bool)
    for row, claim in zip(out, claims, strict=True):
        for name in ("family", "source", "pitch", "instrument"):
            said = getattr(claim, name)
            if said is not None:
                row &= getattr(facts, name) == said
        for quality in claim.qualities:
            row &= facts.qualities[:, quality]
        for style in claim.styles:
            row &= facts.styles[:, style]
    return out


class CaptionWriter:
    """Writes claims about the notes of a corpus; randomness comes from the generator passed in."""

    def __init__(self, notes: Sequence[Note]) -> None:
        """Number the instruments' names and gather the labels."""
        self.notes = notes
        names = sorted({note.instrument_name for note in notes if note.instrument_name})
        self._number = {name: i for i, name in enumerate(names)}
        self.facts = Facts(
            family=torch.tensor([FAMILIES.index(note.family) for note in notes]),
            source=torch.tensor([SOURCES.index(note.source) for note in notes]),
            pitch=torch.tensor([note.pitch for note in notes]),
            instrument=torch.tensor([self._number.get(note.instrument_name or "", -1) for note in notes]),
            qualities=torch.tensor([[q in note.qualities for q in QUALITIES] for note in notes]),
            styles=torch.tensor([[i in styles_of(note) for i in range(len(STYLES))] for note in notes]),
        )

    def about(self, index: int, rng: random.Random) -> Claim:
        """One sentence about a note; what it mentions is drawn anew each time."""
        note = self.notes[index]
        said = tuple(q for q in note.qualities if rng.random() < 0.6)
        source = note.source if rng.random() < 0.45 else None
        pitch = note.pitch if rng.random() < 0.2 else None
        named = note.instrument_name if note.instrument_name and rng.random() < 0.45 else None
        styles = tuple(s for s in styles_of(note) if rng.random() < 0.3)
        if rng.random() < 0.12:
            source = note.source
            named, styles = None, ()
            text = tag_caption(note.source, said, note.family, pitch)
        else:
            spanish = rng.random() < _SPANISH
            text = plain_caption(source, said, note.family, pitch, rng, named, "es" if spanish else "en")
            # The caption may have fallen back to the family's word; then it claims no instrument.
            named = named if named and (named in text or understand(text).instruments) else None
            if styles:
                text = f"{' '.join(rng.choice(STYLES[STYLE_NAMES[s]][0]) for s in styles)} {text}"
        if rng.random() < _MISSPELLED:
            text = misspelled(text, rng)
        return Claim(
            slip(text, rng), FAMILIES.index(note.family), SOURCES.index(source) if source else None, pitch,
            self._number[named] if named else None, tuple(QUALITIES.index(q) for q in said), styles,
        )  # fmt: skip

    def family_words(self, rng: random.Random) -> list[Claim]:
        """One sentence for each family by itself, by any of its names or of its instruments' names."""
        return [
            Claim(slip(rng.choice(_FRAMES).format(self._family_name(family, rng)), rng), number)
            for number, family in enumerate(FAMILIES)
        ]

    def quality_words(self, rng: random.Random) -> list[Claim]:
        """One sentence for each quality by itself."""
        frames = ("a {} sound", "{}", "{} tone", "sonido {}", "something {}", "very {}")
        return [
            Claim(slip(rng.choice(frames).format(rng.choice(synonyms(quality))), rng), qualities=(number,))
            for number, quality in enumerate(QUALITIES)
        ]

    def _family_name(self, family: str, rng: random.Random) -> str:
        draw = rng.random()
        if draw < 0.45:
            return rng.choice(synonyms(family))
        if draw < 0.55 and misspellings(family):
            return rng.choice(misspellings(family))
        # An instrument that the corpus may not hold still belongs to its family: its name must lead there.
        name = rng.choice(instruments(family))
        return rng.choice((*synonyms(name), *misspellings(name)) or (name,))


def slip(text: str, rng: random.Random) -> str:
    """Mistype one letter of a long word now and then: a swap, a loss or a doubling."""
    if rng.random() > _SLIPS:
        return text
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return text
    place = rng.choice(long)
    word, at = words[place], rng.randrange(1, len(words[place]) - 1)
    words[place] = rng.choice((word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]))
    return " ".join(words)


def all_words() -> list[str]:
    """Every name that the tokenizer must know well: terms, synonyms, instruments, notes."""
    terms = [*SOURCES, *FAMILIES, *QUALITIES]
    names = [name for family in FAMILIES for name in instruments(family)]
    words = [word for term in (*terms, *names) for word in (*synonyms(term), *misspellings(term))]
    return [*words, *(note_name(midi) for midi in range(21, 109)), *(w for words_, _, _ in STYLES.values() for w in words_)]

"""How an instrument is played, in the words producers use for it; what holds by its family or by its very name.

Only styles that are sure are given: a guitar is plucked and a trombone blown whatever the note, a "pizzicato" preset
is pizzicato. "Tremolo" as an effect, or a soft attack, is nothing that a label of ours knows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from generation.corpus.nsynth import Note


@dataclass(frozen=True, slots=True)
class Style:
    """Words for a style, the families in which it always holds, and parts of instrument names that mean it."""

    words: tuple[str, ...]
    families: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    not_names: tuple[str, ...] = ()


STYLES: dict[str, Style] = {
    "plucked": Style(
        ("plucked", "picked", "finger plucked", "pulsado", "punteado"), ("guitar",),
        ("pizzicato", "harp", "upright bass", "picked", "slap", "fingered", "kalimba"), ("bowed", "tremolo"),
    ),
    "bowed": Style(
        ("bowed", "arco", "con arco", "frotado"), (),
        ("violin", "viola", "cello", "fiddle", "bowed", "double basses", "double bass section", "slow strings"),
        ("pizzicato",),
    ),
    "blown": Style(("blown", "wind", "breathy", "soplado", "viento"), ("brass", "flute", "reed")),
    "struck": Style(("struck", "hit", "hammered", "percutido", "golpeado"), ("mallet",), ("piano", "hammered")),
    "sung": Style(("sung", "choral", "cantado"), ("vocal",)),
    "pizzicato": Style(("pizzicato", "pizz", "pizzicatto"), (), ("pizzicato",)),
    "tremolo": Style(
        ("tremolo", "tremulous", "trémolo"), (),
        ("tremolo strings", "tremolo violins", "tremolo cellos", "tremolo double"),
    ),
    "muted": Style(("muted", "palm muted", "damped", "con sordina"), (), ("muted", "damped", "stopped")),
    "slapped": Style(("slap", "slapped", "popped"), (), ("slap", "popped")),
    "section": Style(
        ("section", "ensemble", "orchestral", "sección", "conjunto"), (), ("section", "ensemble", "slow strings")
    ),
}  # fmt: skip


def styles_of(note: Note) -> frozenset[str]:
    """The styles that surely hold for a note."""
    return _styles(note.family, note.instrument_name or "")


@lru_cache(maxsize=4096)
def _styles(family: str, name: str) -> frozenset[str]:
    return frozenset(
        style
        for style, facts in STYLES.items()
        if (family in facts.families or any(part in name for part in facts.names))
        and not any(part in name for part in facts.not_names)
    )


def style_word(style: str, rng: random.Random) -> str:
    """One of the words for a style."""
    return rng.choice(STYLES[style].words)

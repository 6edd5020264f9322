"""What a denoising network is told of a sound: a caption drawn anew each time it is seen, now and then none.

A caption that leaves things out teaches that what is not asked for is free; an empty one is what guidance compares
with (Ho and Salimans 2022, arXiv 2207.12598, algorithm 1).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from generation.corpus.nsynth import Note
from generation.prompts.captions import plain_caption, tag_caption
from generation.strict_yaml import StrictModel
from generation.training.sampling import step_rng

_BETWEEN_NOTES = " and "


class CaptionSettings(StrictModel):
    """How captions are worded; the shares are probabilities.

    style: tags, the thesis' literal words (source, qualities in index order, family, never a note), or drawn,
    worded by the shares below.
    plain_share: of captions in plain language, the others are tags.
    note_share: of captions that name the note ("synthetic dark bass, A2").
    quality_share: by which each quality of a note is said.
    source_share: of captions that say the source.
    instrument_share: of plain captions that name the instrument ("jazz guitar") where the corpus knows it.
    """

    style: Literal["tags", "drawn"] = "drawn"
    plain_share: float = Field(default=0.5, ge=0, le=1)
    note_share: float = Field(default=0.7, ge=0, le=1)
    quality_share: float = Field(default=0.8, ge=0, le=1)
    source_share: float = Field(default=0.9, ge=0, le=1)
    instrument_share: float = Field(default=0.2, ge=0, le=1)


def draw_captions(
    items: Sequence[tuple[Note, ...]], settings: CaptionSettings, dropout: float, seed: int, index: int
) -> list[str]:
    """Captions of the items of batch `index`, equal for equal (seed, index).

    Args:
        items: one note each, or the notes of a mixture, whose captions are joined by "and".
        settings: how to word them.
        dropout: probability of an empty caption instead.
        seed, index: of the run and of its batch.
    """
    # The items of a batch are drawn by the seed itself.
    rng = random.Random(int(step_rng(seed + 1, index).integers(2**62)))
    captions = []
    for notes in items:
        dropped = rng.random() < dropout
        worded = _BETWEEN_NOTES.join(_drawn(note, settings, rng) for note in notes)
        captions.append("" if dropped else worded)
    return captions


def full_caption(notes: Sequence[Note], settings: CaptionSettings) -> str:
    """The caption by which an item is validated, always the same: all tags, and the note where captions name one."""
    names_note = settings.style == "drawn" and settings.note_share > 0
    return _BETWEEN_NOTES.join(
        tag_caption(note.source, note.qualities, note.family, note.pitch if names_note else None) for note in notes
    )


def _drawn(note: Note, settings: CaptionSettings, rng: random.Random) -> str:
    if settings.style == "tags":
        return tag_caption(note.source, note.qualities, note.family)
    qualities = tuple(quality for quality in note.qualities if rng.random() < settings.quality_share)
    source = note.source if rng.random() < settings.source_share else None
    pitch = note.pitch if rng.random() < settings.note_share else None
    if rng.random() >= settings.plain_share:
        return tag_caption(source, qualities, note.family, pitch)
    instrument = note.instrument_name if rng.random() < settings.instrument_share else None
    return plain_caption(source, qualities, note.family, pitch, rng, instrument)

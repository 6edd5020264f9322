"""Captions as people type them: flats for sharps, the note first, a slip of the keys; and notes alone."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import HIGHEST_NOTE, LOWEST_NOTE, note_name
from generation.training.claims import Claim, Shares, claim_about, styled

_FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
# Of the captions with a note, and of those notes that have a flat name; of all captions.
_NOTE_FIRST, _AS_FLAT, _SLIPS = 0.15, 0.3, 0.05
_TYPED_WORD = re.compile(r"[a-z]{5,}")


def note_names(pitch: int) -> tuple[str, ...]:
    """Every name of a MIDI note, the common one first: ("A#1", "Bb1"), ("A1",)."""
    name = note_name(pitch)
    flat = _FLATS.get(name[:2])
    return (name, flat + name[2:]) if flat else (name,)


def typed_claim(note: Note, rng: random.Random, shares: Shares) -> Claim:
    """One caption of a note with its playing styles, spelled as somebody might."""
    note_first = rng.random() < shares.note * _NOTE_FIRST
    claim = claim_about(note, rng, replace(shares, note=0.0) if note_first else shares)
    claim = styled(claim, note, rng)
    if note_first:
        claim = replace(claim, text=f"{note_name(note.pitch)} {claim.text}", pitch=note.pitch)
    if claim.pitch is not None and rng.random() < _AS_FLAT:
        claim = replace(claim, text=claim.text.replace(note_name(note.pitch), note_names(note.pitch)[-1]))
    return replace(claim, text=_slipped(claim.text, rng)) if rng.random() < _SLIPS else claim


def notes_alone(rng: random.Random, count: int) -> list[Claim]:
    """Claims that only name a note, drawn from the whole range, whether or not the corpus holds it."""
    pitches = [rng.randint(LOWEST_NOTE, HIGHEST_NOTE) for _ in range(count)]
    return [Claim(rng.choice(note_names(pitch)), pitch=pitch) for pitch in pitches]


def _slipped(text: str, rng: random.Random) -> str:
    """Drop, double or swap one letter, not the first, of a word of five or more."""
    words = list(_TYPED_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    slips = (text[at + 1 :], 2 * text[at] + text[at + 1 :], text[at + 1] + text[at] + text[at + 2 :])
    return text[:at] + rng.choice(slips)

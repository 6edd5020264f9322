"""Captions spelled as people type them: still true of their note, flats and note-first among them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import HIGHEST_NOTE, LOWEST_NOTE, parse_note, understand
from generation.training.caption_spellings import note_names, notes_alone, typed_claim
from generation.training.claims import Shares

NOTE = Note("n", "i", "bass", "synthetic", 34, 100, ("dark", "reverb"), 16000, Path("none"), "acid bass")


def test_every_name_of_a_note_reads_back() -> None:
    for pitch in range(LOWEST_NOTE, HIGHEST_NOTE + 1):
        assert {parse_note(name) for name in note_names(pitch)} == {pitch}
    assert note_names(34) == ("A#1", "Bb1") and note_names(33) == ("A1",)


def test_claims_are_true_and_say_the_note_that_they_claim() -> None:
    rng = random.Random(0)
    claims = [typed_claim(NOTE, rng, Shares(note=0.6)) for _ in range(400)]
    assert all(claim.holds_for(NOTE) for claim in claims)
    assert all(understand(claim.text).note == claim.pitch for claim in claims)
    named = [claim for claim in claims if claim.pitch is not None]
    assert len(named) / len(claims) == pytest.approx(0.6, abs=0.08)
    assert any("Bb1" in claim.text for claim in named) and any("A#1" in claim.text for claim in named)
    assert any(claim.text.startswith("A#1 ") for claim in named)
    # A slip of the keys hides a word now and then, no more.
    assert sum(understand(claim.text).family == "bass" for claim in claims) > 360


def test_no_share_of_notes_names_none() -> None:
    rng = random.Random(1)
    assert all(typed_claim(NOTE, rng, Shares(note=0.0)).pitch is None for _ in range(50))


def test_notes_alone_reach_over_the_range() -> None:
    claims = notes_alone(random.Random(2), 400)
    assert all(understand(claim.text).note == claim.pitch for claim in claims)
    assert min(claim.pitch or 0 for claim in claims) < 24 and max(claim.pitch or 0 for claim in claims) > 105

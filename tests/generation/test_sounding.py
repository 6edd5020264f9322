"""The octave between key and sound: found when the notes agree, 0 when they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generation.corpus.render import render_instrument
from generation.corpus.roster import instruments
from generation.corpus.sounding import octave_offset_semitones
from tests.generation.tones import plucked

KEYS = (45, 52, 60, 66, 72)


@pytest.mark.parametrize("offset", [-24, -12, 0, 12, 24])
def test_an_octave_that_all_notes_show_is_found(offset: int) -> None:
    assert octave_offset_semitones(KEYS, [plucked(key + offset) for key in KEYS]) == offset


def test_one_note_that_is_misread_moves_nothing() -> None:
    waves = [plucked(key) for key in KEYS[:-1]] + [plucked(KEYS[-1] - 12)]
    assert octave_offset_semitones(KEYS, waves) == 0


def test_another_interval_than_octaves_is_no_offset() -> None:
    assert octave_offset_semitones(KEYS, [plucked(key - 7) for key in KEYS]) == 0


def test_noise_and_too_few_notes_say_nothing() -> None:
    noise = [np.random.default_rng(seed).standard_normal(16_000) for seed in KEYS]
    assert octave_offset_semitones(KEYS, noise) == 0
    assert octave_offset_semitones(KEYS[:3], [plucked(key - 12) for key in KEYS[:3]]) == 0


@pytest.mark.parametrize(("name", "lower"), [("rock organ", True), ("harpsichord", False)])
def test_a_rendered_instrument_is_labelled_by_what_sounds(
    soundfont: Path, tmp_path: Path, name: str, lower: bool
) -> None:
    chosen = next(one for one in instruments([soundfont]) if one.name == name)
    (tmp_path / "audio").mkdir()
    examples, _ = render_instrument(chosen, 2, tmp_path, {})
    lowest_key = chosen.span[0]
    assert (min(row["pitch"] for row in examples.values()) < lowest_key - 6) is lower

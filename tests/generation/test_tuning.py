"""Tuning: what is a little off its note is moved onto it, what is far off or unasked stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.audio import Clip
from generation.errors import AudioError
from generation.finish import FinishSettings, finish
from generation.tuning import finish_in_tune
from tests.generation.tones import RATE_HZ, clip, plucked, steady

SETTINGS = FinishSettings()


@settings(max_examples=20, deadline=None)
@given(note=st.integers(45, 76), off=st.floats(-1.9, 1.9), rate_hz=st.sampled_from([RATE_HZ, 44_100]))
def test_a_sound_near_its_note_comes_out_at_it(note: int, off: float, rate_hz: int) -> None:
    raw = clip(plucked(note + off, rate_hz=rate_hz), rate_hz=rate_hz)
    tuned, facts = finish_in_tune(raw, SETTINGS, note)
    assert facts.midi_note == note and facts.cents == pytest.approx(0, abs=6)
    assert facts.tuned_cents == pytest.approx(-100 * off, abs=8)
    assert tuned.sample_rate_hz == rate_hz and np.abs(tuned.samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


@pytest.mark.parametrize(
    ("off", "asked", "limit"),
    [(2.6, 57, 2.0), (12.0, 57, 2.0), (0.8, None, 2.0), (0.8, 57, 0.0), (0.03, 57, 2.0)],
)  # fmt: skip
def test_what_is_far_off_unasked_or_in_tune_stays_as_it_is(off: float, asked: int | None, limit: float) -> None:
    raw = clip(plucked(57 + off))
    plain = FinishSettings(tune_semitones=limit)
    kept, facts = finish_in_tune(raw, plain, asked)
    assert np.array_equal(kept.samples, finish(raw, plain).samples)
    assert facts.tuned_cents == 0.0


def test_channels_move_together_and_sources_stay() -> None:
    left, right = plucked(57.7), 0.5 * steady(57.7)
    raw = Clip(np.stack([left, right]).astype(np.float32), RATE_HZ, ("note_1",))
    tuned, facts = finish_in_tune(raw, SETTINGS, 57)
    assert tuned.channels == 2 and tuned.sources == ("note_1",) and facts.midi_note == 57
    assert np.abs(tuned.samples[0]).max() == pytest.approx(2 * np.abs(tuned.samples[1]).max(), rel=0.05)


def test_a_sound_without_a_pitch_stays_as_it_is() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ) * np.exp(-np.arange(RATE_HZ) / 3000)
    kept, facts = finish_in_tune(clip(0.1 * noise), SETTINGS, 57)
    assert facts.tuned_cents == 0.0 and np.array_equal(kept.samples, finish(clip(0.1 * noise)).samples)


def test_silence_is_refused_as_by_finish() -> None:
    with pytest.raises(AudioError, match="silent"):
        finish_in_tune(clip(np.zeros(RATE_HZ)), SETTINGS, 57)

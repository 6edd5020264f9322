"""Finishing: what comes out is a one-shot, whatever fault the raw clip had that finishing can mend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.errors import AudioError
from generation.finish import FinishSettings, finish
from tests.generation.tones import RATE_HZ, clip, plucked, steady

SETTINGS = FinishSettings()


@settings(max_examples=30, deadline=None)
@given(
    late_s=st.floats(0, 0.4),
    level=st.floats(1e-3, 5.0),
    offset=st.floats(-0.05, 0.05),
    channels=st.sampled_from([1, 2]),
)
def test_a_finished_sound_begins_at_once_ends_quietly_and_has_the_asked_peak(
    late_s: float, level: float, offset: float, channels: int
) -> None:
    wave = level * (np.concatenate([np.zeros(round(late_s * RATE_HZ)), plucked()]) + offset)
    done = finish(clip(*[wave] * channels))
    assert done.samples.dtype == np.float32 and done.channels == channels and done.sample_rate_hz == RATE_HZ
    assert 20 * np.log10(np.abs(done.samples).max()) == pytest.approx(SETTINGS.peak_dbfs, abs=0.01)
    assert done.samples[:, 0] == pytest.approx(0, abs=1e-6) and np.abs(done.samples[:, -1]).max() < 0.01
    if abs(offset) < 0.001:
        early = np.abs(done.samples[0, : round(0.01 * RATE_HZ)]).max()
        assert early > 0.2, "the attack comes within 10 ms"


def test_the_tail_is_cut_where_nothing_is_left() -> None:
    long = np.concatenate([plucked(seconds=2.0, decay_s=0.1), np.zeros(RATE_HZ)])
    assert finish(clip(long)).duration_s == pytest.approx(0.1 * np.log(1000), abs=0.1)


def test_a_sound_that_is_cut_off_is_faded_out() -> None:
    done = finish(clip(steady()))
    tail = np.abs(done.samples[0, -round(0.005 * RATE_HZ) :]).max()
    assert tail < 0.1 * np.abs(done.samples).max()
    assert done.duration_s > 0.98


def test_stereo_keeps_its_balance_and_its_channels_their_places() -> None:
    done = finish(clip(plucked(), 0.25 * plucked()))
    assert np.abs(done.samples[1]).max() / np.abs(done.samples[0]).max() == pytest.approx(0.25, rel=1e-3)


def test_finishing_twice_changes_nothing_that_can_be_heard() -> None:
    once = finish(clip(plucked()))
    twice = finish(once)
    assert abs(twice.duration_s - once.duration_s) < 0.03
    assert np.abs(twice.samples[0, 200:8000] - once.samples[0, 200:8000]).max() < 0.01


def test_sources_and_the_given_clip_stay() -> None:
    raw = clip(plucked())
    before = raw.samples.copy()
    finish(raw)
    assert np.array_equal(raw.samples, before)


@pytest.mark.parametrize("wave", [np.zeros(100), np.array([0.1, np.nan]), np.array([np.inf, 0.0])])
def test_what_cannot_be_finished_is_refused(wave: np.ndarray) -> None:
    with pytest.raises(AudioError):
        finish(clip(wave))

"""A quality word of the rendered corpus is true: pushes do what they say, measurements find what is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.corpus import qualities
from generation.corpus.roster import seeded
from generation.prompts.vocabulary import EXCLUSIVE_PAIRS, QUALITIES

RATE_HZ = 16_000
T = np.arange(4 * RATE_HZ) / RATE_HZ


def _held_note(pitch_hz: float = 220.0, attack_s: float = 0.03) -> np.ndarray:
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * T) / k for k in range(1, 26) if pitch_hz * k < 7_500)
    return 0.2 * wave * np.minimum(1, T / attack_s) * np.where(T > 3, np.exp(-(T - 3) / 0.05), 1.0)


def _words(*pushes: str) -> tuple[str, ...]:
    rng = seeded("test", *pushes)
    wave = qualities.apply(_held_note(), pushes, _held_note(330.0), RATE_HZ, rng)
    return qualities.words(qualities.measure(wave, RATE_HZ), pushes, ())


def test_a_plain_held_note_has_no_quality() -> None:
    assert _words() == ()


def test_a_stroke_makes_a_plucked_note_percussive_and_a_held_one_at_least_more_so() -> None:
    plucked = _held_note(attack_s=0.004) * np.exp(-T / 0.25)
    for note, is_one in ((plucked, True), (_held_note(), False)):
        struck = qualities.apply(note, ("percussive",), None, RATE_HZ, seeded("test"))
        before, after = qualities.measure(note, RATE_HZ), qualities.measure(struck, RATE_HZ)
        assert after.transient_db > before.transient_db + 2
        assert ("percussive" in qualities.words(after, ("percussive",), ())) is is_one, "the measurement decides"


@pytest.mark.parametrize("push", ["bright", "dark", "fast_decay", "long_release"])
def test_a_measured_word_is_found_after_its_push(push: str) -> None:
    assert push in _words(push)


@pytest.mark.parametrize("push", qualities.CONSTRUCTED)
def test_a_constructed_effect_changes_the_sound_and_keeps_its_peak(push: str) -> None:
    plain = _held_note()
    changed = qualities.apply(plain, (push,), _held_note(330.0), RATE_HZ, seeded("test", push))
    assert np.max(np.abs(changed)) == pytest.approx(np.max(np.abs(plain)))
    assert np.sqrt(np.mean((changed - plain) ** 2)) > 0.1 * np.sqrt(np.mean(plain**2))
    assert push in _words(push)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_pushes_never_exclude_each_other(seed: int) -> None:
    pushes = qualities.choose(np.random.default_rng(seed), plain_share=0.0)
    assert len(pushes) <= 3
    assert not any(a in pushes and b in pushes for a, b in EXCLUSIVE_PAIRS)


@settings(max_examples=100, deadline=None)
@given(st.floats(-80, 0), st.floats(-90, 0), st.floats(-140, 0), st.floats(-20, 30), st.floats(0, 1))
def test_measured_words_never_exclude_each_other_and_keep_index_order(
    high_db: float, at_1500_ms_db: float, release_db: float, transient_db: float, attack_s: float
) -> None:
    levels = qualities.Levels(high_db, at_1500_ms_db, release_db, transient_db, attack_s)
    words = qualities.words(levels, ("reverb",), ("distortion",))
    assert not any(a in words and b in words for a, b in EXCLUSIVE_PAIRS)
    assert list(words) == sorted(words, key=QUALITIES.index)
    assert {"reverb", "distortion"} <= set(words)

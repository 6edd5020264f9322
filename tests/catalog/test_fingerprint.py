"""Fingerprints: the same note again is like itself, whatever happens to it on the way; another note is not."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.fingerprint import BANDS, STRETCHES, fingerprint, likeness, nearest
from generation.audio import Clip, resample
from generation.finish import finish
from tests.flows.toy_night import RATE_HZ, tone

NOTES = [finish(tone(pitch, 1.5)) for pitch in range(40, 80, 3)]
BANK = np.stack([fingerprint(clip).levels for clip in NOTES])


def changed(clip: Clip, samples: np.ndarray) -> Clip:
    return finish(Clip(np.ascontiguousarray(samples, np.float32), clip.sample_rate_hz))


def quantised(wave: np.ndarray) -> np.ndarray:
    return np.round(wave * 128) / 128


REPEATS = {
    "unchanged": lambda clip: clip,
    "softer": lambda clip: changed(clip, 0.05 * clip.samples),
    "in 8 bits": lambda clip: changed(clip, quantised(clip.samples)),
    "without its first 10 ms": lambda clip: changed(clip, clip.samples[:, 160:]),
    "cut to half a second": lambda clip: changed(clip, clip.samples[:, :8_000]),
    "20 cents up": lambda clip: changed(clip, resample(Clip(clip.samples, 16_186), RATE_HZ).samples),
    "at 44.1 kHz in stereo": lambda clip: resample(Clip(np.repeat(clip.samples, 2, axis=0), RATE_HZ), 44_100),
    "with its phases turned": lambda clip: changed(clip, -clip.samples),
}


@pytest.mark.parametrize("kind", REPEATS)
def test_a_note_that_comes_back_is_found_and_very_like_itself(kind):
    for row in (0, 5, 13):
        found, alike = nearest(REPEATS[kind](NOTES[row]), BANK)
        assert found == row
        assert alike > 0.9


def test_a_note_three_semitones_away_is_far_from_a_copy():
    others = np.delete(BANK, 5, axis=0)
    assert nearest(NOTES[5], others)[1] < 0.6


def test_a_note_of_another_colour_at_the_same_pitch_is_no_copy():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    pure = Clip((0.5 * np.sin(2 * np.pi * 440 * 2 ** ((55 - 69) / 12) * time_s)).astype(np.float32)[None], RATE_HZ)
    assert nearest(finish(pure), BANK)[1] < 0.8


def test_likeness_is_1_for_equal_0_for_nothing_in_common_and_for_silence():
    reading = fingerprint(NOTES[0])
    assert reading.levels.shape == (STRETCHES, BANDS) and reading.levels.max() == 15
    silence = fingerprint(Clip(np.zeros((1, RATE_HZ), np.float32), RATE_HZ))
    assert not silence.levels.any()
    one, other = np.zeros_like(reading.levels), np.zeros_like(reading.levels)
    one[:, 3], other[:, 50] = 15, 15
    bank = np.stack([reading.levels, one, other, silence.levels])
    assert likeness(reading, bank)[0] == 1.0
    assert likeness(type(reading)(one, reading.lasts), bank)[1:].tolist() == [1.0, 0.0, 0.0]
    assert likeness(silence, bank).tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_very_short_sound_has_a_fingerprint():
    click = Clip(np.ones((1, 40), np.float32), RATE_HZ)
    assert fingerprint(click).lasts.tolist() == [True, False, False, False, False]

"""Facts of clips: planted faults are measured as they are, known tones are described as they are."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.descriptors import raw_facts, sound_facts
from tests.generation.tones import RATE_HZ, clip, plucked, steady

SILENCE = np.zeros(RATE_HZ)


# -------------------- raw


def test_a_clean_note_has_no_fault() -> None:
    facts = raw_facts(clip(plucked()))
    assert (facts.finite, facts.silent, facts.clicks, facts.clipped_share) == (True, False, 0, 0.0)
    assert facts.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert facts.dc_offset is not None and facts.dc_offset < 0.01
    assert facts.onset_s is not None and facts.onset_s < 0.005


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number_is_enough(bad: float) -> None:
    wave = plucked()
    wave[1234] = bad
    facts = raw_facts(clip(wave))
    assert not facts.finite and facts.peak_dbfs is None
    json.dumps(asdict(facts), allow_nan=False)


@pytest.mark.parametrize(("level", "silent"), [(0.0, True), (1e-5, True), (2e-4, False)])
def test_silence_is_a_peak_below_80_db(level: float, silent: bool) -> None:
    assert raw_facts(clip(level * plucked(peak=1.0))).silent is silent
    json.dumps(asdict(raw_facts(clip(level * plucked()))), allow_nan=False)


@pytest.mark.parametrize("turned_down", [1.0, 0.25])
def test_clipping_is_found_at_any_level(turned_down: float) -> None:
    cut = np.clip(4 * steady(), -1, 1) * turned_down
    share = raw_facts(clip(cut)).clipped_share
    assert share is not None and share > 0.3
    assert raw_facts(clip(3 * plucked())).clipped_share == 0.0, "loud is not clipped"


def test_an_offset_is_told_as_a_share_of_the_peak() -> None:
    facts = raw_facts(clip(steady(peak=0.4) + 0.1))
    assert facts.dc_offset == pytest.approx(0.1 / 0.5, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(
    place=st.floats(0.1, 0.9),
    height=st.floats(0.9, 1.5),
    sign=st.sampled_from([-1, 1]),
    note=st.integers(36, 72),
    hold=st.booleans(),
)
def test_a_displaced_sample_is_a_click(place: float, height: float, sign: int, note: int, hold: bool) -> None:
    wave = steady(note) if hold else plucked(note)
    assert raw_facts(clip(wave)).clicks == 0
    wave[round(place * len(wave))] += sign * height * 0.5
    assert raw_facts(clip(wave)).clicks == 1


def test_two_clicks_near_each_other_do_not_hide_each_other() -> None:
    wave = steady()
    wave[[8000, 8400]] += 0.4
    assert raw_facts(clip(wave)).clicks == 2


def test_the_pulses_of_a_buzzing_sound_are_no_clicks() -> None:
    wave = steady(40, peak=0.3)
    wave[:: round(RATE_HZ / 82.4)] += 0.3
    assert raw_facts(clip(wave)).clicks == 0


def test_a_drum_stroke_is_no_click() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    snare = np.random.default_rng(0).standard_normal(RATE_HZ) * np.exp(-time_s / 0.06)
    late = np.concatenate([1e-4 * np.random.default_rng(1).standard_normal(2000), snare / 4])
    assert raw_facts(clip(late)).clicks == 0


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.5])
def test_the_onset_is_where_the_sound_begins(late_s: float) -> None:
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(round(late_s * RATE_HZ))
    facts = raw_facts(clip(np.concatenate([hiss, plucked()])))
    assert facts.onset_s == pytest.approx(late_s, abs=0.004)


def test_the_worse_channel_counts_and_the_louder_one_is_heard() -> None:
    left = plucked()
    right = 0.1 * plucked()
    right[9000] += 0.3
    facts = raw_facts(clip(left, right))
    assert facts.clicks == 1
    assert sound_facts(clip(left, -left)).midi_note == 57, "channels that cancel still have a note"


@pytest.mark.parametrize("length", [1, 2, 7, 100, 400])
def test_the_shortest_sounds_are_measured_without_an_error(length: int) -> None:
    short = clip(0.5 * np.ones(length))
    raw_facts(short)
    json.dumps(asdict(sound_facts(short)), allow_nan=False)


# -------------------- finished


@pytest.mark.parametrize("note", [28, 40, 57, 69, 84, 100])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_the_note_of_a_tone(note: int, rate_hz: int) -> None:
    facts = sound_facts(clip(plucked(note + 0.2, rate_hz=rate_hz), rate_hz=rate_hz))
    assert facts.midi_note == note
    assert facts.cents == pytest.approx(20, abs=4)
    assert facts.pitch_confidence > 0.9


def test_noise_has_no_note() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ) / 5
    facts = sound_facts(clip(noise))
    assert facts.midi_note is None and facts.cents is None and facts.pitch_confidence < 0.3


def test_a_silent_tail_does_not_change_the_note() -> None:
    assert sound_facts(clip(np.concatenate([plucked(), np.zeros(3 * RATE_HZ)]))).midi_note == 57


def test_loudness_is_that_of_the_standard() -> None:
    # ITU-R BS.1770-4: a full-scale 997 Hz sine in one channel reads -3.01 LUFS.
    time_s = np.arange(4 * 48_000) / 48_000
    sine = np.sin(2 * np.pi * 997 * time_s)
    assert sound_facts(clip(sine, rate_hz=48_000)).lufs == pytest.approx(-3.01, abs=0.05)
    assert sound_facts(clip(sine[:4800], rate_hz=48_000)).lufs is not None, "shorter than one block"
    assert sound_facts(clip(SILENCE)).lufs is None


def test_attack_and_decay() -> None:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    slow = np.clip(time_s / 0.5, 0, 1) * np.exp(-np.maximum(time_s - 0.5, 0) / 0.2) * np.sin(2 * np.pi * 220 * time_s)
    facts = sound_facts(clip(slow))
    assert facts.attack_s == pytest.approx(0.4, abs=0.03)  # from 10 % to 90 % of a straight rise over 0.5 s
    assert facts.decay_s == pytest.approx(0.2 * np.log(10), abs=0.03)
    assert sound_facts(clip(steady())).decay_s is None, "a sound that ends loud never decayed"
    assert sound_facts(clip(plucked())).attack_s == pytest.approx(0.006, abs=0.006)


def test_a_held_note_has_risen_before_its_highest_ripple() -> None:
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    ripple = 1 + 0.2 * np.sin(2 * np.pi * 0.3 * time_s - 2)  # 3.5 dB, highest after two seconds
    held = np.clip(time_s / 0.03, 0, 1) * ripple * np.sin(2 * np.pi * 220 * time_s) / 3
    assert sound_facts(clip(held)).attack_s == pytest.approx(0.027, abs=0.015)
    for rise_s in (0.02, 0.3, 1.2, 2.0):
        swell = np.clip(time_s / rise_s, 0, 1) * np.sin(2 * np.pi * 220 * time_s)
        assert sound_facts(clip(swell)).attack_s == pytest.approx(0.8 * rise_s, rel=0.05, abs=0.012)


def test_a_sound_that_fades_and_returns_starts_anew_each_time() -> None:
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 220 * time_s) / 3
    pulsing = tone * 10 ** (-20 * (1 - np.cos(2 * np.pi * 1.5 * time_s)) / 2 / 20)  # 20 dB down, 1.5 times a second
    assert sound_facts(clip(pulsing)).onsets >= 4
    tremolo = tone * 10 ** (-6 * (1 - np.cos(2 * np.pi * 5 * time_s)) / 2 / 20)  # 6 dB down
    assert sound_facts(clip(tremolo)).onsets == 1


def test_bandwidth_and_centroid() -> None:
    facts = sound_facts(clip(steady(69)))
    assert facts.centroid_hz == pytest.approx(440, abs=20)
    assert facts.bandwidth_hz is not None and facts.bandwidth_hz < 1_000
    noise = np.random.default_rng(0).standard_normal(RATE_HZ) / 5
    assert sound_facts(clip(noise)).bandwidth_hz == pytest.approx(8_000, abs=20)


@pytest.mark.parametrize("later", [57, 60, 69])
@pytest.mark.parametrize("at_s", [0.2, 0.5, 0.8])
def test_a_second_note_is_a_second_onset(later: int, at_s: float) -> None:
    wave = plucked(seconds=1.5)
    start = round(at_s * RATE_HZ)
    wave[start:] += plucked(later, seconds=1.5)[: len(wave) - start]
    assert sound_facts(clip(wave)).onsets == 2
    assert sound_facts(clip(plucked(seconds=1.5))).onsets == 1


def test_vibrato_and_a_slow_swell_start_no_note() -> None:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    vibrato = np.sin(2 * np.pi * 220 * time_s + 0.3 * np.sin(2 * np.pi * 5 * time_s)) * np.clip(time_s / 0.05, 0, 1)
    swell = np.sin(2 * np.pi * 220 * time_s) * (0.05 + np.clip(time_s / 1.5, 0, 1))
    assert sound_facts(clip(vibrato / 2)).onsets == 1
    assert sound_facts(clip(swell / 2)).onsets == 1

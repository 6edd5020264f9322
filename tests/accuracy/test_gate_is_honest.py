"""The shipped gate lets real one-shots pass, and rejects every kind of planted fault for the right reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog.gate import Verdict, gate
from flows.judging import read_judging
from generation.audio import Clip, resample
from generation.codecs.varispeed import varispeed
from generation.descriptors import raw_facts, sound_facts
from generation.finish import finish
from tests.accuracy.real_oneshots import OneShot, every_oneshot

pytestmark = pytest.mark.slow
JUDGING = read_judging("default")
RATE_HZ = 16_000
PLANTED_IN = 160  # one-shots that each kind of fault is planted in


def judge(raw: Clip, qualities: tuple[str, ...] = (), note: int | None = None) -> Verdict:
    facts = raw_facts(raw)
    sound = sound_facts(finish(raw, JUDGING.finish)) if facts.finite and not facts.silent else None
    return gate(facts, sound, qualities, JUDGING.gate, note)


def codes(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons}


def test_real_one_shots_pass(oneshots: Path) -> None:
    sounds = every_oneshot(oneshots)
    verdicts = [judge(sound.clip(), sound.qualities, sound.midi_pitch if sound.agreed else None) for sound in sounds]
    passed = sum(verdict.accepted for verdict in verdicts) / len(sounds)
    why = Counter(code for verdict in verdicts for code in codes(verdict))
    print(f"{100 * passed:.1f} % of {len(sounds)} real one-shots pass; rejected for {dict(why)}")
    assert len(sounds) > 500
    assert passed >= 0.95


# Each takes a mono wave float64 [n] at 16 kHz with its peak at 0.5, and randomness, and plants one fault.
Plant = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def with_nan(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    wave[rng.integers(len(wave))] = np.nan
    return wave


def silenced(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return wave * 10 ** (rng.uniform(-120, -62) / 20)


def clipped(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(wave * rng.uniform(4, 10), -1, 1)


def off_centre(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return wave + rng.choice([-1, 1]) * rng.uniform(0.02, 0.3)


def clicking(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    wave[round(rng.uniform(0.1, 0.8) * len(wave))] += rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
    return wave


def late(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([np.zeros(round(rng.uniform(0.3, 0.8) * RATE_HZ)), wave])


def cut_short(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return wave[: round(rng.uniform(0.01, 0.04) * RATE_HZ)]


FAULTS: dict[str, tuple[Plant, str]] = {
    "NaN": (with_nan, "not_finite"),
    "silence": (silenced, "silence"),
    "clipping": (clipped, "clipping"),
    "offset": (off_centre, "dc_offset"),
    "click": (clicking, "clicks"),
    "late start": (late, "late_start"),
    "cut short": (cut_short, "too_short"),
}


def drawn(oneshots: Path, seed: int) -> list[OneShot]:
    """Some one-shots, those left out that the gate rejects untouched: a fault is planted in sound ones."""
    sounds = every_oneshot(oneshots)
    order = np.random.default_rng(seed).permutation(len(sounds))
    chosen = (sounds[i] for i in order)
    return [sound for sound, _ in zip((s for s in chosen if judge(s.clip()).accepted), range(PLANTED_IN), strict=False)]


def wave_of(sound: OneShot) -> np.ndarray:
    wave = resample(sound.clip(), RATE_HZ).mono().astype(np.float64)
    return 0.5 * wave / np.abs(wave).max()


def as_clip(wave: np.ndarray) -> Clip:
    return Clip(wave.astype(np.float32)[None], RATE_HZ)


def report(kind: str, found: list[bool]) -> None:
    share = sum(found) / len(found)
    print(f"{kind}: {100 * share:.1f} % of {len(found)} rejected for the right reason")
    assert share >= 0.95


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_rejected_for_the_right_reason(oneshots: Path, kind: str) -> None:
    plant, code = FAULTS[kind]
    rng = np.random.default_rng(7)
    sounds = drawn(oneshots, seed=1)
    report(kind, [code in codes(judge(as_clip(plant(wave_of(sound), rng)))) for sound in sounds])


def test_a_second_note_is_rejected_as_several_onsets(oneshots: Path) -> None:
    rng = np.random.default_rng(8)
    sounds = drawn(oneshots, seed=2)
    found = []
    for sound, other in zip(sounds, sounds[1:] + sounds[:1], strict=True):
        first, second = wave_of(sound), wave_of(other)
        cut = round(rng.uniform(0.3, 0.7) * min(len(first), 2 * RATE_HZ))
        found.append("several_onsets" in codes(judge(as_clip(np.concatenate([first[:cut], second])))))
    report("second note", found)


def test_a_note_that_was_not_asked_for_is_rejected(oneshots: Path) -> None:
    rng = np.random.default_rng(9)
    found = []
    for sound in (sound for sound in drawn(oneshots, seed=3) if sound.agreed):
        semitones = float(rng.choice([-1, 1]) * rng.uniform(1.0, 7.0))
        moved = varispeed(wave_of(sound).astype(np.float32), semitones, RATE_HZ)
        found.append("wrong_note" in codes(judge(as_clip(moved), note=sound.midi_pitch)))
    report("wrong note", found)


def test_noise_is_rejected_where_a_note_was_asked_for(oneshots: Path) -> None:
    """Half a second of noise in the colour of each sound, smoothed over 1.6 kHz so that no partial is left in it."""
    rng = np.random.default_rng(10)
    found = []
    for sound in drawn(oneshots, seed=4):
        wave = wave_of(sound)
        shaped = np.abs(np.fft.rfft(wave[: RATE_HZ // 2] * np.hanning(min(len(wave), RATE_HZ // 2))))
        smooth = np.convolve(shaped, np.ones(800) / 800, "same")
        noise = np.fft.irfft(smooth * np.exp(2j * np.pi * rng.random(len(smooth))))
        noise = 0.5 * noise / np.abs(noise).max()
        found.append("no_note" in codes(judge(as_clip(noise), note=sound.midi_pitch)))
    report("no note", found)

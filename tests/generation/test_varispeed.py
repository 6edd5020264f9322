"""Varispeed: the pitch to a cent, the length by the same ratio, no click at the end."""

from __future__ import annotations

import numpy as np
import pytest

from generation.codecs.varispeed import varispeed

RATE_HZ = 16000


def frequency_hz(wave: np.ndarray) -> float:
    """Frequency of a sine from the turn of its phase between two windows 0.25 s apart."""
    n, gap = 4000, 4000
    window = np.hanning(n)
    bins = np.fft.rfftfreq(n, 1 / RATE_HZ)
    first, second = (np.fft.rfft(window * wave[start : start + n]) for start in (1000, 1000 + gap))
    k = int(np.abs(first).argmax())
    turned = np.angle(second[k] / first[k]) / (2 * np.pi)
    rough = bins[k] * gap / RATE_HZ
    return float((round(rough - turned) + turned) * RATE_HZ / gap)


@pytest.mark.parametrize("semitones", [-2, -1, 1, 2, 0.37])
def test_moves_the_pitch_within_a_cent_and_the_length_with_it(semitones: float) -> None:
    wave = np.sin(2 * np.pi * 441.3 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    moved = varispeed(wave, semitones, RATE_HZ)
    cents = 1200 * np.log2(frequency_hz(moved) / 441.3) - 100 * semitones
    assert abs(cents) < 1.0
    assert len(moved) == pytest.approx(RATE_HZ / 2 ** (semitones / 12), abs=2)
    assert moved.dtype == np.float32


def test_ends_in_silence() -> None:
    moved = varispeed(np.ones(RATE_HZ, np.float32), 2, RATE_HZ)
    assert moved[-1] == 0.0 and abs(moved[len(moved) // 2] - 1.0) < 1e-3
    assert np.abs(np.diff(moved[-200:])).max() < 0.02

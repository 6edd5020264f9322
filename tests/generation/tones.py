"""Small sounds with known facts, for the tests of what measures and finishes sounds."""

from __future__ import annotations

import numpy as np

from generation.audio import Clip

RATE_HZ = 16_000


def hz(midi_note: float) -> float:
    return 440.0 * 2 ** ((midi_note - 69) / 12)


def plucked(
    midi_note: float = 57.0,
    seconds: float = 1.0,
    rate_hz: int = RATE_HZ,
    peak: float = 0.5,
    decay_s: float = 0.25,
    partials: int = 6,
) -> np.ndarray:
    """A decaying tone, float64 [n]: attack of 2 ms, partials at 1 / k, e-folding time decay_s."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    usable = [k for k in range(1, partials + 1) if k * hz(midi_note) < 0.45 * rate_hz]
    wave = sum(np.sin(2 * np.pi * hz(midi_note) * k * time_s + k) / k for k in usable)
    wave = wave * np.exp(-time_s / decay_s) * np.clip(time_s / 0.002, 0, 1)
    return peak * wave / np.max(np.abs(wave))


def steady(midi_note: float = 57.0, seconds: float = 1.0, rate_hz: int = RATE_HZ, peak: float = 0.5) -> np.ndarray:
    """A tone that holds its level, float64 [n], with a rise of 20 ms."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return peak * np.sin(2 * np.pi * hz(midi_note) * time_s) * np.clip(time_s / 0.02, 0, 1)


def spectral_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Between the magnitudes of two spectra, of the first one's: Griffin-Lim's phase makes much of little."""
    spectra = [np.abs(np.fft.rfft(wave, axis=-1)) for wave in (one, other)]
    return float(np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0]))


def clip(*channels: np.ndarray, rate_hz: int = RATE_HZ) -> Clip:
    return Clip(np.stack(channels).astype(np.float32), rate_hz)

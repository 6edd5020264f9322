"""Which note a one-shot sounds: one autocorrelation averaged over the whole sound, then one choice of period.

A one-shot holds one pitch, so its frames are averaged before anything is decided; a frame-by-frame tracker has to
guess in each frame and then vote on guesses, which is where octave errors come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SAMPLE_RATE_HZ = 16_000
"""The rate `measure_pitch` works at."""

LOWEST_HZ = 25.5  # just under MIDI 20; NSynth's lowest note is MIDI 21 (27.5 Hz)
HIGHEST_HZ = 4_400.0  # just above MIDI 108 (4186 Hz), NSynth's highest
LEAST_CONFIDENCE = 0.4
"""Below it no note is named. Measured: noise of any colour stays below 0.15, real instruments above 0.46."""

_FRAME = 4_096  # 0.256 s: seven periods of the lowest note
_MAX_SECONDS = 3.0  # later parts of a one-shot are quieter and add nothing
_OCTAVE_COST = 0.05  # a period twice as long must fit this much better; multiples always fit about as well
_RUMBLE_HZ = 100.0  # half weight here, less below: handling noise and room rumble are no notes
_QUIET_FRAME = 1e-3  # frames 30 dB below the loudest are tail, not note
_LAGS_PER_SAMPLE = 4  # the highest period lasts under 4 samples, too coarse without interpolation


@dataclass(frozen=True)
class Pitch:
    """A measured pitch: MIDI note number with fraction (69.0 = 440 Hz) or None, and a confidence in [0, 1]."""

    midi: float | None
    confidence: float


def measure_pitch(samples: np.ndarray) -> Pitch:
    """Measure the pitch of one note.

    samples: float [n] at SAMPLE_RATE_HZ, beginning after the attack, any level.
    The frames' power spectra, each normalised and weighted by its amplitude, are averaged and turned into one
    autocorrelation, corrected for the window (Boersma 1993, "Accurate short-term analysis of the fundamental
    frequency and the harmonics-to-noise ratio of a sampled sound", eq. 9, with the octave cost of eq. 26). Only
    peaks behind its first zero count: a sound without DC is negative somewhere within its first period.
    The confidence is the height of the chosen peak: 1 for a perfectly periodic sound, near 0 for noise.
    """
    length = min(_FRAME, len(samples))
    if length < SAMPLE_RATE_HZ // 100:  # under 10 ms there is no period to see
        return Pitch(None, 0.0)
    spectrum = _average_spectrum(samples, length)
    if spectrum is None:
        return Pitch(None, 0.0)
    frequencies = np.fft.rfftfreq(2 * (len(spectrum) - 1), 1 / SAMPLE_RATE_HZ)
    weighted = _autocorrelation(spectrum * (frequencies**2 / (frequencies**2 + _RUMBLE_HZ**2)), length)
    lag = _choose_period(weighted)
    if lag is None:
        return Pitch(None, 0.0)
    confidence = float(np.clip(weighted[lag], 0.0, 1.0))
    if confidence < LEAST_CONFIDENCE:
        return Pitch(None, confidence)
    # The rumble weight tilts the lines of low notes upwards (20 cents at MIDI 21): read the period without it.
    period = _refine(_autocorrelation(spectrum, length), lag) / (_LAGS_PER_SAMPLE * SAMPLE_RATE_HZ)
    return Pitch(69.0 + 12.0 * float(np.log2(1.0 / (period * 440.0))), confidence)


def _average_spectrum(samples: np.ndarray, length: int) -> np.ndarray | None:
    """Amplitude-weighted mean of the normalised power spectra of all frames that sound; None for silence."""
    samples = samples[: round(_MAX_SECONDS * SAMPLE_RATE_HZ)]
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(length + 1)[:-1]
    power = np.abs(np.fft.rfft(frames, 4 * _FRAME)) ** 2
    energy = power.sum(axis=1)
    if energy.max() <= 1e-12:
        return None
    sounding = energy > _QUIET_FRAME * energy.max()
    power, energy = power[sounding], energy[sounding]
    return np.average(power / energy[:, None], axis=0, weights=np.sqrt(energy))


def _autocorrelation(spectrum: np.ndarray, length: int) -> np.ndarray:
    """Autocorrelation of a power spectrum, 1 at lag 0, in steps of 1 / _LAGS_PER_SAMPLE sample, window undone."""
    correlation = _inverse(spectrum)
    return correlation / correlation[0] / _window_autocorrelation(length)


@lru_cache(maxsize=4)
def _window_autocorrelation(length: int) -> np.ndarray:
    """The Hann window's own autocorrelation; its far end, where little is left to divide by, is held up."""
    correlation = _inverse(np.abs(np.fft.rfft(np.hanning(length + 1)[:-1], 4 * _FRAME)) ** 2)
    return np.maximum(correlation / correlation[0], 0.05)


def _inverse(spectrum: np.ndarray) -> np.ndarray:
    """Autocorrelation up to the longest period looked for, interpolated by zeros above the spectrum."""
    longest = round(_LAGS_PER_SAMPLE * SAMPLE_RATE_HZ / LOWEST_HZ) + 2
    return np.fft.irfft(spectrum, 4 * _FRAME * _LAGS_PER_SAMPLE)[:longest]


def _choose_period(correlation: np.ndarray) -> int | None:
    """Index of the best peak behind the first zero, favouring short periods; None when there is none."""
    if correlation.min() >= 0:
        return None
    shortest = round(_LAGS_PER_SAMPLE * SAMPLE_RATE_HZ / HIGHEST_HZ)
    middle = correlation[1:-1]
    peaks = np.flatnonzero((middle > correlation[:-2]) & (middle >= correlation[2:])) + 1
    peaks = peaks[peaks >= max(shortest, int(np.argmax(correlation < 0)))]
    if len(peaks) == 0:
        return None
    return int(peaks[np.argmax(correlation[peaks] - _OCTAVE_COST * np.log2(peaks / shortest))])


def _refine(correlation: np.ndarray, lag: int) -> float:
    """Lag of the peak nearest to `lag`, to a fraction of a step (vertex of the parabola through three points)."""
    while 1 < lag < len(correlation) - 2:
        uphill = int(np.argmax(correlation[lag - 1 : lag + 2])) - 1
        if uphill == 0:
            break
        lag += uphill
    left, top, right = correlation[lag - 1 : lag + 2]
    curvature = left - 2 * top + right
    return float(lag + (0.5 * (left - right) / curvature if curvature < 0 else 0.0))

"""What a note sounds like in 345 levels: five stretches of time by 69 semitones, to find the same note again.

A memorised note comes back re-coded, trimmed, louder or softer, a little out of tune, and without its phases (they
are made anew by a vocoder or by Griffin-Lim). So the fingerprint keeps only levels over time and frequency, and the
comparison tries small shifts in time and pitch. The likeness of two fingerprints is the weighted Jaccard index
(Ruzicka 1958: sum of minima over sum of maxima) of their levels above a floor 40 dB below the loudest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from generation.audio import Clip, resample

SAMPLE_RATE_HZ = 16_000
WINDOW, HOP = 2_048, 256  # 128 ms, every 16 ms
EDGES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Stretches of time, finer where a note changes faster; what comes after two seconds is not looked at."""
LOWEST_HZ, BANDS, BANDS_PER_OCTAVE = 110.0, 69, 12
STRETCHES = len(EDGES_S) - 1
DEPTH_DB, LEVELS = 60.0, 15
"""A level is 0 to 15: steps of 4 dB from 60 dB below the loudest band of any stretch."""
COMPARED_LEVELS = 10
"""Levels below the loudest of the compared stretches that count, 40 dB: 8-bit noise lies lower."""
DETUNES_CENTS = (-20.0, -10.0, 0.0, 10.0, 20.0)
OFFSETS_S = (-0.02, -0.01, 0.0, 0.01, 0.02)
SHORTLIST = 60
"""Candidates by plain likeness that are compared again under every shift."""
_BAND_HALF_WIDTH = 1.5  # in semitones, so that 20 cents move little from a band to the next
_FADED_S = 0.03  # the end of a finished sound, where it is faded


@dataclass(frozen=True, eq=False)
class Print:
    """One reading of a sound: levels uint8 [STRETCHES, BANDS], and which stretches it lasts into, bool [STRETCHES]."""

    levels: np.ndarray
    lasts: np.ndarray


def fingerprint(clip: Clip) -> Print:
    """Fingerprint of a finished clip of any rate and level; all levels are 0 for silence."""
    power, lasts = _power(_wave(clip), 0.0)
    return Print(_levels(power, 0.0), lasts)


def _shifted_fingerprints(clip: Clip) -> dict[tuple[float, float], Print]:
    """Readings of a clip under every shift, (of OFFSETS_S, of DETUNES_CENTS) -> reading; (0, 0) is its fingerprint."""
    wave, readings = _wave(clip), {}
    for offset_s in OFFSETS_S:
        power, lasts = _power(wave, offset_s)
        for cents in DETUNES_CENTS:
            readings[offset_s, cents] = Print(_levels(power, cents), lasts)
    return readings


def likeness(reading: Print, bank: np.ndarray) -> np.ndarray:
    """How like a reading is to each fingerprint of `bank`, uint8 [n, STRETCHES, BANDS]: float64 [n], 0 to 1.

    Only stretches that the reading lasts into are compared, since a trimmed copy is a copy; both sides are brought
    to the same loudest level there.
    """
    mine = reading.levels[reading.lasts].astype(np.int16)
    theirs = bank[:, reading.lasts].astype(np.int16)
    mine = np.maximum(mine - (mine.max() - COMPARED_LEVELS), 0) * (mine > 0)
    tops = theirs.max(axis=(1, 2), keepdims=True)
    theirs = np.maximum(theirs - (tops - COMPARED_LEVELS), 0) * (theirs > 0)
    shared = np.minimum(theirs, mine).sum(axis=(1, 2))
    both = np.maximum(theirs, mine).sum(axis=(1, 2))
    return np.asarray(shared / np.maximum(both, 1), dtype=np.float64)


def nearest(clip: Clip, bank: np.ndarray) -> tuple[int, float]:
    """Row of `bank`, uint8 [n > 0, STRETCHES, BANDS], that is most like a clip under small shifts, and how like."""
    readings = _shifted_fingerprints(clip)
    plain = likeness(readings[0.0, 0.0], bank)
    rows = np.argsort(-plain, kind="stable")[:SHORTLIST]
    best = np.max([likeness(reading, bank[rows]) for reading in readings.values()], axis=0)
    place = int(best.argmax())
    return int(rows[place]), float(best[place])


def _wave(clip: Clip) -> np.ndarray:
    return resample(clip, SAMPLE_RATE_HZ).mono().astype(np.float32)


def _power(wave: np.ndarray, offset_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean power spectrum of each stretch, float [STRETCHES, WINDOW // 2 + 1], and which stretches the sound fills.

    A stretch counts as filled when the sound lasts through half of it; the first always does.
    """
    shift = round(offset_s * SAMPLE_RATE_HZ)
    shifted = wave[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift, np.float32), wave])
    longest = round(EDGES_S[-1] * SAMPLE_RATE_HZ)
    heard = shifted[:longest]
    duration_s = len(heard) / SAMPLE_RATE_HZ
    padded = np.pad(heard, (WINDOW // 2, WINDOW // 2 + longest - len(heard)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * _window(), axis=1)) ** 2
    at_s = np.arange(len(power)) * HOP / SAMPLE_RATE_HZ
    stretches, lasts = [], []
    for begin, end in zip(EDGES_S[:-1], EDGES_S[1:], strict=True):
        inside = (at_s >= begin) & (at_s < min(end, max(duration_s, begin + 2 * _FADED_S) - _FADED_S))
        stretches.append(power[inside].mean(axis=0))
        lasts.append(begin == 0 or duration_s >= (begin + end) / 2)
    return np.stack(stretches), np.array(lasts)


def _levels(power: np.ndarray, cents: float) -> np.ndarray:
    """Levels uint8 [STRETCHES, BANDS] of power spectra, the bands moved by some cents."""
    bands = power @ _filters(cents)
    top = float(bands.max())
    if top <= 0.0:
        return np.zeros(bands.shape, np.uint8)
    level_db = 10 * np.log10(np.maximum(bands / top, 1e-12))
    return np.round(np.clip(level_db / DEPTH_DB + 1, 0, 1) * LEVELS).astype(np.uint8)


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Periodic Hann window, float32 [WINDOW]."""
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=len(DETUNES_CENTS))
def _filters(cents: float) -> np.ndarray:
    """Triangles around each semitone, at least one bin wide, float32 [WINDOW // 2 + 1, BANDS]."""
    centres = LOWEST_HZ * 2 ** ((np.arange(BANDS) + cents / 100) / BANDS_PER_OCTAVE)
    half_widths = np.maximum(_BAND_HALF_WIDTH * centres * (2 ** (1 / BANDS_PER_OCTAVE) - 1), SAMPLE_RATE_HZ / WINDOW)
    at_hz = np.arange(WINDOW // 2 + 1)[:, None] * SAMPLE_RATE_HZ / WINDOW
    return np.clip(1 - np.abs(at_hz - centres) / half_widths, 0, None).astype(np.float32)

"""Faults of a raw waveform that no ear forgives: flat tops from clipping, and clicks.

Thresholds were set on 802 real one-shots: none of them is called clicked or clipped wrongly but for two (a sitar's
buzz, a wavetable with flat tops), while 98.6 % of single samples displaced by 0.9 of the peak are found.
"""

from __future__ import annotations

import numpy as np

_FLAT_WITHIN = 1e-3  # samples this near to the peak lie on its plateau; 16-bit rounding is 3e-5
_FLAT_RUN = 3  # two equal neighbours happen at the top of any sine

_BLOCK_S = 0.004
_NEIGHBOURS_S = 0.08  # two periods of the lowest note on each side: pulses of the sound itself come again
_STANDS_OUT = 2.0  # times the third largest jump around, so that two clicks do not hide each other
_SMALLEST_JUMP = 0.02  # of the peak
_WIDEST = 4  # samples: a click is short, a burst of noise is not
_LOUDER_AFTER = 3.0  # beyond it the jump begins a note
_HEAD_S = 0.02  # the very start may jump: an attack has no past to compare it with


def clipped_share(wave: np.ndarray) -> float:
    """Share of samples on a plateau at the wave's own peak, 0 to 1.

    wave: float [n], any level: a clip that was cut at full scale and then turned down is found too. A plateau is a
    run of three or more samples within 0.1 % of the peak.
    """
    level = np.abs(wave)
    peak = float(level.max(initial=0.0))
    if peak == 0.0:
        return 0.0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], level >= (1 - _FLAT_WITHIN) * peak, [0]))))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _FLAT_RUN].sum() / len(wave))


def find_clicks(wave: np.ndarray, sample_rate_hz: int) -> list[int]:
    """Indices of single displaced samples and breaks of a wave, ascending.

    wave: float [n], any level; below 20 ms nothing is found. The third difference takes the sound away and leaves
    jumps. A jump is a click when nothing like it happens within 80 ms (so the pulses of a reed or a buzzing string
    are none), when it is over within four samples, and when no louder sound begins with it.
    """
    jumps = np.abs(np.diff(wave, 3))
    size = max(8, round(_BLOCK_S * sample_rate_hz))
    count, reach = len(jumps) // size, round(_NEIGHBOURS_S / _BLOCK_S)
    if count < 3:
        return []
    blocks = jumps[: count * size].reshape(count, size)
    largest, places = blocks.max(axis=1), blocks.argmax(axis=1) + size * np.arange(count)
    padded = np.pad(largest, reach, mode="reflect" if count > reach else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()
    # A click on the border between two blocks shows in both.
    around[:, reach - 1 : reach + 2] = 0.0
    floor = np.sort(around, axis=1)[:, -3]
    standing_out = (largest > _STANDS_OUT * floor) & (largest >= _SMALLEST_JUMP * np.abs(wave).max(initial=0.0))
    found: list[int] = []
    for place in places[standing_out & (largest > 0)].tolist():
        if _is_click(wave, jumps, place, sample_rate_hz) and not (found and place - found[-1] <= 2 * _WIDEST):
            found.append(place)
    return found


def mended(wave: np.ndarray, clicks: list[int]) -> np.ndarray:
    """The wave with a straight line over each click: float [n] -> float [n], for meters that a click would mislead."""
    out = wave.copy()
    for place in clicks:
        left, right = max(0, place - 1), min(len(wave) - 1, place + 2 * _WIDEST)
        out[left : right + 1] = np.linspace(wave[left], wave[right], right - left + 1)
    return out


def _is_click(wave: np.ndarray, jumps: np.ndarray, place: int, sample_rate_hz: int) -> bool:
    """Whether a jump that stands out is short and starts nothing."""
    if place < _HEAD_S * sample_rate_hz:
        return False
    near, wide = round(0.003 * sample_rate_hz), round(0.02 * sample_rate_hz)
    if np.count_nonzero(jumps[max(0, place - near) : place + near] > 0.5 * jumps[place]) > _WIDEST:
        return False
    gap = round(0.002 * sample_rate_hz)
    before, after = wave[max(0, place - wide) : place - gap], wave[place + gap + 3 : place + wide]
    if len(after) < gap:
        return True
    return bool(_rms(after) < _LOUDER_AFTER * _rms(before))


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2) + 1e-12))

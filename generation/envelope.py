"""How a sound moves in time: where it begins, how fast it rises and falls, how often it starts anew."""

from __future__ import annotations

import numpy as np

ONSET_DB = -30.0
"""The onset is the first sample this near to the peak: hiss before a note lies lower, real attacks pass it at once."""

ONSET_RATE_HZ = 16_000
"""The rate `count_onsets` works at."""

_HOP_S, _WINDOW_S = 0.002, 0.01
_LOOK_S = 0.1  # a sound that grows by less than 1 dB in this time has risen,
_LOOK_SHARE = 0.5  # or in half of the time that it rose, where that is longer
_RISEN = 0.5  # of the highest envelope, which is -6 dB

_PULSE_WINDOW_S, _PULSE_HOP_S = 0.03, 0.005
_FALL_DB = 12.0
_BACK_DB = -8.0
_PULSES = 2
"""Falls of 12 dB and returns to the loudest 8 dB that make a sound pulse. Of 802 real single notes two do it twice
and a dozen once (strings, mostly), of 432 of corpus/voices.py five do it twice (choirs, mostly)."""

_FRAME, _FRAME_HOP = 1_024, 160  # 64 ms every 10 ms
_BANDS = 24
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7_600.0
_DEPTH_DB = 50.0
_STEP = 6  # frames between the two spectra that are compared
_RISE_DB = 4.0
"""Mean rise over the bands that starts a note. Of 802 real single notes 1.6 % reach it; of the same with a second
stroke of the same note 93 %, of another note 99 %."""
_FIRST_S = 0.12  # the attack itself
_STILL_LOUD_DB = -20.0  # quieter starts are room and handling
_APART_S = 0.1


def onset_s(wave: np.ndarray, sample_rate_hz: int) -> float | None:
    """Seconds until the sound begins; None for digital silence. wave: float [n], any level."""
    level = np.abs(wave)
    peak = float(level.max(initial=0.0))
    if peak == 0.0:
        return None
    return float(np.argmax(level >= 10 ** (ONSET_DB / 20) * peak) / sample_rate_hz)


def attack_and_decay_s(wave: np.ndarray, sample_rate_hz: int) -> tuple[float | None, float | None]:
    """Attack and decay of a sound, seconds.

    Attack: from 10 % of the highest envelope until the sound has risen: it is within 6 dB of the highest, and nothing
    in the next 100 ms, or in half of the time that it rose so far, is 1 dB louder. For a straight rise to one peak this
    is the usual 10 to 90 %; a held note, whose highest ripple may come seconds later, has risen when it stops to rise.
    Decay: from the highest point until the level has fallen by 20 dB for good, None where the sound ends before.
    Envelope: RMS of 10 ms every 2 ms. Both None for silence.
    """
    hop, window = round(_HOP_S * sample_rate_hz), round(_WINDOW_S * sample_rate_hz)
    # Padded in front as well: the first window must see the silence that an attack starts from.
    power = np.pad(wave.astype(np.float64) ** 2, (window - 1, window))
    envelope = np.sqrt(np.lib.stride_tricks.sliding_window_view(power, window)[::hop].mean(axis=1))
    top = float(envelope.max(initial=0.0))
    if top == 0.0:
        return None, None
    start = int(np.argmax(envelope >= 0.1 * top))
    look = round(_LOOK_S * sample_rate_hz / hop)
    full = next(
        int(at) for at in np.flatnonzero(envelope >= _RISEN * top)
        if envelope[at] >= 0.9 * envelope[at : at + max(look, int(_LOOK_SHARE * (at - start))) + 1].max()
    )  # fmt: skip
    loud = np.flatnonzero(envelope >= 0.1 * top)
    end, last = int(loud[-1]), (len(wave) - 1) // hop
    decay = (end - int(np.argmax(envelope))) * hop / sample_rate_hz if end < last - 1 else None
    return (full - start) * hop / sample_rate_hz, decay


def count_onsets(wave: np.ndarray) -> int:
    """How many notes a sound starts, 1 or more.

    wave: float [n] at ONSET_RATE_HZ that begins with its first note. A further note is a rise of 4 dB on average over
    24 bands, later than 120 ms, into a sound at most 20 dB below the loudest (spectral flux in dB, after Bello et al.
    2005, "A tutorial on onset detection in music signals", section III; each rise counts once). A sound that fades and
    returns twice or more starts anew each time, however slowly.
    """
    return max(_rises(wave), _pulses(wave))


def _rises(wave: np.ndarray) -> int:
    """Notes that start with a rise in many bands, the first one too."""
    bands, total = _levels_db(wave)
    if len(total) <= _STEP:
        return 1
    rise = np.maximum(0.0, bands[_STEP:] - bands[:-_STEP]).mean(axis=1)
    frame_s = _FRAME_HOP / ONSET_RATE_HZ
    # A sound that is cut off splashes over all bands in the frames that reach past its end.
    whole = np.arange(_STEP, len(total)) * _FRAME_HOP + _FRAME // 2 <= len(wave)
    later = np.arange(len(rise)) >= _FIRST_S / frame_s
    counted = later & whole & (total[_STEP:] - total.max() > _STILL_LOUD_DB)
    starts = np.flatnonzero(counted & (rise > _RISE_DB))
    if len(starts) == 0:
        return 1
    return 2 + int(np.count_nonzero(np.diff(starts) > _APART_S / frame_s))


def _pulses(wave: np.ndarray) -> int:
    """How often a sound comes back from a fall of 12 dB, the first time too; 1 where it returns once or never."""
    window, hop = round(_PULSE_WINDOW_S * ONSET_RATE_HZ), round(_PULSE_HOP_S * ONSET_RATE_HZ)
    if len(wave) < window:
        return 1
    power = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64) ** 2, window)[::hop].mean(axis=1)
    level_db = 10 * np.log10(np.maximum(power, 1e-12))
    level_db -= level_db.max()
    lowest, returns = 0.0, 0
    for now in level_db[int(np.argmax(level_db > _BACK_DB)) :]:
        lowest = min(lowest, now)
        if now > _BACK_DB and now - lowest >= _FALL_DB:
            returns, lowest = returns + 1, now
    return 1 + returns if returns >= _PULSES else 1


def _levels_db(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level of each band, dB [frames, 24], at most 50 dB below the loudest band, and of the whole, dB [frames]."""
    padded = np.pad(wave, _FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_FRAME_HOP] * np.hanning(_FRAME)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    hz = np.fft.rfftfreq(_FRAME, 1 / ONSET_RATE_HZ)
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1)
    # The lowest bands are narrower than a bin: they take the bin at their edge.
    members = [np.flatnonzero((hz >= low) & (hz < high)) for low, high in zip(edges, edges[1:], strict=False)]
    parts = [power[:, m].sum(axis=1) if len(m) else power[:, np.argmin(np.abs(hz - low))] for m, low in
             zip(members, edges, strict=False)]  # fmt: skip
    bands, total = np.stack(parts, axis=1), power.sum(axis=1)
    floor = 10 ** (-_DEPTH_DB / 10)
    band_floor, total_floor = max(bands.max() * floor, 1e-20), max(total.max() * floor, 1e-20)
    return 10 * np.log10(np.maximum(bands, band_floor)), 10 * np.log10(np.maximum(total, total_floor))

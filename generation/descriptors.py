"""What can be measured of a clip: faults of the raw one, and the facts that a finished one is filed under.

Used by corpus, gate and catalogue alike. Facts are not verdicts: thresholds that reject stand in configs/gate.
Stereo clips are heard through their louder channel; a mean of two channels can cancel to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generation.audio import Clip, resample
from generation.defects import clipped_share, find_clicks, mended
from generation.envelope import ONSET_RATE_HZ, attack_and_decay_s, count_onsets, onset_s
from generation.pitch import SAMPLE_RATE_HZ as PITCH_RATE_HZ
from generation.pitch import measure_pitch

NO_SOUND_DBFS = -80.0
"""A peak below it is digital silence or its dither: nothing there can be finished or measured."""

_AFTER_ATTACK_S = 0.03  # a pick or a hammer has no pitch
_SHORTEST_PITCHED_S = 0.2  # below it the attack is all there is
_LOUDNESS_BLOCK_S = 0.4  # ITU-R BS.1770-4: one gating block
_SPECTRUM_FRAME = 2_048
_ACTIVE_SHARE = 0.15  # frames below this share of the loudest RMS are tail and noise, not timbre
_BANDWIDTH_DB = -60.0


@dataclass(frozen=True, slots=True)
class RawFacts:
    """What a model's raw output is like.

    finite: no NaN, no infinity; when False nothing else is measured. silent: peak below -80 dBFS. peak_dbfs: None for
    digital silence. dc_offset: distance of the mean from zero as a share of the peak, 0 to 1. clipped_share: samples
    on flat tops, 0 to 1. clicks: single displaced samples and breaks. onset_s: when the sound begins. The worst
    channel counts.
    """

    finite: bool
    silent: bool
    duration_s: float
    peak_dbfs: float | None = None
    dc_offset: float | None = None
    clipped_share: float | None = None
    clicks: int | None = None
    onset_s: float | None = None


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What a finished one-shot is like; None where a sound has no such thing.

    midi_note, cents: nearest note and the deviation from it, -50 to 50. pitch_confidence: 0 to 1, over the sounding
    part. lufs: integrated loudness (ITU-R BS.1770-4). peak_dbfs: of the samples. attack_s, decay_s: see
    generation.envelope. bandwidth_hz: highest frequency within 60 dB of the strongest. centroid_hz: power-weighted
    mean frequency of the sounding frames. onsets: notes that it starts. tuned_cents: how far finishing moved its pitch
    (generation.tuning).
    """

    midi_note: int | None
    cents: float | None
    pitch_confidence: float
    lufs: float | None
    peak_dbfs: float | None
    attack_s: float | None
    decay_s: float | None
    duration_s: float
    bandwidth_hz: float | None
    centroid_hz: float | None
    onsets: int
    tuned_cents: float = 0.0


def raw_facts(clip: Clip) -> RawFacts:
    """Look for the faults of a raw clip of any rate, level and length."""
    if not np.isfinite(clip.samples).all():
        return RawFacts(finite=False, silent=False, duration_s=clip.duration_s)
    peak_dbfs = _peak_dbfs(clip.samples)
    if peak_dbfs is None or peak_dbfs < NO_SOUND_DBFS:
        return RawFacts(finite=True, silent=True, duration_s=clip.duration_s, peak_dbfs=peak_dbfs)
    channels = clip.samples.astype(np.float64)
    means = channels.mean(axis=1, keepdims=True)
    centred = channels - means
    heard = _louder(centred)
    return RawFacts(
        finite=True,
        silent=False,
        duration_s=clip.duration_s,
        peak_dbfs=peak_dbfs,
        dc_offset=float(np.max(np.abs(means)) / np.max(np.abs(channels))),
        clipped_share=max(clipped_share(channel) for channel in channels),
        clicks=max(len(find_clicks(channel, clip.sample_rate_hz)) for channel in centred),
        onset_s=onset_s(heard, clip.sample_rate_hz),
    )


def sound_facts(clip: Clip) -> SoundFacts:
    """Describe a finished clip of any rate; its samples must be finite."""
    rate = clip.sample_rate_hz
    heard = _louder(clip.samples)
    heard = mended(heard, find_clicks(heard, rate))  # a click is as broad as an attack, and is counted elsewhere
    note, cents, confidence = _note(heard, rate)
    attack, decay = attack_and_decay_s(heard, rate)
    bandwidth, centroid = _bandwidth_and_centroid_hz(heard, rate)
    return SoundFacts(
        midi_note=note,
        cents=cents,
        pitch_confidence=confidence,
        lufs=loudness_lufs(clip),
        peak_dbfs=_peak_dbfs(clip.samples),
        attack_s=attack,
        decay_s=decay,
        duration_s=clip.duration_s,
        bandwidth_hz=bandwidth,
        centroid_hz=centroid,
        onsets=count_onsets(_at_rate(heard, rate, ONSET_RATE_HZ)),
    )


def _louder(channels: np.ndarray) -> np.ndarray:
    """The channel with more energy: float [channels, n] -> [n]."""
    return channels[int(np.argmax(np.sum(channels.astype(np.float64) ** 2, axis=1)))]


def _at_rate(wave: np.ndarray, rate_hz: int, wanted_hz: int) -> np.ndarray:
    if rate_hz == wanted_hz:
        return wave
    return resample(Clip(np.asarray(wave, np.float32)[None], rate_hz), wanted_hz).samples[0]


def _peak_dbfs(samples: np.ndarray) -> float | None:
    peak = float(np.max(np.abs(samples), initial=0.0))
    return 20 * float(np.log10(peak)) if peak > 0 else None


def _note(wave: np.ndarray, rate_hz: int) -> tuple[int | None, float | None, float]:
    """Nearest MIDI note, cents from it and confidence, of the part behind the attack."""
    wave = _at_rate(wave, rate_hz, PITCH_RATE_HZ).astype(np.float64)
    begin = round((onset_s(wave, PITCH_RATE_HZ) or 0.0) * PITCH_RATE_HZ)
    if len(wave) - begin >= _SHORTEST_PITCHED_S * PITCH_RATE_HZ:
        begin += round(_AFTER_ATTACK_S * PITCH_RATE_HZ)
    pitch = measure_pitch(wave[begin:])
    if pitch.midi is None:
        return None, None, pitch.confidence
    note = round(pitch.midi)
    return note, 100 * (pitch.midi - note), pitch.confidence


def loudness_lufs(clip: Clip) -> float | None:
    """Integrated loudness (ITU-R BS.1770-4) in LUFS; None for silence.

    A clip below one gating block is lengthened by silence.
    """
    import pyloudnorm

    missing = round(_LOUDNESS_BLOCK_S * clip.sample_rate_hz) + 1 - clip.samples.shape[1]
    samples = np.pad(clip.samples, ((0, 0), (0, max(0, missing)))).T.astype(np.float64)
    with np.errstate(divide="ignore"):
        loudness = float(pyloudnorm.Meter(clip.sample_rate_hz).integrated_loudness(samples))
    return loudness if np.isfinite(loudness) else None


def _bandwidth_and_centroid_hz(wave: np.ndarray, rate_hz: int) -> tuple[float | None, float | None]:
    padded = np.pad(wave.astype(np.float64), (0, max(0, _SPECTRUM_FRAME - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM_FRAME)[:: _SPECTRUM_FRAME // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(_SPECTRUM_FRAME), axis=1)) ** 2
    rms = np.sqrt(np.mean(frames**2, axis=1))
    spectrum = power[rms >= _ACTIVE_SHARE * rms.max()].sum(axis=0)
    if spectrum.sum() <= 0:
        return None, None
    hz = np.fft.rfftfreq(_SPECTRUM_FRAME, 1 / rate_hz)
    present = np.flatnonzero(spectrum >= 10 ** (_BANDWIDTH_DB / 10) * spectrum.max())
    return float(hz[present[-1]]), float((hz * spectrum).sum() / spectrum.sum())

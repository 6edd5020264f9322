"""Copies of sounds that differ in nothing but the sound: one rate, one number of channels, one length, one loudness.

So neither the size of a file nor its header, neither its level nor the silence around it says where it comes from.
How long a sound lasts and how high it reaches can be heard, and stays as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from catalog.errors import ListeningError
from catalog.listening.records import ChosenSound
from generation.audio import Clip, fade, resample
from generation.descriptors import loudness_lufs

LOUDEST_LUFS = -23.0
"""EBU R 128's loudness; copies are quieter where a peak would not fit."""
PEAK = 10 ** (-1 / 20)
"""Highest sample of a copy: -1 dBFS."""
LONGEST_S = 4.0
"""As long as NSynth's notes; longer sounds are cut there."""
_FADE_OUT_S = 0.05


def level_copies(sounds: Sequence[ChosenSound]) -> tuple[list[Clip], float]:
    """Return one clip for each sound, all alike but for what they sound like, and their loudness in LUFS.

    All are as long as the longest, filled up with silence, and of the highest rate among them. Raises ListeningError
    for a silent sound, naming it.
    """
    rate_hz = max(sound.clip.sample_rate_hz for sound in sounds)
    channels = max(sound.clip.channels for sound in sounds)
    clips = [_cut(_spread(resample(sound.clip, rate_hz), channels)) for sound in sounds]
    gains_db: list[float] = []
    lufs = LOUDEST_LUFS
    for sound, clip in zip(sounds, clips, strict=True):
        loudness = loudness_lufs(clip)
        if loudness is None:
            raise ListeningError(f"{sound.candidate.origin} is silent and cannot be listened to; leave it out")
        gains_db.append(-loudness)
        lufs = min(lufs, loudness + 20 * float(np.log10(PEAK / np.abs(clip.samples).max())))
    length = max(clip.samples.shape[1] for clip in clips)
    return [_laid_out(clip, lufs + gain, length) for clip, gain in zip(clips, gains_db, strict=True)], lufs


def new_token() -> str:
    """A name that says nothing, not even to somebody who knows the seed."""
    return secrets.token_hex(8)


def _spread(clip: Clip, channels: int) -> Clip:
    """One channel on all of them, before loudness is measured: two are 3 dB louder than one."""
    return replace(clip, samples=np.broadcast_to(clip.samples, (channels, clip.samples.shape[1])))


def _cut(clip: Clip) -> Clip:
    longest = round(LONGEST_S * clip.sample_rate_hz)
    if clip.samples.shape[1] <= longest:
        return clip
    return fade(replace(clip, samples=clip.samples[:, :longest]), 0.0, _FADE_OUT_S)


def _laid_out(clip: Clip, gain_db: float, length: int) -> Clip:
    samples = np.zeros((clip.channels, length), dtype=np.float32)
    samples[:, : clip.samples.shape[1]] = clip.samples * np.float32(10 ** (gain_db / 20))
    return Clip(samples, clip.sample_rate_hz)

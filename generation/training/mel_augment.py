"""Augmentation of log-mel pictures: what differs between one SoundFont and the world, without touching the label.

All functions work on float32 [n, frames, mels] in dB and draw from the generator given, so a batch is a pure
function of its step. Equaliser, room, noise floor, early cut and decay stand for microphones, rooms and editing;
the shift in mel stands for other sizes of instrument. SpecAugment (Park et al. 2019, arXiv 1904.08779) masks last.
"""

from __future__ import annotations

import math

import torch

FLOOR_DB = -100.0


def augment(pictures: torch.Tensor, rng: torch.Generator, frame_s: float, shifted_bands: int = 2) -> torch.Tensor:
    """Apply every augmentation with its own probability. Returns a new tensor, same shape, at least FLOOR_DB.

    shifted_bands: how far pictures may move in frequency; 0 where their pitch is learned.
    """
    x = pictures
    top = x.amax(dim=(1, 2), keepdim=True)
    x = _shift(x, rng, shifted_bands)
    x = _equalise(x, rng)
    x = _decay(x, rng, frame_s)
    x = _room(x, rng, frame_s)
    x = _cut(x, rng, frame_s)
    x = _noise_floor(x, top, rng)
    x = _mask(x, rng)
    return x.clamp(min=FLOOR_DB)


def _uniform(rng: torch.Generator, n: int, low: float, high: float, dims: int = 3) -> torch.Tensor:
    return (low + (high - low) * torch.rand(n, generator=rng)).view(n, *[1] * (dims - 1))


def _chance(rng: torch.Generator, n: int, share: float) -> torch.Tensor:
    return (torch.rand(n, generator=rng) < share).view(n, 1, 1)


def _shift(x: torch.Tensor, rng: torch.Generator, most_bands: int) -> torch.Tensor:
    """Move the picture by up to `most_bands` mel bands and up to 3 frames; the edge value is repeated."""
    out = torch.empty_like(x)
    bands = torch.randint(-most_bands, most_bands + 1, (len(x),), generator=rng).tolist()
    frames = torch.randint(0, 4, (len(x),), generator=rng).tolist()
    for row, band, frame in zip(range(len(x)), bands, frames, strict=True):
        moved = torch.roll(x[row], (frame, band), (0, 1))
        if frame:
            moved[:frame] = FLOOR_DB
        if band > 0:
            moved[:, :band] = moved[:, band : band + 1]
        elif band < 0:
            moved[:, band:] = moved[:, band - 1 : band]
        out[row] = moved
    return out


def _equalise(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """A smooth random frequency response: tilt of up to 8 dB and three slow waves of up to 5 dB each."""
    n, _, mels = x.shape
    place = torch.linspace(-1, 1, mels).view(1, 1, mels)
    curve = _uniform(rng, n, -8, 8) * place
    for order in (1, 2, 3):
        phase = _uniform(rng, n, 0, 2 * math.pi)
        curve = curve + _uniform(rng, n, 0, 5 / order**0.5) * torch.sin(math.pi * order * place + phase)
    return x + curve * _chance(rng, n, 0.8)


def _decay(x: torch.Tensor, rng: torch.Generator, frame_s: float) -> torch.Tensor:
    """Extra decay of up to 25 dB a second, more for the high bands."""
    n, frames, mels = x.shape
    time_s = torch.arange(frames).view(1, frames, 1) * frame_s
    slope = _uniform(rng, n, 0, 25) * (1 + _uniform(rng, n, 0, 1) * torch.linspace(0, 1, mels).view(1, 1, mels))
    return x - slope * time_s * _chance(rng, n, 0.3)


def _room(x: torch.Tensor, rng: torch.Generator, frame_s: float) -> torch.Tensor:
    """A diffuse tail: power smeared along time with a decay of 0.2 to 1.6 s, 10 to 26 dB below the sound."""
    n, frames, _ = x.shape
    chosen = torch.nonzero(_chance(rng, n, 0.25).flatten()).flatten()
    decay_s, wet_db = _uniform(rng, n, 0.2, 1.6, 2), _uniform(rng, n, -26, -10, 2)
    if not len(chosen):
        return x
    power = 10 ** (x[chosen] / 10)
    keep = 10 ** (-6 * frame_s / decay_s[chosen])
    wet = 10 ** (wet_db[chosen] / 10)
    tail = torch.zeros_like(power[:, 0])
    smeared = torch.empty_like(power)
    for frame in range(frames):
        tail = keep * tail + power[:, frame]
        smeared[:, frame] = power[:, frame] + wet * tail
    out = x.clone()
    out[chosen] = 10 * torch.log10(smeared.clamp(min=1e-12))
    return out


def _cut(x: torch.Tensor, rng: torch.Generator, frame_s: float) -> torch.Tensor:
    """End the sound early, anywhere after 0.2 s, with a fade of 60 to 600 dB a second."""
    n, frames, _ = x.shape
    time_s = torch.arange(frames).view(1, frames, 1) * frame_s
    late = (time_s - _uniform(rng, n, 0.2, 3.2)).clamp(min=0)
    return x - late * _uniform(rng, n, 60, 600) * _chance(rng, n, 0.5)


def _noise_floor(x: torch.Tensor, top: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Add tilted noise 40 to 95 dB below the loudest point, in power, with the ripple of real noise frames."""
    n, _, mels = x.shape
    level = top - _uniform(rng, n, 40, 95) + _uniform(rng, n, -12, 4) * torch.linspace(-1, 1, mels).view(1, 1, mels)
    ripple = 10 * torch.log10(-torch.log(torch.rand(x.shape, generator=rng).clamp(min=1e-6)) + 1e-6)
    noisy = 10 * torch.log10(10 ** (x / 10) + 10 ** ((level + ripple) / 10))
    return torch.where(_chance(rng, n, 0.8), noisy, x)


def _mask(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """SpecAugment: one band of up to 8 mels and one stretch of up to 24 frames fall to the floor."""
    n, frames, mels = x.shape
    band = torch.arange(mels).view(1, 1, mels)
    start = _uniform(rng, n, 0, mels)
    masked = (band >= start) & (band < start + _uniform(rng, n, 0, 8)) & _chance(rng, n, 0.5)
    time = torch.arange(frames).view(1, frames, 1)
    begin = _uniform(rng, n, 8, frames)
    masked = masked | ((time >= begin) & (time < begin + _uniform(rng, n, 0, 24)) & _chance(rng, n, 0.4))
    return x.masked_fill(masked, FLOOR_DB)

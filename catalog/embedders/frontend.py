"""From clips to the log-mel pictures that the starter judge and the starter CLAP listen to.

One definition for both: 16 kHz mono, the first 4 s, peak 1, Hann window of 64 ms, hop 16 ms, 64 Slaney mel bands
from 40 Hz to 8 kHz, power in dB. It equals transformers' ClapFeatureExtractor with the settings of
`clap_extractor_settings` (a test holds the two together), only batched in torch and so several times faster.
Level says nothing about timbre, so every clip is brought to the same peak first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from catalog.errors import EmbedderError
from generation.audio import Clip, resample

SAMPLE_RATE_HZ = 16_000
LENGTH_S = 4.0
WINDOW = 1024
HOP = 256
MEL_BANDS = 64
LOW_HZ, HIGH_HZ = 40.0, 8000.0
FLOOR_DB = -100.0  # ClapFeatureExtractor clamps the power at 1e-10
FRAMES = 1 + int(LENGTH_S * SAMPLE_RATE_HZ) // HOP


def clap_extractor_settings() -> dict[str, Any]:
    """Settings under which ClapFeatureExtractor computes this very picture (zero padding, no repetition)."""
    return {
        "feature_size": MEL_BANDS, "sampling_rate": SAMPLE_RATE_HZ, "hop_length": HOP, "max_length_s": int(LENGTH_S),
        "fft_window_size": WINDOW, "padding_value": 0.0, "frequency_min": LOW_HZ, "frequency_max": HIGH_HZ,
        "truncation": "rand_trunc", "padding": "pad",
    }  # fmt: skip


def listening_wave(clip: Clip, sample_rate_hz: int = SAMPLE_RATE_HZ, length_s: float = LENGTH_S) -> np.ndarray:
    """The part of a clip that embedders hear: mono, first `length_s` seconds, peak 1 (silence stays silence).

    Returns float32 [at most length_s * sample_rate_hz] in [-1, 1]. The cut is at a fixed place, so that the same
    clip always gives the same vector (ClapFeatureExtractor's own cut of longer clips is random). Raises EmbedderError
    for NaN or infinity, which would make a vector of NaN.
    """
    if clip.sample_rate_hz != sample_rate_hz:
        clip = resample(clip, sample_rate_hz)
    wave = clip.mono()[: int(length_s * sample_rate_hz)]
    peak = float(np.max(np.abs(wave), initial=0.0))
    if not np.isfinite(peak):
        raise EmbedderError("NaN or infinite samples came; leave the sounds out that hold them")
    return (wave / peak if peak > 0 else wave).astype(np.float32)


def log_mel(waves: Sequence[np.ndarray]) -> torch.Tensor:
    """Log-mel pictures of `listening_wave`s. Returns float32 [n, FRAMES, MEL_BANDS] in dB, at least FLOOR_DB."""
    batch = np.zeros((len(waves), int(LENGTH_S * SAMPLE_RATE_HZ)), np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return log_mel_batch(torch.from_numpy(batch))


def log_mel_batch(waves: torch.Tensor) -> torch.Tensor:
    """Log-mel pictures of float32 [n, 64000] waves, on their device. Returns float32 [n, FRAMES, MEL_BANDS] in dB."""
    window = torch.hann_window(WINDOW, periodic=True, device=waves.device)
    spectrum = torch.stft(waves, WINDOW, HOP, WINDOW, window, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    mel = torch.einsum("nft,fm->ntm", power, _filters().to(waves.device))
    return 10 * torch.log10(torch.clamp(mel, min=10 ** (FLOOR_DB / 10)))


@lru_cache(maxsize=1)
def _filters() -> torch.Tensor:
    """Slaney mel filters with area normalisation, float32 [WINDOW // 2 + 1, MEL_BANDS]."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        WINDOW // 2 + 1, MEL_BANDS, LOW_HZ, HIGH_HZ, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(np.asarray(bank)).float()

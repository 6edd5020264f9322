"""Sounds before and after a picture: fitted to its length, turned into amplitudes, brought to one level."""

from __future__ import annotations

import torch
from torch import Tensor

from generation.errors import AudioError, ConfigError

DECODED_PEAK = 0.5
"""Peak of a decoded sound whose picture has lost the level: -6 dBFS, so that resampling it cannot clip."""


def check_waves(waves: Tensor) -> None:
    """Refuse what is no batch of sounds.

    Raises:
        AudioError: the sound is empty, not [batch, samples] or holds NaN or infinity.
    """
    if waves.ndim != 2 or waves.shape[1] == 0:
        raise AudioError(f"a sound of shape {tuple(waves.shape)} came; [batch, samples] is needed")
    if not bool(torch.isfinite(waves).all()):
        raise AudioError("the sound holds NaN or infinity; repair or leave out the recording")


def fit_waves(waves: Tensor, n_samples: int) -> Tensor:
    """Crop or pad with zeros on the right: [batch, samples] -> float32 [batch, n_samples].

    Raises:
        AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
    """
    check_waves(waves)
    waves = waves[:, :n_samples].float()
    return torch.nn.functional.pad(waves, (0, n_samples - waves.shape[1]))


def check_transform(n_samples: int, n_fft: int, win_length: int, hop_length: int, *, reflected: bool) -> None:
    """Refuse the sizes of a short-time transform that could not be inverted.

    Raises:
        ConfigError: windows leave gaps or do not fit the FFT, or a sound is too short to be reflected.
    """
    if not 1 <= hop_length < win_length <= n_fft or n_fft % 2:
        raise ConfigError(
            f"windows of {win_length} samples every {hop_length} in an FFT of {n_fft} cannot be inverted; "
            "hop < window <= FFT (even) is needed"
        )
    if n_samples < 1 or (reflected and n_samples <= n_fft // 2):
        raise ConfigError(
            f"a picture of {n_samples} samples is too short for an FFT of {n_fft}; more columns are needed"
        )


def amplitudes(waves: Tensor, *, n_fft: int, win_length: int, hop_length: int, pad_mode: str) -> Tensor:
    """Short-time amplitudes: [batch, samples] -> float64 [batch, n_fft / 2 + 1, 1 + samples // hop_length].

    Equals abs(librosa.stft) with a periodic Hann window, centred. Worked out in float64: the rounding of a
    float32 FFT already shows in the quiet parts of a logarithmic picture.
    """
    spectrum = torch.stft(
        waves.double(),
        n_fft,
        hop_length,
        win_length,
        window=torch.hann_window(win_length, dtype=torch.float64, device=waves.device),
        center=True,
        pad_mode=pad_mode,
        return_complex=True,
    )
    return spectrum.abs()


def to_peak(waves: Tensor, peak: float) -> Tensor:
    """Scale each sound so that its largest absolute sample is `peak`: [batch, samples], same type.

    Digital silence stays silence; a sound with NaN stays NaN and leaves the others alone.
    """
    loudest = waves.abs().amax(dim=1, keepdim=True)
    return torch.where(loudest == 0, waves, waves / torch.where(loudest == 0, 1.0, loudest) * peak)

"""Phase for a magnitude spectrogram: the fast Griffin-Lim algorithm, batched in torch.

Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (IEEE TASSP 1984), with
the acceleration of Perraudin, Balazs and Sondergaard, "A fast Griffin-Lim algorithm" (WASPAA 2013), in
the form that librosa.griffinlim has: same window, same padding, same momentum term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def seeded_phase(generators: Sequence[torch.Generator], rows: int, columns: int) -> Tensor:
    """Random initial phase, one generator per sound: float32 [batch, rows, columns] in [0, 2 pi)."""
    draws = [torch.rand((rows, columns), generator=generator) for generator in generators]
    return 2.0 * math.pi * torch.stack(draws)


def griffin_lim(
    magnitude: Tensor,
    initial_phase: Tensor,
    *,
    hop_length: int,
    length: int,
    win_length: int | None = None,
    pad_mode: str = "constant",
    iterations: int = 64,
    momentum: float = 0.99,
) -> Tensor:
    """Sound whose spectrogram comes close to `magnitude`.

    Args:
        magnitude: float [batch, n_fft / 2 + 1, columns], amplitudes, at least 0.
        initial_phase: float32 of the same shape, radians.
        hop_length: samples between two columns.
        length: samples of each sound; columns must equal 1 + length // hop_length.
        win_length: samples of the Hann window, padded with zeros to n_fft; None for n_fft.
        pad_mode: what torch.stft sees beyond both ends: "constant" (zeros) or "reflect".
        iterations: rounds of inverse and forward transform.
        momentum: acceleration of the 2013 paper; 0 is the algorithm of 1984.

    Returns:
        float32 [batch, length]. The work is done in float64: rounding that depends on the batch would
        otherwise grow through the rounds.
    """
    n_fft = 2 * (magnitude.shape[1] - 1)
    win_length = win_length or n_fft
    window = torch.hann_window(win_length, dtype=torch.float64, device=magnitude.device)
    target = magnitude.double()

    def to_wave(spectrum: Tensor) -> Tensor:
        return torch.istft(spectrum, n_fft, hop_length, win_length, window=window, center=True, length=length)

    def to_spectrum(wave: Tensor) -> Tensor:
        return torch.stft(
            wave, n_fft, hop_length, win_length, window=window, center=True, pad_mode=pad_mode, return_complex=True
        )

    phasor = torch.polar(torch.ones_like(target), initial_phase.to(target))
    previous = torch.zeros_like(phasor)
    for _ in range(iterations):
        rebuilt = to_spectrum(to_wave(target * phasor))
        phasor = rebuilt - (momentum / (1.0 + momentum)) * previous
        phasor = phasor / (phasor.abs() + torch.finfo(target.dtype).tiny)
        previous = rebuilt
    return to_wave(target * phasor).float()

"""How far a wave is from another one where the phase does not matter: short-time spectra at several resolutions.

Yamamoto et al., "Parallel WaveGAN", arXiv 1910.11480, eq. 3 to 6.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Amplitudes below it count as it: 120 dB below a full-scale sine in the shortest window.
_SMALLEST = 1e-4


def spectral_distances(
    made: Tensor, real: Tensor, resolutions: Sequence[tuple[int, int, int]]
) -> tuple[Tensor, Tensor]:
    """Spectral convergence (eq. 4) and log-amplitude distance (eq. 5), each the mean over resolutions (eq. 6).

    Two departures. The norms of eq. 4 are taken over the whole batch, as the published code does: a silent sound would
    be divided by zero. Both amplitudes of eq. 5 are held up at 1e-4, so that silence has a finite logarithm.

    Args:
        made, real: float [batch, samples] of equal shape.
        resolutions: FFT, hop and window in samples; Hann windows, no padding beyond the sounds.

    Returns:
        Two scalars, 0 for equal amplitudes; the second in natural logarithms.
    """
    convergences, differences = [], []
    for n_fft, hop_length, win_length in resolutions:
        of_made, of_real = (_amplitudes(wave, n_fft, hop_length, win_length) for wave in (made, real))
        convergences.append(torch.linalg.norm(of_real - of_made) / torch.linalg.norm(of_real))
        differences.append((of_real.log() - of_made.log()).abs().mean())
    return torch.stack(convergences).mean(), torch.stack(differences).mean()


def _amplitudes(waves: Tensor, n_fft: int, hop_length: int, win_length: int) -> Tensor:
    window = torch.hann_window(win_length, device=waves.device)
    spectrum = torch.stft(waves.float(), n_fft, hop_length, win_length, window, center=False, return_complex=True)
    # The root has no gradient at 0, so the square is held up and not the amplitude.
    return (spectrum.real.square() + spectrum.imag.square()).clamp_min(_SMALLEST**2).sqrt()

"""Spectral distances against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from generation.training.wave_losses import spectral_distances

RESOLUTIONS = ((256, 64, 256), (512, 100, 400))


def waves(seed: int) -> torch.Tensor:
    return torch.randn(2, 4000, generator=torch.Generator().manual_seed(seed))


def test_half_the_amplitude_is_half_a_convergence_and_the_logarithm_of_two() -> None:
    real = waves(0)
    convergence, amplitude = spectral_distances(0.5 * real, real, RESOLUTIONS)
    assert float(convergence) == pytest.approx(0.5, abs=1e-5)
    assert float(amplitude) == pytest.approx(math.log(2.0), abs=1e-4)


def test_convergence_is_the_norm_of_the_difference_over_that_of_the_recorded() -> None:
    """One frame, window as long as the FFT: the definition of eq. 4, worked out by another transform."""
    made, real = waves(1)[:, :256].double(), waves(2)[:, :256].double()
    window = torch.hann_window(256, dtype=torch.float64)
    of_made, of_real = torch.fft.rfft(made * window).abs(), torch.fft.rfft(real * window).abs()
    convergence, amplitude = spectral_distances(made, real, ((256, 64, 256),))
    assert float(convergence) == pytest.approx(float((of_real - of_made).norm() / of_real.norm()), rel=1e-4)
    assert float(amplitude) == pytest.approx(float((of_real.log() - of_made.log()).abs().mean()), rel=1e-3)


def test_the_phase_does_not_matter() -> None:
    real = waves(0)
    assert all(float(distance) < 1e-5 for distance in spectral_distances(-real, real, RESOLUTIONS))


def test_silence_in_a_batch_leaves_finite_losses_and_gradients() -> None:
    real, made = waves(0), torch.zeros(2, 4000, requires_grad=True)
    real[1] = 0.0
    sum(spectral_distances(made, real, RESOLUTIONS)).backward()
    assert made.grad is not None and bool(torch.isfinite(made.grad).all())

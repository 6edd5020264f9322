"""Noise, answers and weights of a denoising network, against values worked out by hand and by the papers' formulas."""

from __future__ import annotations

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from generation.training.objectives import draw_times, errors_of, noised, snr_weights


def two_times(prediction_type: str) -> DDPMScheduler:
    """Alphas up to a time: 0.8, then 0.8 x 0.25 = 0.2, so that snr is 4, then 1/4."""
    return DDPMScheduler(trained_betas=[0.2, 0.75], num_train_timesteps=2, prediction_type=prediction_type)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("epsilon", [-1.0, -1.0]),
        ("sample", [2.0, 2.0]),
        # sqrt(a) noise - sqrt(1 - a) clean: a = 0.8, then 0.2.
        ("v_prediction", [-(0.8**0.5) - 2 * 0.2**0.5, -(0.2**0.5) - 2 * 0.8**0.5]),
    ],
)
def test_noise_and_answers_by_hand(kind: str, wanted: list[float]) -> None:
    clean, noise = torch.full((2, 1, 1, 1), 2.0), torch.full((2, 1, 1, 1), -1.0)
    noisy, answer = noised(two_times(kind), clean, noise, torch.tensor([0, 1]))
    assert noisy.flatten().tolist() == pytest.approx([2 * 0.8**0.5 - 0.2**0.5, 2 * 0.2**0.5 - 0.8**0.5])
    assert answer.flatten().tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("kind", "form", "wanted"),
    [
        # snr 4 and 1/4, gamma 2: the smaller of both is 2 and 1/4.
        ("epsilon", "matched", [2 / 4, 1.0]),
        ("v_prediction", "matched", [2 / 5, 0.25 / 1.25]),
        ("sample", "matched", [2.0, 0.25]),
        ("v_prediction", "epsilon", [2 / 4, 1.0]),
    ],
)
def test_min_snr_weights_by_hand(kind: str, form: str, wanted: list[float]) -> None:
    weights = snr_weights(two_times(kind), torch.tensor([0, 1]), 2.0, form)  # type: ignore[arg-type]
    assert weights.tolist() == pytest.approx(wanted)


def test_matched_weights_mean_the_same_error_of_the_clean_sample() -> None:
    """An error e of the clean sample is one of sqrt(snr) e in epsilon, and of sqrt(snr + 1) e in v (up to sign)."""
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    times = torch.arange(0, 1000, 37)
    losses = []
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler = DDPMScheduler(prediction_type=kind, **schedule)
        generator = torch.Generator().manual_seed(0)
        clean, noise = (torch.randn(len(times), 1, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
        a = scheduler.alphas_cumprod.double()[times].view(-1, 1, 1, 1)
        noisy, wanted = noised(scheduler, clean, noise, times)
        guess = clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        implied = (noisy - a.sqrt() * guess) / (1 - a).sqrt()
        answer = {"epsilon": implied, "sample": guess, "v_prediction": a.sqrt() * implied - (1 - a).sqrt() * guess}
        losses.append(snr_weights(scheduler, times, 5.0, "matched") * errors_of(answer[kind], wanted))
    assert torch.allclose(losses[0], losses[2], rtol=1e-3)
    assert torch.allclose(losses[1], losses[2], rtol=1e-3)


def test_no_gamma_weighs_all_times_alike() -> None:
    assert snr_weights(two_times("epsilon"), torch.tensor([0, 1]), None, "matched").tolist() == [1.0, 1.0]


def test_pure_noise_at_the_end_has_finite_weights() -> None:
    scheduler = DDPMScheduler(rescale_betas_zero_snr=True, beta_schedule="scaled_linear")
    for form in ("epsilon", "matched"):
        weights = snr_weights(scheduler, torch.tensor([0, 998, 999]), 5.0, form)  # type: ignore[arg-type]
        assert bool(torch.isfinite(weights).all())


def test_times_cover_the_schedule_evenly() -> None:
    torch.manual_seed(0)
    times = draw_times(DDPMScheduler(num_train_timesteps=10), 10_000, "cpu")
    counts = torch.bincount(times, minlength=10)
    assert len(counts) == 10 and int(counts.min()) > 900 and int(counts.max()) < 1100


def test_the_error_is_of_each_sample() -> None:
    answered = torch.tensor([[[[1.0, 3.0]]], [[[0.0, 0.0]]]])
    assert errors_of(answered, torch.zeros(2, 1, 1, 2)).tolist() == [5.0, 0.0]

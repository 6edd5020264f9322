"""What a denoising network is asked to say of a noisy sample, and how much each time counts.

Noise and times as in Ho et al. 2020 (arXiv 2006.11239, equation 4); v as in Salimans and Ho 2022 (arXiv 2202.00512,
appendix D); weights as in Hang et al. 2023 (arXiv 2303.09556).
"""

from __future__ import annotations

from typing import Literal

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

SnrForm = Literal["matched", "epsilon"]


def draw_times(scheduler: DDPMScheduler, count: int, device: str | torch.device) -> Tensor:
    """Draw a time for each sample, all alike likely: int64 [count], from torch's global generator."""
    return torch.randint(0, scheduler.config["num_train_timesteps"], (count,), device=device)


def noised(scheduler: DDPMScheduler, clean: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy samples and what the network must answer to them, both of the shape of `clean`.

    With a = the product of the alphas up to a sample's time, noisy = sqrt(a) clean + sqrt(1 - a) noise. The answer
    is, by the scheduler's prediction_type: epsilon, the noise; v_prediction, sqrt(a) noise - sqrt(1 - a) clean;
    sample, the clean sample.

    Args:
        scheduler: says the noise of each time.
        clean: float [batch, channels, rows, columns].
        noise: standard normal, of that shape.
        times: int64 [batch].
    """
    noisy = scheduler.add_noise(clean, noise, times)  # type: ignore[arg-type]  # annotated as IntTensor
    kind = scheduler.config["prediction_type"]
    if kind == "epsilon":
        return noisy, noise
    if kind == "v_prediction":
        return noisy, scheduler.get_velocity(clean, noise, times)  # type: ignore[arg-type]
    if kind == "sample":
        return noisy, clean
    raise ValueError(f"prediction_type {kind}: epsilon, v_prediction or sample is needed")


def snr_weights(scheduler: DDPMScheduler, times: Tensor, gamma: float | None, form: SnrForm) -> Tensor:
    """Min-SNR weights of the squared error at some times: float32 [times].

    snr = a / (1 - a) of each time. In the matched form the weight belongs to what is predicted: min(snr, gamma) for
    the clean sample, divided by snr for epsilon, by snr + 1 for v (Hang et al., section 3.4), which all mean the
    same error of the clean sample. TANGO's published training takes epsilon's weight with v: form "epsilon".

    Args:
        scheduler: says the noise of each time.
        times: int64.
        gamma: the limit; None weighs all times alike.
        form: matched or epsilon.
    """
    if gamma is None:
        return torch.ones(len(times), device=times.device)
    alphas = scheduler.alphas_cumprod.to(times.device)[times].double()
    snr = alphas / (1.0 - alphas)
    kind = "epsilon" if form == "epsilon" else scheduler.config["prediction_type"]
    capped = snr.clamp(max=gamma)
    if kind == "epsilon":
        # Not capped / snr: where a schedule ends in noise alone that is 0 / 0.
        weights = (gamma / snr).clamp(max=1.0)
    else:
        weights = capped / (snr + 1.0) if kind == "v_prediction" else capped
    return weights.float()


def errors_of(answered: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of each sample: [batch, ...] -> float32 [batch]."""
    return (answered.float() - wanted.float()).square().flatten(1).mean(dim=1)

"""The published networks have the parameters that they are published with, counted without memory for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from generation.models import full_size


def vocoder(**config: Any) -> SpeechT5HifiGan:
    return SpeechT5HifiGan(SpeechT5HifiGanConfig(**config))


@pytest.mark.parametrize(
    ("build", "config", "parameters"),
    [
        (UNet2DConditionModel, full_size.AUDIO_DIFFUSION_UNET, 142_229_121),
        (UNet2DConditionModel, full_size.AUDIO_LATENT_DIFFUSION_UNET, 142_229_121),
        (UNet2DConditionModel, full_size.RIFFUSION_UNET, 859_520_964),
        (UNet2DConditionModel, full_size.TANGO_UNET, 865_933_768),
        (AutoencoderKL, full_size.AUDIO_LATENT_DIFFUSION_VAE, 83_607_691),
        (AutoencoderKL, full_size.RIFFUSION_VAE, 83_653_863),
        (AutoencoderKL, full_size.TANGO_VAE, 55_376_873),
        (vocoder, full_size.TANGO_VOCODER, 55_264_897),
    ],
)
def test_parameters(build: Callable[..., torch.nn.Module], config: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = build(**config)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("config", "last"),
    [
        (full_size.AUDIO_DIFFUSION_NOISE, 4.0e-5),
        (full_size.AUDIO_LATENT_DIFFUSION_NOISE, 4.0e-5),
        (full_size.RIFFUSION_NOISE, 4.7e-3),
        (full_size.TANGO_NOISE, 4.7e-3),
    ],
)
def test_the_noisiest_time_leaves_hardly_any_signal(config: dict[str, Any], last: float) -> None:
    assert float(DDPMScheduler(**config).alphas_cumprod[-1]) == pytest.approx(last, rel=0.03)

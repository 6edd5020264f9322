"""The full-size models: parameters as published, counted without memory for them, and cards that say their pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from generation.cards import read_card
from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import SAMPLE_RATE_HZ
from generation.models import full_size
from generation.pipelines.riffusion import codec_at
from generation.shipped import config_path
from generation.strict_yaml import read_yaml


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


def picture_of(recipe: str) -> dict[str, Any]:
    """The sizes of the pictures that a shipped training configuration asks for."""
    picture = read_yaml(config_path("train", recipe))["picture"]
    return {name: value for name, value in picture.items() if name != "codec"}


@pytest.mark.parametrize(
    ("name", "codec", "n_samples"),
    [
        ("chopan", lambda: StftDbCodec(), 63 * 256),
        ("audio-diffusion", lambda: MelImageCodec(**picture_of("audio-diffusion-sane")), 63 * 1024),
        ("audio-latent-diffusion", lambda: MelImageCodec(**picture_of("autoencoder-mel-sane")), 255 * 256),
        ("riffusion", lambda: codec_at(44100), 511 * 441),
        ("riffusion-ft", lambda: codec_at(SAMPLE_RATE_HZ), 511 * 160),
        ("tango", lambda: LogMelCodec(), 1024 * 160),
        ("tango-ft", lambda: LogMelCodec(**picture_of("tango-ft-sane")), 416 * 160),
    ],
)
def test_a_card_says_the_rate_and_the_length_of_its_pictures(
    name: str, codec: Callable[[], Any], n_samples: int
) -> None:
    """What a folder's pictures hold decides; a card that says otherwise could not be loaded with it."""
    card, made = read_card(name), codec()
    assert card.sample_rate_hz == made.config["sample_rate_hz"]
    assert card.length_s == made.duration_s == n_samples / card.sample_rate_hz

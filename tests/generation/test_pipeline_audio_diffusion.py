"""Audio Diffusion in pixels and in latents: shapes, and pictures that reach the codec as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from generation.codecs.mel_image import MelImageCodec
from generation.models.full_size import AUDIO_LATENT_DIFFUSION_UNET, AUDIO_LATENT_DIFFUSION_VAE
from generation.pipelines.text_to_sound import decode_vae, vae_reduction
from tests.generation.toy_diffusion import SHORT, toy_audio_diffusion, toy_audio_latent_diffusion, toy_vae


def test_pixels_are_the_latents_of_a_pipeline_without_autoencoder() -> None:
    pipeline = toy_audio_diffusion()
    latents = torch.randn(2, 1, 16, 16)
    assert pipeline.latent_shape(16) == (1, 16, 16)
    assert torch.equal(pipeline.decode_latents(latents), latents)


def test_latents_are_smaller_and_decoded_after_their_scale_is_taken_away() -> None:
    pipeline = toy_audio_latent_diffusion()
    assert pipeline.latent_shape(16) == (2, 8, 8)
    vae = toy_vae(1, latent_channels=2)
    latents = torch.randn(2, 2, 8, 8)
    with torch.no_grad():
        assert torch.equal(decode_vae(vae, latents), vae.decode(latents / 0.5).sample)
        assert decode_vae(vae, latents).shape == (2, 1, 16, 16)


def test_full_size_latents_are_32_by_32() -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(**AUDIO_LATENT_DIFFUSION_VAE)
    codec = MelImageCodec(n_mels=256, n_frames=256, hop_length=256)
    side = codec.config["n_mels"] // vae_reduction(vae)
    assert (side, side) == AUDIO_LATENT_DIFFUSION_UNET["sample_size"]


def test_sounds_a_known_picture_as_the_codec_does() -> None:
    pipeline = toy_audio_diffusion()
    tone = torch.sin(2 * torch.pi * 440.0 / 16000 * torch.arange(1920))[None]
    picture = pipeline.codec.encode(tone)
    wave = pipeline.decode(pipeline.decode_latents(picture), [torch.Generator().manual_seed(0)])[0].numpy()
    assert wave.shape == (1920,) and np.abs(wave).max() == pytest.approx(0.5)
    peak_hz = np.abs(np.fft.rfft(wave)).argmax() * 16000 / 1920
    assert peak_hz == pytest.approx(440.0, abs=120.0)  # 16 bands are a rough ear


def test_its_pictures_have_one_length() -> None:
    pipeline = toy_audio_diffusion()
    assert pipeline.frames_of(None) == pipeline.frames_of(0.12) == 16
    with pytest.raises(Exception, match="2 s were asked for; this model's sounds last 0.120 s"):
        pipeline([SHORT], [1], 2, duration_s=2.0)

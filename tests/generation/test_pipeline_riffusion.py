"""Riffusion: folders of the published kind, the codec at other rates, and no safety checker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_pndm import PNDMScheduler

from generation.errors import CardError
from generation.pipelines import riffusion
from generation.pipelines.riffusion import RiffusionAudioPipeline, codec_at
from tests.generation.toy_diffusion import SHORT, TRAIN_STEPS, toy_card, toy_riffusion


def stable_diffusion(folder: Path) -> Path:
    """Save the toy's components as the published checkpoint comes: Stable Diffusion's own pipeline, no codec."""
    parts = toy_riffusion().components
    scheduler = PNDMScheduler(num_train_timesteps=TRAIN_STEPS, skip_prk_steps=True)
    StableDiffusionPipeline(
        vae=parts["vae"], text_encoder=parts["text_encoder"], tokenizer=parts["tokenizer"], unet=parts["unet"],
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    index = json.loads((folder / "model_index.json").read_text())
    # Named as the published checkpoint names it; nothing of it lies in the folder, so loading it would fail.
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_published_folder_loads_with_the_published_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riffusion, "codec_at", lambda rate: toy_riffusion().codec)
    model = riffusion.load(stable_diffusion(tmp_path), toy_card("riffusion", toy_riffusion()), "cpu")
    assert isinstance(model.pipeline, RiffusionAudioPipeline)
    clip = model.generate([SHORT], [3], 4, None, None)[0]
    assert np.isfinite(clip.samples).all() and np.abs(clip.samples).max() == pytest.approx(0.5)
    assert np.array_equal(clip.samples, model.generate([SHORT], [3], 4, None, None)[0].samples)
    # Saved as our own, it names its codec.
    model.pipeline.save_pretrained(tmp_path / "ours")
    again = riffusion.load(tmp_path / "ours", toy_card("riffusion", toy_riffusion()), "cpu")
    assert np.array_equal(clip.samples, again.generate([SHORT], [3], 4, None, None)[0].samples)


@pytest.mark.parametrize(("rate", "length_s"), [(16000, 5.11), (44100, 5.11)])
def test_the_published_codec_keeps_its_columns_at_any_rate(tmp_path: Path, rate: int, length_s: float) -> None:
    card = toy_card("riffusion", toy_riffusion(), sample_rate_hz=rate, length_s=length_s)
    model = riffusion.load(stable_diffusion(tmp_path), card, "cpu")
    assert model.pipeline.codec.config["sample_rate_hz"] == rate
    assert model.pipeline.latent_shape(512) == (4, 256, 256)  # the toy's autoencoder halves, the published one / 8
    assert codec_at(44100).config["n_fft"] == 17640 and codec_at(16000).config["win_length"] == 1600


def test_there_is_no_place_for_a_safety_checker() -> None:
    assert "safety_checker" not in toy_riffusion().components


def test_a_black_picture_is_noise_and_a_white_one_silence() -> None:
    pipeline = toy_riffusion()
    pictures = torch.stack([torch.full((3, 16, 16), -1.0), torch.full((3, 16, 16), 1.0)])
    waves = pipeline.decode(pictures, [torch.Generator().manual_seed(seed) for seed in (0, 1)])
    assert float(waves[0].abs().max()) == pytest.approx(0.5) and float(waves[1].abs().max()) == 0.0


def test_latents_are_decoded_to_three_colours() -> None:
    pipeline = toy_riffusion()
    with torch.no_grad():
        assert pipeline.decode_latents(torch.randn(2, *pipeline.latent_shape(16))).shape == (2, 3, 16, 16)


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no riffusion pipeline is here"):
        riffusion.load(tmp_path, toy_card("riffusion", toy_riffusion()), "cpu")

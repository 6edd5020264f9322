"""TANGO: lengths chosen per call, the vocoder's samples, and a vocoder made for other pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from generation.codecs.log_mel import LogMelCodec
from generation.errors import ConfigError, GenerationError
from generation.models.full_size import TANGO_UNET, TANGO_VAE, TANGO_VOCODER
from generation.pipelines.tango import TangoPipeline
from tests.generation.tones import steady
from tests.generation.toy_diffusion import LONG, SHORT, toy_t5, toy_tango, toy_tokenizer, toy_vocoder


def full_size() -> TangoPipeline:
    """The published sizes, without memory for their weights."""
    parts = toy_tango().components
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**TANGO_UNET), AutoencoderKL(**TANGO_VAE)
        vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**TANGO_VOCODER))
    tokenizer = toy_tokenizer()
    return TangoPipeline(toy_t5(len(tokenizer)), tokenizer, unet, vae, vocoder, parts["scheduler"], LogMelCodec())


def test_full_size_lengths_are_416_and_1024_frames() -> None:
    pipeline = full_size()
    assert [pipeline.frames_of(seconds) for seconds in (None, 10.24, 4.0, 4.16, 0.1)] == [1024, 1024, 416, 416, 32]
    assert pipeline.latent_shape(1024) == (8, 256, 16)
    assert pipeline.latent_shape(416) == (8, 104, 16)


@pytest.mark.parametrize("duration_s", [None, 0.16, 0.41, 0.64])
def test_a_wave_has_160_samples_a_frame(duration_s: float | None) -> None:
    pipeline = toy_tango()
    frames = pipeline.frames_of(duration_s)
    waves = pipeline([SHORT, LONG], [1, 2], 2, duration_s=duration_s).waves
    assert waves.shape == (2, frames * 160)
    assert duration_s is None or waves.shape[1] / 16000 >= duration_s
    # The vocoder gives more: what is cut off is the end.
    with torch.no_grad():
        raw = pipeline.vocoder(torch.zeros(1, frames, 16))
    assert raw.shape[1] == frames * 160 + 32


def test_the_network_sees_mask_and_length(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = toy_tango()
    seen: list[tuple[tuple[int, ...], list[list[int]]]] = []

    def watch(_: object, given: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        seen.append((tuple(given[0].shape), named["encoder_attention_mask"].tolist()))

    pipeline.unet.register_forward_pre_hook(watch, with_kwargs=True)
    pipeline([SHORT, LONG], [1, 2], 1, guidance_scale=3.0, duration_s=0.64)
    shape, mask = seen[0]
    assert shape == (4, 4, 32, 8)  # 64 frames and 16 bands, halved
    assert [sum(row) for row in mask] == [2, 2, 3, 10]  # twice the empty prompt, then the two


def test_samples_stay_within_full_scale_at_any_level() -> None:
    pipeline = toy_tango()
    with torch.no_grad():
        wave = pipeline.decode(torch.full((1, 1, 32, 16), 1e4), [])
    assert float(wave.abs().max()) <= 1.0 and torch.isfinite(wave).all()


def test_level_is_the_vocoders_and_never_normalised() -> None:
    pipeline = toy_tango()
    pictures = torch.randn(2, 1, 32, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = pipeline.vocoder(pictures[:, 0])[:, : 32 * 160]
        assert torch.equal(pipeline.decode(pictures, []), expected)
        assert np.ptp(expected.abs().amax(dim=1).numpy()) > 0


def test_without_a_vocoder_griffin_lim_sounds_the_same_pictures(tmp_path: Path) -> None:
    parts = {name: part for name, part in toy_tango().components.items() if name != "vocoder"}
    pipeline = TangoPipeline(**parts, vocoder=None)
    pictures = pipeline.codec.encode(torch.from_numpy(steady(69.0, 0.32))[None].float())
    wave = pipeline.decode(pictures, [torch.Generator().manual_seed(1)])
    assert wave.shape == (1, 32 * 160)
    assert float((pipeline.codec.log_mel(wave) - pictures).abs().mean()) < 0.5
    pipeline.save_pretrained(tmp_path)
    loaded = TangoPipeline.from_pretrained(tmp_path)
    assert loaded.vocoder is None
    for seconds, samples in ((None, 32 * 160), (0.64, 64 * 160)):
        made, again = (each([SHORT], [5], 2, duration_s=seconds).waves for each in (pipeline, loaded))
        assert made.shape == (1, samples) and np.array_equal(made, again)


@pytest.mark.parametrize(
    "changes", [{"sampling_rate": 22050}, {"model_in_dim": 8}, {"upsample_rates": [4, 4, 2, 2, 2]}]
)
def test_a_vocoder_for_other_pictures_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"the vocoder was made for \(rate, hop, bands\)"):
        toy_tango(toy_vocoder(**changes))


def test_a_length_that_is_none_is_one_line() -> None:
    for seconds in (0.0, -1.0, float("inf")):
        with pytest.raises(GenerationError, match="a length above 0 is needed"):
            toy_tango()([SHORT], [1], 2, duration_s=seconds)

"""TANGO's original files become a model: the same numbers, the published settings, the whole licence chain."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flows.cli import main
from generation.codecs.log_mel import LogMelCodec
from generation.convert.tango import convert_tango
from generation.convert.tango_layout import MainSettings, StftSettings, VaeSettings, unet_config, vae_name
from generation.models.full_size import TANGO_NOISE, TANGO_UNET, TANGO_VAE
from generation.pipelines.tango import TangoPipeline
from generation.registry import load_model
from generation.strict_yaml import validate
from tests.generation.toy_tango_original import (
    BANDS,
    LATENTS,
    MAIN_CONFIG,
    STFT_CONFIG,
    VAE_CONFIG,
    Original,
    original_files,
    toy_t5_tokenizer,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original_files(tmp_path_factory.mktemp("tango")) as files:
        yield files


@pytest.fixture(scope="module")
def converted(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "tango"
    convert_tango(original.folder, out, original.t5_folder)
    return out


@pytest.fixture(scope="module")
def pipeline(converted: Path) -> TangoPipeline:
    return TangoPipeline.from_pretrained(converted, local_files_only=True)


def test_whoever_may_read_one_file_may_read_all(converted: Path) -> None:
    modes = {path.stat().st_mode for path in converted.rglob("*") if path.is_file()}
    probe = converted / "probe"
    probe.touch()
    assert modes == {probe.stat().st_mode}
    probe.unlink()


# -------------------- the same numbers


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_the_autoencoder_encodes_and_decodes_as_the_original(
    original: Original, pipeline: TangoPipeline, dtype: torch.dtype, tolerance: float
) -> None:
    """Equal up to rounding; double precision shows that what float32 leaves is rounding."""
    theirs, ours = copy.deepcopy(original.vae).to(dtype), copy.deepcopy(pipeline.vae).to(dtype)
    random = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, 1, 32, BANDS, generator=random).to(dtype) * 3 - 5
    latents = torch.randn(2, LATENTS, 8, 16, generator=random).to(dtype)
    for before, after in (
        (theirs.moments(pictures), ours.encode(pictures).latent_dist.parameters),
        (theirs.decode(latents), ours.decode(latents).sample),
    ):
        assert before.std() > 0.1, "silent networks are alike"
        assert (before - after).abs().max() < tolerance * before.abs().max()


@torch.no_grad()
def test_the_vocoder_sounds_as_the_original(original: Original, pipeline: TangoPipeline) -> None:
    pictures = torch.randn(2, 40, BANDS, generator=torch.Generator().manual_seed(3)) * 3 - 5
    expected = original.vae.vocoder(pictures.transpose(1, 2))[:, 0]
    assert torch.allclose(pipeline.vocoder(pictures), expected, rtol=0, atol=1e-6)
    assert expected.std() > 1e-3


def test_the_denoising_network_and_the_text_encoder_are_unchanged(original: Original, pipeline: TangoPipeline) -> None:
    for before, after in ((original.main.unet, pipeline.unet), (original.main.text_encoder, pipeline.text_encoder)):
        expected, state = before.state_dict(), after.state_dict()
        assert list(expected) == list(state)
        assert all(torch.equal(expected[name], state[name]) for name in expected)


@torch.no_grad()
def test_latents_and_texts_pass_as_before(original: Original, pipeline: TangoPipeline) -> None:
    text = pipeline.encode_texts(["dark bass", "a drum loop on the bass"])
    ids = toy_t5_tokenizer()(["dark bass", "a drum loop on the bass"], padding=True, return_tensors="pt")
    expected = original.main.text_encoder(**ids).last_hidden_state
    assert torch.equal(text.states, expected) and text.mask.tolist() == ids.attention_mask.tolist()
    latents = torch.randn(2, LATENTS, 8, 16, generator=torch.Generator().manual_seed(4))
    noise = [
        unet(latents, 500, expected, encoder_attention_mask=ids.attention_mask.bool()).sample
        for unet in (original.main.unet, pipeline.unet)
    ]
    assert torch.equal(*noise)


def test_the_model_loads_by_its_folder_and_makes_sound(converted: Path) -> None:
    model = load_model(converted)
    assert (model.card.name, model.card.commercial, model.card.length_s) == ("tango", "no", 10.24)
    technique: Any = model._technique
    wave = technique.pipeline(["dark bass"], [1], steps=2, duration_s=0.3).waves
    assert wave.shape == (1, 32 * 160)


def test_the_card_tells_the_whole_chain(converted: Path) -> None:
    links = {link.part: link for link in load_model(converted).card.licence_chain}
    assert links["weights"].licence == links["autoencoder and vocoder"].licence == "CC-BY-NC-SA-4.0"
    assert links["original code (none of it is used here)"].licence == "CC-BY-NC-ND-4.0"
    assert links["text encoder"].licence == "Apache-2.0"
    assert links["training data"].commercial == "undeclared"


# -------------------- the published settings


def test_the_published_settings_are_those_of_the_house(tmp_path: Path, pipeline: TangoPipeline) -> None:
    assert validate(VAE_CONFIG, VaeSettings, "vae").autoencoder_config() == TANGO_VAE
    assert unet_config(tmp_path, validate(MAIN_CONFIG, MainSettings, "main")) is TANGO_UNET
    codec = LogMelCodec(**validate(STFT_CONFIG, StftSettings, "stft").codec_config())
    for name, value in LogMelCodec().config.items():
        assert name.startswith("_") or value == codec.config[name] == pipeline.codec.config[name]
    assert {name: pipeline.scheduler.config[name] for name in TANGO_NOISE} == TANGO_NOISE
    assert len(json.dumps(MAIN_CONFIG)) == 207 and len(json.dumps(STFT_CONFIG)) == 141  # bytes as on the hub
    assert len(json.dumps(VAE_CONFIG)) == 326


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("encoder.down_blocks.1.resnets.0.conv_shortcut.weight", "encoder.down.1.block.0.nin_shortcut.weight"),
        ("encoder.down_blocks.0.downsamplers.0.conv.bias", "encoder.down.0.downsample.conv.bias"),
        ("decoder.up_blocks.0.resnets.2.norm1.weight", "decoder.up.2.block.2.norm1.weight"),
        ("decoder.up_blocks.1.upsamplers.0.conv.weight", "decoder.up.1.upsample.conv.weight"),
        ("decoder.mid_block.resnets.1.conv2.bias", "decoder.mid.block_2.conv2.bias"),
        ("encoder.mid_block.attentions.0.group_norm.bias", "encoder.mid.attn_1.norm.bias"),
        ("encoder.mid_block.attentions.0.to_out.0.weight", "encoder.mid.attn_1.proj_out.weight"),
        ("decoder.conv_norm_out.weight", "decoder.norm_out.weight"),
        ("post_quant_conv.weight", "post_quant_conv.weight"),
    ],
)
def test_names_of_the_autoencoder_by_hand(ours: str, theirs: str) -> None:
    assert vae_name(ours, levels=3) == theirs


def test_the_command_converts_and_shows_the_card(
    original: Original, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "models",
        "convert",
        original.folder,
        "--text-encoder",
        original.t5_folder,
        "--out",
        tmp_path / "mine",
        "--json",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, line), "--name", "mine"])
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == load_model(tmp_path / "mine").card.name == "mine"

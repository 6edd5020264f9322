"""TANGO's original files become a model: the same numbers, every key accounted for, one line for what is wrong."""

from __future__ import annotations

import copy
import json
import pickle
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from flows.cli import main
from generation.codecs.log_mel import LogMelCodec
from generation.convert import ConversionError, tango
from generation.convert.tango import convert_tango
from generation.convert.tango_layout import MainSettings, StftSettings, VaeSettings, unet_config, vae_name
from generation.convert.torch_files import read_tensors
from generation.errors import ConfigError, GenerationError
from generation.models.full_size import TANGO_NOISE, TANGO_UNET, TANGO_VAE
from generation.pipelines.tango import TangoPipeline
from generation.registry import load_model
from generation.strict_yaml import validate
from tests.generation.toy_tango_original import (
    BANDS,
    LATENTS,
    MAIN_CONFIG,
    STFT_CONFIG,
    TEXT_WIDTH,
    VAE_CONFIG,
    VOCODER_WIDTH,
    Original,
    toy_t5_tokenizer,
    write_json,
    write_original,
)

MAIN, VAE = "pytorch_model_main.bin", "pytorch_model_vae.bin"


@pytest.fixture(scope="module", autouse=True)
def narrow_vocoder() -> Iterator[None]:
    """The original files do not say the vocoder's width, which is always that of AudioLDM's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tango.TANGO_VOCODER, "upsample_initial_channel", VOCODER_WIDTH)
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return write_original(tmp_path_factory.mktemp("tango"))


@pytest.fixture(scope="module")
def converted(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "tango"
    convert_tango(original.folder, out, original.t5_folder)
    return out


@pytest.fixture(scope="module")
def pipeline(converted: Path) -> TangoPipeline:
    return TangoPipeline.from_pretrained(converted, local_files_only=True)


@pytest.fixture
def files(original: Original, tmp_path: Path) -> Original:
    """A copy that a test may spoil."""
    folder = tmp_path / "files"
    shutil.copytree(original.folder, folder / "original")
    shutil.copytree(original.t5_folder, folder / "flan-t5")
    return Original(folder / "original", folder / "flan-t5", original.main, original.vae)


def refused(files: Original, out: Path, error: type[GenerationError] = ConversionError, **more: Any) -> str:
    """The one line of a conversion that must fail and must leave nothing."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(error) as caught:
        convert_tango(files.folder, out, files.t5_folder, **more)
    assert "\n" not in str(caught.value)
    assert sorted(out.parent.iterdir()) == before
    return str(caught.value)


def change(path: Path, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    tensors = torch.load(path, weights_only=True)
    edit(tensors)
    torch.save(tensors, path)


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


def test_another_text_encoder_is_of_unknown_terms(files: Original, tmp_path: Path) -> None:
    write_json(files.folder / "main_config.json", {**MAIN_CONFIG, "text_encoder_name": "someone/t5"})
    card = convert_tango(files.folder, tmp_path / "out", files.t5_folder, name="mine")
    assert (card.name, card.licence_chain[-1].licence, card.licence_chain[-1].commercial) == (
        "mine",
        None,
        "undeclared",
    )


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


# -------------------- other good files


def test_an_old_file_is_read_too(files: Original, original: Original) -> None:
    torch.save(original.vae.state_dict(), files.folder / VAE, _use_new_zipfile_serialization=False)
    tensors = read_tensors(files.folder / VAE)
    assert torch.equal(tensors["quant_conv.weight"], original.vae.quant_conv.weight)


def test_the_text_encoder_comes_from_its_own_folder_where_the_main_file_has_none(
    files: Original, original: Original, tmp_path: Path
) -> None:
    torch.save({f"unet.{name}": each for name, each in original.main.unet.state_dict().items()}, files.folder / MAIN)
    assert "holds no text encoder, and none can be loaded here" in refused(files, tmp_path / "out")
    original.main.text_encoder.save_pretrained(files.t5_folder)
    convert_tango(files.folder, tmp_path / "out", files.t5_folder)
    loaded = TangoPipeline.from_pretrained(tmp_path / "out", local_files_only=True).text_encoder
    assert torch.equal(loaded.shared.weight, original.main.text_encoder.shared.weight)
    narrow = tango.T5EncoderModel(tango.T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=8, num_layers=1, num_heads=2))
    narrow.save_pretrained(files.t5_folder)
    assert f"has 16 channels, the denoising network takes {TEXT_WIDTH}" in refused(files, tmp_path / "narrow")


def test_one_name_of_the_table_of_words_is_enough_and_two_must_agree(files: Original, tmp_path: Path) -> None:
    table = "text_encoder.encoder.embed_tokens.weight"
    change(files.folder / MAIN, lambda tensors: tensors.update({table: tensors[table] + 1}))
    assert "differ; T5 has one table of words" in refused(files, tmp_path / "out")
    change(files.folder / MAIN, lambda tensors: tensors.pop(table))
    convert_tango(files.folder, tmp_path / "out", files.t5_folder)


# -------------------- refused in one line


def test_missing_files_are_named(files: Original, tmp_path: Path) -> None:
    (files.folder / VAE).unlink()
    (files.folder / "stft_config.json").unlink()
    assert f"lacks stft_config.json, {VAE}; TANGO's" in refused(files, tmp_path / "out")
    assert "lacks main_config.json" in refused(
        Original(tmp_path / "none", files.t5_folder, *2 * [None]), tmp_path / "o"
    )


def test_a_folder_that_exists_is_left_alone(files: Original, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert "already exists; choose a new folder" in refused(files, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (MAIN, "unet.conv_in.bias"),
        (MAIN, "text_encoder.encoder.final_layer_norm.weight"),
        (VAE, "decoder.up.2.block.0.conv1.weight"),
        (VAE, "vocoder.ups.3.bias"),
    ],
)
def test_a_missing_key_is_named(files: Original, tmp_path: Path, file: str, key: str) -> None:
    change(files.folder / file, lambda tensors: tensors.pop(key))
    line = refused(files, tmp_path / "out")
    assert file in line and f"1 missing: {key}" in line and "unknown" not in line


@pytest.mark.parametrize("file", [MAIN, VAE])
def test_an_unknown_key_is_named(files: Original, tmp_path: Path, file: str) -> None:
    change(files.folder / file, lambda tensors: tensors.update({f"loss.{i}": torch.zeros(1) for i in range(10)}))
    line = refused(files, tmp_path / "out")
    assert file in line and "10 unknown: loss.0, loss.1" in line and "loss.7 and 2 more" in line


def test_another_shape_is_named(files: Original, tmp_path: Path) -> None:
    change(files.folder / VAE, lambda tensors: tensors.update({"vocoder.conv_post.bias": torch.zeros(2)}))
    assert "1 of another shape: vocoder.conv_post.bias (is [2], needed [1])" in refused(files, tmp_path / "out")


class Trap:
    """Writes a file when somebody unpickles it without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(files: Original, tmp_path: Path, zipped: bool) -> None:
    trap = {"quant_conv.weight": Trap(tmp_path / "sprung")}
    if zipped:
        torch.save(trap, files.folder / VAE)
    else:
        (files.folder / VAE).write_bytes(pickle.dumps(trap))
    line = refused(files, tmp_path / "out")
    assert f"{VAE}: holds something else than weights, which could run code; it was not opened" in line
    assert not (tmp_path / "sprung").exists()
    torch.load(files.folder / VAE, weights_only=False) if zipped else pickle.loads((files.folder / VAE).read_bytes())
    assert (tmp_path / "sprung").exists(), "the trap would not have worked"


@pytest.mark.parametrize("file", [MAIN, VAE])
@pytest.mark.parametrize("kept", [0, 0.5, 0.99999])
def test_a_truncated_file_is_refused(files: Original, tmp_path: Path, file: str, kept: float) -> None:
    whole = (files.folder / file).read_bytes()
    (files.folder / file).write_bytes(whole[: int(kept * len(whole))])
    assert f"{file}: is cut short, or no file of PyTorch weights; fetch it again" in refused(files, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1, 2], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"state_dict": {"a": torch.zeros(1)}}, "state_dict is no tensor of floats"),
        ({"a": torch.zeros(1, dtype=torch.int64)}, "a is no tensor of floats"),
        ({"a": torch.zeros(1, device="meta")}, "a is no tensor of floats"),
    ],
)
def test_a_file_of_something_else_is_refused(files: Original, tmp_path: Path, content: Any, told: str) -> None:
    torch.save(content, files.folder / MAIN)
    assert told in refused(files, tmp_path / "out")


@pytest.mark.parametrize("text", ["", "<html>not found</html>", "[1]", "\xff"])
def test_settings_that_are_no_json_are_refused(files: Original, tmp_path: Path, text: str) -> None:
    (files.folder / "vae_config.json").write_text(text, encoding="latin-1")
    assert "vae_config.json: is " in refused(files, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("main_config.json", {**MAIN_CONFIG, "scheduler_name": "other"}, "scheduler_name is"),
        ("main_config.json", {**MAIN_CONFIG, "unet_model_name": "x/y"}, "unet_model_name is"),
        ("stft_config.json", {**STFT_CONFIG, "win_length": 800}, "it must be filter_length, 1024"),
        ("stft_config.json", {**STFT_CONFIG, "hop_length": 128}, "the vocoder was made for"),
        ("vae_config.json", {**VAE_CONFIG, "time_shuffle": 4}, "time_shuffle is 4"),
        ("vae_config.json", {**VAE_CONFIG, "embed_dim": 4}, "it must be z_channels, 8"),
        ("vae_config.json", {**VAE_CONFIG, "scale_factr": 1.0}, "did you mean 'scale_factor'"),
    ],
)
def test_settings_that_cannot_be_converted(files: Original, tmp_path: Path, file: str, content: Any, told: str) -> None:
    write_json(files.folder / file, content)
    assert told in refused(files, tmp_path / "out", ConfigError)


def test_a_denoising_network_of_unknown_settings(files: Original, tmp_path: Path) -> None:
    config = files.folder / "configs/diffusion_model_config.json"
    write_json(config, {**json.loads(config.read_text()), "down_block_types": ["Nonsense", "DownBlock2D"]})
    assert "diffusion_model_config.json: makes no network" in refused(files, tmp_path / "out")
    write_json(files.folder / "main_config.json", {**MAIN_CONFIG, "unet_model_config_path": "configs/xl.json"})
    assert "xl.json: is not there, but main_config.json names it" in refused(files, tmp_path / "out")


def test_another_folder_than_a_t5s(files: Original, tmp_path: Path) -> None:
    (files.t5_folder / "tokenizer.json").write_text("{")
    assert "configuration and tokenizer of a T5 are needed here" in refused(files, tmp_path / "out")
    write_json(files.t5_folder / "config.json", {"model_type": "bert"})
    toy_t5_tokenizer().save_pretrained(files.t5_folder)
    assert "holds a bert; the T5" in refused(files, tmp_path / "out")
    shutil.rmtree(files.t5_folder)
    assert "no config.json is there" in refused(files, tmp_path / "out")


def test_a_name_that_no_card_takes(files: Original, tmp_path: Path) -> None:
    assert "the name 'My TANGO' cannot be a model's" in refused(files, tmp_path / "out", name="My TANGO")


@contextmanager
def small_disk(largest: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: to its writer, the same as a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("largest", [100, 50_000, 150_000, 1_000_000], ids=["config", "T5", "tokenizer", "UNet"])
def test_a_disk_that_is_full_leaves_nothing(files: Original, tmp_path: Path, largest: int) -> None:
    toy_t5_tokenizer(more_words=5_000 if largest == 150_000 else 0).save_pretrained(files.t5_folder)
    with small_disk(largest):
        line = refused(files, tmp_path / "out")
    assert line.startswith(f"{tmp_path / 'out'}: cannot be written (") and "File too large" in line


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

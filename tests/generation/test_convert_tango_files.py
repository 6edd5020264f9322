"""TANGO's original files as they come: older or with less in them, or refused in one line that leaves nothing."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generation.convert import ConversionError, tango
from generation.convert.tango import convert_tango
from generation.convert.torch_files import read_tensors
from generation.errors import ConfigError, GenerationError
from generation.pipelines.tango import TangoPipeline
from tests.generation.small_disk import small_disk
from tests.generation.toy_tango_original import (
    MAIN_CONFIG,
    STFT_CONFIG,
    TEXT_WIDTH,
    VAE_CONFIG,
    Original,
    original_files,
    toy_t5_tokenizer,
    write_json,
)

MAIN, VAE = "pytorch_model_main.bin", "pytorch_model_vae.bin"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original_files(tmp_path_factory.mktemp("tango")) as files:
        yield files


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


# -------------------- other good files


def test_another_text_encoder_is_of_unknown_terms(files: Original, tmp_path: Path) -> None:
    write_json(files.folder / "main_config.json", {**MAIN_CONFIG, "text_encoder_name": "someone/t5"})
    card = convert_tango(files.folder, tmp_path / "out", files.t5_folder, name="mine")
    assert (card.name, card.licence_chain[-1].licence, card.licence_chain[-1].commercial) == (
        "mine",
        None,
        "undeclared",
    )


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


@pytest.mark.parametrize("largest", [100, 50_000, 150_000, 1_000_000], ids=["config", "T5", "tokenizer", "UNet"])
def test_a_disk_that_is_full_leaves_nothing(files: Original, tmp_path: Path, largest: int) -> None:
    toy_t5_tokenizer(more_words=5_000 if largest == 150_000 else 0).save_pretrained(files.t5_folder)
    with small_disk(largest):
        line = refused(files, tmp_path / "out")
    assert line.startswith(f"{tmp_path / 'out'}: cannot be written (") and "File too large" in line

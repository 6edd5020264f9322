"""Damaged model folders are refused in one line that names the folder and the part; whole ones of all kinds load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5EncoderModel

from generation.codecs.log_mel import LogMelCodec
from generation.errors import CardError, ConfigError, TrainingError
from generation.registry import load_model
from generation.training.denoising_parts import load_autoencoder, load_text_side, load_vocoder
from generation.training.denoising_settings import PictureSettings
from tests.generation.test_pipeline_riffusion import stable_diffusion
from tests.generation.toy_any_diffusers import ANY_TOYS, write_any_toys
from tests.generation.toy_diffusion import SHORT, write_toys
from tests.generation.toy_flow_matching import FLOW_TOYS
from tests.generation.toy_model import write_model_card

TEXT_ENCODER, VOCODER = "text_encoder/model.safetensors", "vocoder/model.safetensors"
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole folder of every technique, with its card."""
    return write_any_toys(write_toys(tmp_path_factory.mktemp("whole")), {**ANY_TOYS, **FLOW_TOYS})


@pytest.fixture
def copy(folders: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies one of the whole folders, to be damaged."""
    return lambda name: Path(shutil.copytree(folders / name, tmp_path / name))


def refused(folder: Path, device: str = "cpu") -> str:
    """The line that a folder is refused with, when it is loaded."""
    with pytest.raises((CardError, ConfigError)) as caught:
        load_model(folder, device)
    line = str(caught.value)
    assert "\n" not in line and str(folder) in line
    return line


def without(path: Path, *names: str) -> None:
    """Take tensors out of a file."""
    weights = load_file(path)
    for name in names:
        del weights[name]
    save_file(weights, path, metadata={"format": "pt"})


# -------------------- weights that are not there


@pytest.mark.parametrize(
    ("technique", "file"),
    [
        ("tango", TEXT_ENCODER),
        ("tango", VOCODER),
        ("tango", UNET),
        ("tango", VAE),
        ("riffusion", TEXT_ENCODER),
        ("audio-latent-diffusion", TEXT_ENCODER),
        ("audio-diffusion", UNET),
        ("stable-audio", TEXT_ENCODER),
        ("stable-audio", "transformer/diffusion_pytorch_model.safetensors"),
        ("audioldm2", TEXT_ENCODER),
        ("audioldm2", "language_model/model.safetensors"),
        ("audioldm2", VOCODER),
        ("long-cat", TEXT_ENCODER),
        ("long-cat", VAE),
    ],
)
def test_a_tensor_that_lacks_is_not_drawn_at_random(copy: Callable[[str], Path], technique: str, file: str) -> None:
    folder = copy(technique)
    lost = next(name for name, weight in sorted(load_file(folder / file).items()) if weight.dim() > 1)
    without(folder / file, lost)
    line = refused(folder)
    assert file.partition("/")[0] in line and "1 tensor" in line and lost.split(".", 1)[1] in line


def test_the_first_of_many_are_named_and_the_others_counted(copy: Callable[[str], Path]) -> None:
    folder = copy("tango")
    names = sorted(load_file(folder / VOCODER))
    without(folder / VOCODER, *names[:5])
    assert f"lack 5 tensors: {names[0]}, {names[1]}, {names[2]} and others" in refused(folder)


def test_what_a_vocoder_starts_from_counts_too(copy: Callable[[str], Path]) -> None:
    """Its mean and scale are no parameters, and without them it would sound at another level."""
    folder = copy("tango")
    without(folder / VOCODER, "mean")
    assert "vocoder" in refused(folder)


@pytest.mark.parametrize("kept", ["shared.weight", "encoder.embed_tokens.weight"])
def test_of_two_tied_weights_one_is_enough(folders: Path, copy: Callable[[str], Path], kept: str) -> None:
    folder = copy("tango")
    weights = load_file(folder / TEXT_ENCODER)
    tied = [weights.pop(name) for name in ("shared.weight", "encoder.embed_tokens.weight") if name in weights]
    save_file({**weights, kept: tied[0]}, folder / TEXT_ENCODER, metadata={"format": "pt"})
    wanted = load_model(folders / "tango").generate([SHORT], [1])[0]
    assert np.array_equal(load_model(folder).generate([SHORT], [1])[0].samples, wanted.samples)
    save_file(weights, folder / TEXT_ENCODER, metadata={"format": "pt"})
    assert "text_encoder" in refused(folder)


def test_names_of_older_versions_still_load(folders: Path, copy: Callable[[str], Path]) -> None:
    """CLIP once had its names below text_model and its positions among its weights; attention had other names."""
    folder = copy("riffusion")
    text = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in load_file(folder / TEXT_ENCODER).items()}
    text["text_model.embeddings.position_ids"] = torch.arange(12)[None]
    save_file(text, folder / TEXT_ENCODER, metadata={"format": "pt"})
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    vae: dict[str, Any] = {}
    for name, weight in load_file(folder / VAE).items():
        new = next((part for part in old if f".{part}." in name), None)
        vae[name.replace(new, old[new]) if new else name] = weight
    assert any(".proj_attn." in name for name in vae)
    save_file(vae, folder / VAE, metadata={"format": "pt"})
    wanted = load_model(folders / "riffusion").generate([SHORT], [1])[0]
    assert np.array_equal(load_model(folder).generate([SHORT], [1])[0].samples, wanted.samples)


def test_whole_numbers_that_a_network_counts_itself_may_lack(folders: Path, copy: Callable[[str], Path]) -> None:
    """AudioLDM2's CLAP was published before its positions were saved."""
    folder = copy("audioldm2")
    counted = [name for name, weight in load_file(folder / TEXT_ENCODER).items() if not weight.is_floating_point()]
    assert any(name.endswith("position_ids") for name in counted)
    without(folder / TEXT_ENCODER, *counted)
    ask = {"steps": 2, "guidance_scale": 3.0}
    wanted = load_model(folders / "audioldm2").generate([SHORT], [1], **ask)[0]
    assert np.array_equal(load_model(folder).generate([SHORT], [1], **ask)[0].samples, wanted.samples)


@pytest.mark.parametrize("technique", ["tango", "riffusion", "stable-audio"])
def test_a_folder_with_half_precision_alone_is_loaded_in_single(
    folders: Path, copy: Callable[[str], Path], technique: str
) -> None:
    folder = copy(technique)
    for path in folder.glob("*/*.safetensors"):
        halves = {name: weight.half() for name, weight in load_file(path).items()}
        save_file(halves, path.with_name(f"{path.stem}.fp16.safetensors"), metadata={"format": "pt"})
        path.unlink()
    ask = {"steps": 2, "guidance_scale": 3.0}
    model: Any = load_model(folder)
    networks = [part for part in model._technique.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert {weight.dtype for part in networks for weight in part.parameters()} == {torch.float32}
    made, wanted = (one.generate([SHORT], [1], **ask)[0].samples for one in (model, load_model(folders / technique)))
    assert made.shape == wanted.shape and np.isfinite(made).all() and made.std() > 0


def test_nothing_is_trained_from_weights_that_lack(copy: Callable[[str], Path]) -> None:
    folder = copy("tango")
    for file in (TEXT_ENCODER, VOCODER, VAE):
        without(folder / file, next(name for name in sorted(load_file(folder / file)) if name.endswith("weight")))
    for load in (
        lambda: load_text_side(str(folder), T5EncoderModel),
        lambda: load_vocoder(str(folder)),
        lambda: load_autoencoder(str(folder), LogMelCodec, PictureSettings()),
    ):
        with pytest.raises(TrainingError, match=r"cannot be loaded \(the weights lack 1 tensor: "):
            load()


def test_a_setting_in_the_index_is_no_part(tmp_path: Path) -> None:
    """requires_safety_checker: false; what is refused of the whole folder is that it draws pictures."""
    folder = stable_diffusion(tmp_path / "pictures")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "safety_checker": [None, None]}))
    write_model_card(folder, technique="diffusers")
    assert "requires_safety_checker" in index and "makes sound at None Hz" in refused(folder)


# -------------------- files that are broken


@pytest.mark.parametrize("file", [TEXT_ENCODER, UNET, VOCODER])
@pytest.mark.parametrize("content", [slice(None, 500), slice(0, 0)], ids=["half", "empty"])
def test_a_file_that_broke_off(copy: Callable[[str], Path], file: str, content: slice) -> None:
    folder = copy("tango")
    (folder / file).write_bytes((folder / file).read_bytes()[content])
    assert file.partition("/")[0] in refused(folder)


@pytest.mark.parametrize(
    "file",
    [
        "unet/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "vocoder/config.json",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "codec/log_mel_config.json",
        "scheduler/scheduler_config.json",
        "model_index.json",
    ],
)
@pytest.mark.parametrize("content", ["{", "[]", None], ids=["broken", "a list", "gone"])
def test_json_that_is_none(copy: Callable[[str], Path], file: str, content: str | None) -> None:
    folder = copy("tango")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    line = refused(folder)
    assert file == "model_index.json" or file.partition("/")[0] in line


@pytest.mark.parametrize("technique", ["riffusion", "stable-audio"])
@pytest.mark.parametrize("content", ["{", "[]", "\xff"], ids=["broken", "a list", "no text"])
def test_an_index_that_is_none(copy: Callable[[str], Path], technique: str, content: str) -> None:
    folder = copy(technique)
    (folder / "model_index.json").write_bytes(content.encode("latin-1"))
    assert "model_index.json" in refused(folder)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("unet", ["diffusers", "NoSuchClass"]),
        ("unet", ["nosuchlibrary", "NoSuchClass"]),
        ("unet", ["os", "system"]),
        ("unet", "diffusers"),
        ("unet", [None, None]),
        ("unet", None),
        ("tokenizer", ["diffusers", "AutoencoderKL"]),
    ],
)
def test_an_index_that_names_another_part(copy: Callable[[str], Path], part: str, named: Any) -> None:
    folder = copy("tango")
    index = json.loads((folder / "model_index.json").read_text())
    index[part] = named
    (folder / "model_index.json").write_text(json.dumps({k: v for k, v in index.items() if v is not None}))
    assert part in refused(folder)


@pytest.mark.parametrize(
    ("part", "setting"),
    [("unet", {"block_out_channels": [16, 16]}), ("text_encoder", {"d_model": 32}), ("vocoder", {"model_in_dim": 8})],
)
def test_a_configuration_of_another_width(copy: Callable[[str], Path], part: str, setting: dict[str, Any]) -> None:
    folder = copy("tango")
    path = folder / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **setting}))
    line = refused(folder)
    assert part in line and "config.json" in line


@pytest.mark.parametrize("device", ["cuda:99", "foo", "meta", ""])
def test_a_device_that_is_not_there(folders: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="use cpu") as caught:
        load_model(folders / "tango", device)
    assert device in str(caught.value) and "\n" not in str(caught.value)

"""Pipelines published as pickles become model folders: the same sounds, nothing executed, whole or not at all."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from safetensors.torch import load_file

from generation.cards import ModelCard, Weights, read_card, write_card
from generation.convert import ConversionError
from generation.convert.diffusers_folder import convert_diffusers
from generation.folder_parts import load_network
from generation.pipelines import riffusion
from generation.registry import find_card, load_model
from tests.flows.command_line import process, refused, run
from tests.generation.small_disk import small_disk
from tests.generation.test_pipeline_riffusion import stable_diffusion
from tests.generation.toy_diffusion import SHORT, toy_audio_diffusion, toy_card, toy_riffusion


def safely_published(folder: Path) -> Path:
    """riffusion-model-v1's layout at toy width, for as many steps of noise as the published one."""
    PNDMScheduler(num_train_timesteps=1000, skip_prk_steps=True).save_pretrained(stable_diffusion(folder) / "scheduler")
    return folder


def published(folder: Path) -> Path:
    """riffusion-model-v1's layout at toy width, its weights as pickles, with what a loader never opens."""
    safely_published(folder)
    for part, safe, name in (
        ("unet", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ("text_encoder", "model.safetensors", "pytorch_model.bin"),
    ):
        weights = load_file(folder / part / safe)
        if part == "text_encoder":  # once saved with its positions, whole numbers that newer versions make themselves
            weights["text_model.embeddings.position_ids"] = torch.arange(12)[None]
        torch.save(weights, folder / part / name)
        (folder / part / safe).unlink()
    for unused in ("safety_checker", "unet_traced"):
        (folder / unused).mkdir()
    (folder / "safety_checker" / "config.json").write_text("{}")
    (folder / "safety_checker" / "pytorch_model.bin").write_bytes(b"never opened")
    (folder / "unet_traced" / "unet_traced.pt").write_bytes(b"never opened")
    (folder / "toy.ckpt").write_bytes(b"never opened")
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("riffusion") / "original")


def test_it_holds_the_same_weights_and_nothing_unsafe(original: Path, tmp_path: Path) -> None:
    made = convert_diffusers(original, tmp_path / "out", read_card("riffusion"))
    assert made.licence_chain == read_card("riffusion").licence_chain and made.weights == Weights(folder=Path("."))
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    weights = {name for name in files if name.endswith(".safetensors")}
    assert weights == {f"{name}/diffusion_pytorch_model.safetensors" for name in ("unet", "vae")} | {
        "text_encoder/model.safetensors"
    }
    assert not [name for name in files if Path(name).suffix in (".bin", ".pt", ".ckpt") or "safety" in name]
    for part in ("unet", "vae"):
        before = torch.load(original / part / "diffusion_pytorch_model.bin", weights_only=True)
        after = load_file(tmp_path / "out" / part / "diffusion_pytorch_model.safetensors")
        assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_it_sounds_as_the_original(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riffusion, "codec_at", lambda rate: toy_riffusion().codec)
    (tmp_path / "mine").mkdir()
    write_card(tmp_path / "mine", toy_card("riffusion", toy_riffusion()))
    code, out, _ = run(capsys, "models", "convert", original, "--card", tmp_path / "mine", "--out", tmp_path / "out")
    assert code == 0 and str(tmp_path / "out") in out
    shutil.copyfile(tmp_path / "out" / "card.yaml", safely_published(tmp_path / "safe") / "card.yaml")
    clip, wanted = (load_model(tmp_path / name).generate([SHORT], [3], steps=4)[0] for name in ("out", "safe"))
    assert np.array_equal(clip.samples, wanted.samples) and np.abs(clip.samples).max() == pytest.approx(0.5)


class Spy:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("spied",)


def test_a_pickle_with_code_is_not_opened(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spied = shutil.copytree(original, tmp_path / "spied-on")
    (spied / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Spy()))
    with pytest.raises(ConversionError, match="diffusion_pytorch_model.bin: "):
        convert_diffusers(spied, tmp_path / "out", read_card("riffusion"))
    assert not (tmp_path / "spied").exists() and sorted(path.name for path in tmp_path.iterdir()) == ["spied-on"]


def test_a_full_disk_leaves_nothing(original: Path, tmp_path: Path) -> None:
    with small_disk(10_000), pytest.raises(ConversionError, match="out: cannot be written"):
        convert_diffusers(original, tmp_path / "out", read_card("riffusion"))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_converted_is_one_line(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("models", "convert", original, "--out", tmp_path / "out")
    assert "say whose card it gets: --card riffusion" in refused(capsys, *line)
    assert "did you mean 'riffusion'?" in refused(capsys, *line, "--card", "rifusion")
    assert "riffusion-starter: is a starter, whose" in refused(capsys, *line, "--card", "riffusion-starter")
    assert "omit --text-encoder" in refused(capsys, *line, "--card", "riffusion", "--text-encoder", tmp_path)
    assert "the name 'My Riff' cannot be" in refused(capsys, *line, "--card", "riffusion", "--name", "My Riff")
    assert "gone: there is no such folder" in refused(capsys, "models", "convert", tmp_path / "gone", "--out", "x")
    assert "--card is for a diffusers pipeline, omit it" in refused(
        capsys, "models", "convert", tmp_path, "--out", "x", "--card", "riffusion"
    )
    assert "add --text-encoder FLAN_T5_FOLDER" in refused(capsys, "models", "convert", tmp_path, "--out", "x")
    torn = shutil.copytree(original, tmp_path / "torn")
    (torn / "vae" / "diffusion_pytorch_model.bin").unlink()
    line = ("models", "convert", torn, "--card", "riffusion", "--out")
    assert "vae: holds none of diffusion_pytorch_model.safetensors" in refused(capsys, *line, tmp_path / "out")
    assert "torn: already exists" in refused(capsys, *line, torn)
    assert not (tmp_path / "out").exists()


def test_its_name_is_the_cards_or_the_one_given(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, name in (((), "riffusion"), (("--name", "mine"), "mine")):
        line = ("models", "convert", original, "--card", "riffusion", "--out", tmp_path / name, "--json", *options)
        code, out, err = run(capsys, *line)
        assert code == 0, err
        assert json.loads(out)["name"] == find_card(tmp_path / name)[0].name == name


# -------------------- a card that is another model's


@pytest.mark.parametrize(
    ("card", "changes", "told"),
    [
        (
            "riffusion",
            {"length_s": 4.25},
            "does not agree with its card: 4.25 s were asked for; this model's sounds last",
        ),
        ("riffusion", {"defaults": {"steps": 2000}}, "does not agree with its card: 2000 steps were asked for"),
        ("tango", {}, "cannot be loaded as a tango pipeline"),
        ("stable-audio-open", {}, "cannot be loaded as a StableDiffusionPipeline"),
    ],
)
def test_a_folder_that_would_not_load_gets_no_name(
    original: Path, tmp_path: Path, card: str, changes: dict[str, Any], told: str
) -> None:
    other = ModelCard(**{**dict(read_card(card)), **changes})
    with pytest.raises(ConversionError, match="out: is not made, for it would not load") as caught:
        convert_diffusers(original, tmp_path / "out", other)
    assert told in str(caught.value) and str(tmp_path / ".out") not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_refuses_it_in_one_line(original: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write_card(tmp_path / "mine", read_card("riffusion").model_copy(update={"length_s": 4.0}))
    line = ("models", "convert", original, "--card", tmp_path / "mine", "--out", tmp_path / "out")
    ended = process(*line)
    assert (ended.returncode, ended.stdout) == (1, "") and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(
        f"nightcrate: {tmp_path / 'out'}: is not made, for it would not load (does not agree"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_codec_that_a_folder_holds_decides_what_its_card_may_say(tmp_path: Path) -> None:
    """Audio Diffusion's own folder, at another rate or length than its card says."""
    toy_audio_diffusion().save_pretrained(tmp_path / "folder")
    weights = tmp_path / "folder" / "unet" / "diffusion_pytorch_model"
    torch.save(load_file(weights.with_suffix(".safetensors")), weights.with_suffix(".bin"))
    weights.with_suffix(".safetensors").unlink()
    right = toy_card("audio-diffusion", toy_audio_diffusion(), tier="full")
    for changes, told in (
        ({"length_s": right.length_s + 0.064}, r"does not agree with its card: 0\.184 s .* sounds last 0\.120 s"),
        ({"sample_rate_hz": 22050}, "makes sound at 16000 Hz, but its card says 22050 Hz"),
    ):
        with pytest.raises(ConversionError, match=told):
            convert_diffusers(tmp_path / "folder", tmp_path / "out", right.model_copy(update=changes))
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    convert_diffusers(tmp_path / "folder", tmp_path / "out", right)
    assert load_model(tmp_path / "out").card.length_s == right.length_s


# -------------------- weights in other layouts


def test_weights_that_are_safe_already_are_copied_in_the_layout_that_they_have(original: Path, tmp_path: Path) -> None:
    """The usual ones before a pickle, a pickle before a variant, a variant before nothing."""
    folder = shutil.copytree(original, tmp_path / "folder")
    convert_diffusers(folder, tmp_path / "plain", read_card("riffusion"))
    network = UNet2DConditionModel.from_pretrained(tmp_path / "plain" / "unet")
    wanted = network.state_dict()

    def converted(name: str) -> list[str]:
        convert_diffusers(folder, tmp_path / name, read_card("riffusion"))
        loaded = load_network(UNet2DConditionModel, tmp_path / name / "unet").state_dict()
        assert all(torch.equal(wanted[key], loaded[key]) for key in wanted)
        return sorted(path.name for path in (tmp_path / name / "unet").glob("*.safetensors"))

    network.save_pretrained(folder / "unet", variant="fp16")
    assert converted("pickle") == ["diffusion_pytorch_model.safetensors"]
    (folder / "unet" / "diffusion_pytorch_model.bin").unlink()
    assert converted("variant") == ["diffusion_pytorch_model.fp16.safetensors"]
    network.save_pretrained(folder / "unet", max_shard_size="20KB")
    shards = converted("shards")
    assert len(shards) > 1 and not [name for name in shards if "fp16" in name]


def test_a_pickle_in_several_files_is_named_as_what_it_is(original: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(original, tmp_path / "folder")
    shard = "diffusion_pytorch_model-00001-of-00002.bin"
    (folder / "unet" / "diffusion_pytorch_model.bin").rename(folder / "unet" / shard)
    with pytest.raises(ConversionError, match=f"unet: holds its weights as {shard}; only diffusion_pytorch_model.bin"):
        convert_diffusers(folder, tmp_path / "out", read_card("riffusion"))


def test_a_file_that_cannot_be_read_is_named(original: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(original, tmp_path / "folder")
    gone, broken = folder / "unet" / "gone.txt", folder / "unet" / "broken.json"
    gone.symlink_to(tmp_path / "no such file")  # as in a hub's cache that was cleared
    with pytest.raises(ConversionError, match=r"unet/gone\.txt: cannot be read \(No such file"):
        convert_diffusers(folder, tmp_path / "out", read_card("riffusion"))
    gone.unlink()
    broken.symlink_to("/proc/self/mem")  # opens, and gives an error at its first byte
    with pytest.raises(ConversionError, match=r"unet/broken\.json: cannot be read \(Input/output error"):
        convert_diffusers(folder, tmp_path / "out", read_card("riffusion"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

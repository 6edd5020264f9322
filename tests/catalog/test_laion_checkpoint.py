"""Reading LAION's .pt layout safely: what is taken, what is refused, and in which words."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from catalog.embedders.laion import LaionClap
from catalog.embedders.laion_checkpoint import TextTower, read_laion_checkpoint
from catalog.errors import EmbedderError

LAYERS, VOCABULARY, WIDTH = 2, 40, 128


def laion_weights(patch_width: int = 96, token_types: int = 1) -> dict[str, torch.Tensor]:
    """Make the weights that tell a network's kind, under the names that parallel training saves."""
    shapes: dict[str, tuple[int, ...]] = {
        "audio_branch.patch_embed.proj.weight": (patch_width, 1, 4, 4),
        "text_branch.embeddings.position_ids": (1, 66),
        "text_branch.embeddings.word_embeddings.weight": (VOCABULARY, WIDTH),
        "text_branch.embeddings.position_embeddings.weight": (66, WIDTH),
        "text_branch.embeddings.token_type_embeddings.weight": (token_types, WIDTH),
        "audio_projection.2.weight": (24, 24),
    }
    for layer in range(LAYERS):
        shapes[f"text_branch.encoder.layer.{layer}.intermediate.dense.weight"] = (56, WIDTH)
    generator = torch.Generator().manual_seed(0)
    return {f"module.{name}": torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def saved(folder: Path, weights: dict[str, torch.Tensor], **rest: Any) -> Path:
    path = folder / "toy.pt"
    torch.save({"epoch": 15, "name": "toy", "state_dict": weights, **rest}, path)
    return path


def test_weights_and_the_kind_of_network_are_read(tmp_path: Path) -> None:
    weights = laion_weights()
    # The training script saves its optimiser, whose learning rate is a numpy number.
    path = saved(tmp_path, weights, optimizer={"param_groups": [{"lr": np.float64(1e-4), "step": np.int64(3)}]})
    with pytest.raises(Exception, match="not an allowed global"):
        torch.load(path, weights_only=True)
    checkpoint = read_laion_checkpoint(path)
    assert checkpoint.audio_tower == "HTSAT-tiny"
    assert checkpoint.text_tower == TextTower(VOCABULARY, WIDTH, LAYERS, dense_width=56, positions=66)
    assert checkpoint.dim == 24
    expected = {name.removeprefix("module."): value for name, value in weights.items()}
    expected.pop("text_branch.embeddings.position_ids")
    assert checkpoint.weights.keys() == expected.keys()
    assert all(torch.equal(checkpoint.weights[name], value) for name, value in expected.items())


def test_bare_weights_without_a_training_record_are_read(tmp_path: Path) -> None:
    torch.save(laion_weights(patch_width=128), tmp_path / "bare.pt")
    assert read_laion_checkpoint(tmp_path / "bare.pt").audio_tower == "HTSAT-base"


class Shell:
    """Runs a command when it is unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


def test_a_checkpoint_that_wants_to_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    path = saved(tmp_path, laion_weights(), extra=Shell(tmp_path / "ran"))
    with pytest.raises(EmbedderError, match=r"toy\.pt: no checkpoint of plain tensors \(wants to run \w+\.system\)"):
        read_laion_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_the_allowed_numpy_numbers_do_not_stay_allowed(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    read_laion_checkpoint(saved(tmp_path, laion_weights()))
    assert set(torch.serialization.get_safe_globals()) == before


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "spoil",
    [cut_in_half, lambda path: path.write_bytes(b""), lambda path: path.write_text("not a checkpoint\n")],
    ids=["half a file", "empty", "text"],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, spoil: Any) -> None:
    path = saved(tmp_path, laion_weights())
    spoil(path)
    with pytest.raises(EmbedderError, match="damaged or of another kind") as caught:
        read_laion_checkpoint(path)
    assert "\n" not in str(caught.value)


def without(*names: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in laion_weights().items() if name.removeprefix("module.") not in names}


FUSION = {"module.audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({**laion_weights(), **FUSION}, "fusion model.*630k-audioset-best"),
        (laion_weights(patch_width=100), "100 wide; known towers: HTSAT-tiny 96"),
        (laion_weights(token_types=2), "not RoBERTa"),
        (without("audio_branch.patch_embed.proj.weight"), "has no audio_branch.patch_embed.proj.weight"),
        ({}, "has no audio_branch"),
    ],
    ids=["fusion", "unknown tower", "bert", "no audio tower", "nothing"],
)
def test_other_networks_are_refused(tmp_path: Path, weights: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(EmbedderError, match=words):
        read_laion_checkpoint(saved(tmp_path, weights))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {1: torch.zeros(3)}], ids=["list", "tensor", "numbered"])
def test_content_without_names_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "toy.pt")
    with pytest.raises(EmbedderError, match="holds no named weights"):
        read_laion_checkpoint(tmp_path / "toy.pt")


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "laion_clap", None)  # where the extra is installed: as if it were not
    monkeypatch.delitem(sys.modules, "clap_module", raising=False)
    with pytest.raises(EmbedderError, match=r"not installed; pip install .*'nightcrate\[laion\]'"):
        LaionClap(saved(tmp_path, laion_weights()))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"nowhere\.pt: there is no such file"):
        read_laion_checkpoint(tmp_path / "nowhere.pt")

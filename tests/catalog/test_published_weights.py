"""Published weights: what is read, what is refused, and in which words; on a network of two tensors."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from catalog.embedders.published_weights import (
    PublishedFile,
    find_published,
    keep_as_safetensors,
    load_into,
    read_published_weights,
)
from catalog.errors import EmbedderError
from generation.audio import file_sha256

BARE = PublishedFile("toy.pth", "0" * 64, "toy", "https://toys.test/toy.pth")
WRAPPED = PublishedFile(
    "toy_16k.pth", "0" * 64, "toy", "https://toys.test/toy.pth", wrapped_in="model", numpy_arrays=True
)
TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, -1.0])}
SAMPLER = {"indexes_per_class": [np.arange(5), np.array([3, 1])], "queue": [1, 0], "pointers_of_classes": [0, 1]}


def saved(folder: Path, content: object, **how: Any) -> Path:
    path = folder / "toy_mAP=0.5.pth"
    torch.save(content, path, **how)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_bare_weights_are_read(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path, TENSORS, _use_new_zipfile_serialization=zipped)
    weights = read_published_weights(path, BARE, file_sha256(path))
    assert weights.origin_sha256 == file_sha256(path)
    assert all(torch.equal(weights.tensors[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize("home", [b"numpy._core.multiarray", b"numpy.core.multiarray"], ids=["numpy 2", "numpy 1"])
def test_a_sampler_of_numpy_arrays_is_passed_over(tmp_path: Path, home: bytes) -> None:
    path = saved(tmp_path, {"iteration": 1, "model": TENSORS, "sampler": SAMPLER}, _use_new_zipfile_serialization=False)
    there = np.zeros(0).__reduce__()[0].__module__.encode()
    path.write_bytes(path.read_bytes().replace(b"c" + there, b"c" + home))
    with pytest.raises(Exception, match="numpy"):
        torch.load(path, weights_only=True)
    allowed = torch.serialization.get_safe_globals()
    weights = read_published_weights(path, WRAPPED, None)
    assert weights.tensors.keys() == TENSORS.keys()
    assert torch.serialization.get_safe_globals() == allowed
    with pytest.raises(EmbedderError, match="wants to run numpy"):
        read_published_weights(path, BARE, None)


class Shell:
    """Runs a command when it is unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("published", [BARE, WRAPPED], ids=["bare", "wrapped"])
def test_a_file_that_wants_to_run_code_is_refused_and_runs_none(
    tmp_path: Path, published: PublishedFile, zipped: bool
) -> None:
    content = {"model": TENSORS, "sampler": Shell(tmp_path / "ran")}
    path = saved(tmp_path, content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(EmbedderError, match=r"no file of plain tensors \(wants to run \w+\.system\)") as caught:
        read_published_weights(path, published, None)
    assert not (tmp_path / "ran").exists() and "\n" not in str(caught.value)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"model": TENSORS, "sampler": np.array([Shell(tmp_path / "ran")], dtype=object)})
    with pytest.raises(EmbedderError, match="no file of plain tensors"):
        read_published_weights(path, WRAPPED, None)
    assert not (tmp_path / "ran").exists()


def test_the_hash_is_checked_before_anything_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, TENSORS)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was opened"))
    with pytest.raises(EmbedderError, match=r"has sha256 \w{16}\.\.\., 0{16}\.\.\. is needed; fetch toy\.pth again"):
        read_published_weights(path, BARE, BARE.sha256)


@pytest.mark.parametrize(
    "content",
    [[1, 2], torch.zeros(3), {}, {1: torch.zeros(3)}, {"weight": 3.0}],
    ids=["list", "tensor", "nothing", "numbered", "numbers"],
)
def test_content_without_named_weights_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(EmbedderError, match="holds no named weights; toy.pth is needed"):
        read_published_weights(saved(tmp_path, content), BARE, None)


def test_weights_without_their_wrapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="holds no named weights; toy_16k.pth is needed"):
        read_published_weights(saved(tmp_path, TENSORS), WRAPPED, None)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("data", [b"", b"not a checkpoint\n", None], ids=["empty", "text", "half a file"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, suffix: str, data: bytes | None) -> None:
    path = saved(tmp_path, TENSORS)
    keep_as_safetensors(path, read_published_weights(path, BARE, None))
    path = path.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if data is None else data)
    with pytest.raises(EmbedderError, match="damaged") as caught:
        read_published_weights(path, BARE, None)
    assert "\n" not in str(caught.value)


def test_a_safetensors_file_with_a_strange_note_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    save_file(TENSORS, path, {"nightcrate": "[]"})
    with pytest.raises(EmbedderError, match="no safetensors file, or a damaged one") as caught:
        read_published_weights(path, BARE, None)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        EmbedderError, match=r"nowhere\.pth: there is no such file; toy\.pth \(sha256 0{16}\.\.\.\) or its safetensors"
    ):
        read_published_weights(tmp_path / "nowhere.pth", BARE, None)


def test_a_folder_gives_its_safetensors_before_its_pickle(tmp_path: Path) -> None:
    named = replace(BARE, name="toy_mAP=0.5.pth", holds="2 tensors")
    with pytest.raises(EmbedderError, match=r"does not hold it; needed is toy_mAP=0\.5\.pth .*2 tensors"):
        find_published(tmp_path, named)
    path = saved(tmp_path, TENSORS)
    assert find_published(tmp_path, named) == path == find_published(path, named)
    keep_as_safetensors(path, read_published_weights(path, named, None))
    assert find_published(tmp_path, named) == path.with_suffix(".safetensors")


def test_safetensors_remember_the_file_they_came_from(tmp_path: Path) -> None:
    path = saved(tmp_path, TENSORS)
    weights = read_published_weights(path, BARE, None)
    keep_as_safetensors(path, weights)
    beside = tmp_path / "toy_mAP=0.5.safetensors"
    first = beside.read_bytes()
    again = read_published_weights(beside, BARE, file_sha256(path).upper())
    assert again.origin_sha256 == weights.origin_sha256
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in TENSORS.items())
    with pytest.raises(EmbedderError, match="is needed"):
        read_published_weights(beside, BARE, BARE.sha256)
    keep_as_safetensors(path, weights)
    assert beside.read_bytes() == first


def test_safetensors_that_hold_something_else_than_was_written_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, TENSORS)
    keep_as_safetensors(path, read_published_weights(path, BARE, None))
    beside = tmp_path / "toy_mAP=0.5.safetensors"
    damaged = bytearray(beside.read_bytes())
    damaged[-1] ^= 1
    beside.write_bytes(damaged)
    with pytest.raises(EmbedderError, match="does not hold the weights that were written into it; remove it"):
        read_published_weights(beside, BARE, file_sha256(path))


def test_safetensors_of_earlier_versions_say_less_and_are_read(tmp_path: Path) -> None:
    beside = tmp_path / "toy.safetensors"
    save_file(TENSORS, beside, {"nightcrate": json.dumps({"origin": "toy.pth", "origin_sha256": BARE.sha256})})
    weights = read_published_weights(beside, BARE, BARE.sha256)
    assert all(torch.equal(weights.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_foreign_safetensors_count_by_their_own_hash(tmp_path: Path) -> None:
    path = tmp_path / "converted.safetensors"
    save_file(TENSORS, path)
    assert read_published_weights(path, BARE, file_sha256(path)).origin_sha256 == file_sha256(path)
    with pytest.raises(EmbedderError, match="is needed"):
        read_published_weights(path, BARE, BARE.sha256)


def test_a_folder_that_takes_no_file_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path, TENSORS)
    weights = read_published_weights(path, BARE, None)
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        keep_as_safetensors(tmp_path / "file" / "toy.pth", weights)
    assert "the weights stay a pickle" in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bias": None}, "lacks bias; toy.pth is needed"),
        ({"extra": torch.zeros(1), "more": torch.zeros(1)}, "has a strange extra and 1 more"),
        ({"weight": torch.zeros(3, 2)}, r"weight is \[3, 2\], \[2, 3\] is needed"),
    ],
    ids=["missing", "strange", "shape"],
)
def test_only_weights_of_this_network_are_loaded(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    tensors = {name: tensor for name, tensor in (TENSORS | change).items() if tensor is not None}
    net = torch.nn.Linear(3, 2)
    before = net.weight.clone()
    path = saved(tmp_path, tensors)
    with pytest.raises(EmbedderError, match=words):
        load_into(net, read_published_weights(path, BARE, None), path, BARE)
    assert torch.equal(net.weight, before)
    good = saved(tmp_path, TENSORS)
    load_into(net, read_published_weights(good, BARE, None), good, BARE)
    assert torch.equal(net.weight, TENSORS["weight"])


def test_the_package_of_embedders_and_of_scores_stays_light() -> None:
    program = "import sys, catalog.embedders, catalog.scores; print('torch' in sys.modules, 'librosa' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    for package in ("embedders", "scores"):
        with pytest.raises(AttributeError, match="nonsense"):
            getattr(__import__(f"catalog.{package}", fromlist=["x"]), "nonsense")  # noqa: B009

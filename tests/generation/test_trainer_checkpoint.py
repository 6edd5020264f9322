"""The checkpoint file: it runs no code, damage is named, a full disk keeps the one before, NaN never gets in."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.trainer import CHECKPOINT, TrainSettings
from tests.generation.small_disk import small_disk
from tests.generation.toy_training import Stop, StoppingTask, ToyTask, rows, run, toy_settings


class Payload:
    """What a harmful checkpoint would hold: unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"format": 1, "module": Payload(tmp_path / "proof")}, tmp_path / CHECKPOINT)
    with pytest.raises(TrainingError, match="is not a checkpoint that can be read"):
        run(tmp_path)
    assert not (tmp_path / "proof").exists()
    torch.load(tmp_path / CHECKPOINT, weights_only=False)
    assert (tmp_path / "proof").exists()  # the payload does work where code may run


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "another format"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    run(tmp_path)
    file = tmp_path / CHECKPOINT
    whole = file.read_bytes()
    if damage == "another format":
        torch.save({"format": 99}, file)
    else:
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello"}[damage])
    with pytest.raises(TrainingError) as caught:
        run(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_losses_shorter_than_their_checkpoint_are_named(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "losses.csv").write_text("step\n")
    with pytest.raises(TrainingError, match="losses.csv: is missing or shorter"):
        run(tmp_path)


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run(tmp_path, StoppingTask(toy_settings(), 8))
    before = (tmp_path / CHECKPOINT).read_bytes()
    with small_disk(len(before) // 2), pytest.raises(TrainingError, match="cannot be written") as caught:
        run(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))
    assert run(tmp_path).resumed_from == 7


class NanTask(ToyTask):
    """Sound until step `at`; then the loss, or only its gradient, is NaN."""

    def __init__(self, settings: TrainSettings, at: int, in_gradient: bool) -> None:
        super().__init__(settings)
        self.at, self.in_gradient = at, in_gradient

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        loss, figures = super().loss(batch, step)
        if step == self.at:
            # The square root of 0 is 0, its slope infinite.
            loss = loss + (loss * 0).sqrt() if self.in_gradient else loss * math.nan
        return loss, figures


@pytest.mark.parametrize(("in_gradient", "what"), [(False, "loss"), (True, "gradient norm")])
def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path, in_gradient: bool, what: str) -> None:
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, NanTask(toy_settings(), 17, in_gradient))
    assert str(caught.value).startswith(f"step 18: the {what} became nan; the last good checkpoint stays in ")
    assert "lower learning_rate (now 0.01)" in str(caught.value)
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept.step == 14
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.module.values())
    assert [row["step"] for row in rows(tmp_path)] == [str(step) for step in range(18)]
    assert not (tmp_path / "model").exists()


def test_nan_before_the_first_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 3: the loss became nan; no checkpoint was written yet"):
        run(tmp_path, NanTask(toy_settings(), 2, False))


class OverflowingTask(ToyTask):
    """At step 6 a weight becomes infinite without the loss or the gradient showing it."""

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == 13:
            with torch.no_grad():
                next(self.module[1].parameters()).fill_(math.inf)  # type: ignore[index]
        return super().batch(step)

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        loss, figures = super().loss(batch, step)
        return torch.nan_to_num(loss, 0.0, 0.0, 0.0) if step == 13 else loss, figures


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step 14: the (weights|gradient norm) became nan"):
        run(tmp_path, OverflowingTask(toy_settings()))
    assert load_checkpoint(tmp_path / CHECKPOINT).step == 7

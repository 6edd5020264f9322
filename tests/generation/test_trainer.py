"""The loop: resumes bit for bit after any kill, stops at NaN, averages and schedules by the book."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import math
import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from generation.cards import LicenceLink, ModelCard, Weights, read_card_file, write_card
from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.ema import WeightAverage, trained_state
from generation.training.trainer import CHECKPOINT, Progress, TrainResult, TrainSettings, train
from tests.generation.toy_training import STEPS, ToyTask, equal, exported, toy_settings, train_and_tell


def run(out: Path, task: ToyTask | None = None, **changes: Any) -> TrainResult:
    settings = toy_settings(**{"steps": 30, **changes})
    return train(task or ToyTask(settings), settings, out)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "losses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_time(out: Path) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows(out)]


# -------------------- resuming


def killed_near(out: Path, target: int, delay_s: float) -> int | None:
    """Train in another process, kill it `delay_s` after step `target` if it comes there; give the exit code."""
    # One process imports torch, and each run is forked from it.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.generation.toy_training"])
    listener, teller = processes.Pipe(duplex=False)
    process = processes.Process(target=train_and_tell, args=(out, teller))
    process.start()
    teller.close()
    with contextlib.suppress(EOFError):
        while listener.recv() < target:
            pass
        time.sleep(delay_s)
        process.kill()
    process.join()
    return process.exitcode


def test_killed_at_random_steps_and_resumed_it_ends_with_equal_weights(tmp_path: Path) -> None:
    train(ToyTask(toy_settings()), toy_settings(), tmp_path / "whole")
    chance = random.Random()
    targets = sorted(chance.sample(range(8, STEPS - 30), 3))
    for target in targets:
        # Somewhere in the next steps: in a forward pass, in a checkpoint being written, between two rows.
        assert killed_near(tmp_path / "killed", target, chance.uniform(0, 0.01)) == -signal.SIGKILL
        assert not (tmp_path / "killed/model").exists()
    assert killed_near(tmp_path / "killed", STEPS + 1, 0) == 0
    assert equal(exported(tmp_path / "killed"), exported(tmp_path / "whole")), f"killed near steps {targets}"
    assert without_time(tmp_path / "killed") == without_time(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        ".lock", CHECKPOINT, "losses.csv", "model",
    ]  # fmt: skip


class Stop(Exception):
    """Stands for a power cut at a chosen step."""


class StoppingTask(ToyTask):
    def __init__(self, settings: TrainSettings, stop_at: int) -> None:
        super().__init__(settings)
        self.stop_at = stop_at

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == self.stop_at:
            raise Stop
        return super().batch(step)


@pytest.mark.parametrize("stop_at", [3, 7, 14, 16, 29])
def test_stopped_before_on_and_after_a_checkpoint(tmp_path: Path, stop_at: int) -> None:
    run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "parts", StoppingTask(toy_settings(), stop_at))
    result = run(tmp_path / "parts")
    assert result.resumed_from == (stop_at // 7 * 7 or None)
    assert equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))
    assert without_time(tmp_path / "parts") == without_time(tmp_path / "whole")


def test_a_finished_run_is_exported_again_without_training(tmp_path: Path) -> None:
    run(tmp_path)
    before = exported(tmp_path)
    result = run(tmp_path, StoppingTask(toy_settings(), 0))
    assert result.resumed_from == result.steps == 30
    assert equal(exported(tmp_path), before)


def test_other_settings_do_not_resume(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(TrainingError, match=r"holds a run with learning_rate=0.01, not 0.02; ask for the same"):
        run(tmp_path, learning_rate=0.02)
    assert run(tmp_path, checkpoint_every=10).resumed_from == 30


def test_another_network_does_not_resume(tmp_path: Path) -> None:
    run(tmp_path)
    other = ToyTask(toy_settings())
    other.module = torch.nn.Linear(8, 1)
    with pytest.raises(TrainingError, match="holds another network"):
        run(tmp_path, other)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="another training is writing there"):
            run(tmp_path)
    assert run(tmp_path).steps == 30


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        run(tmp_path / "file")


# -------------------- checkpoints


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


@contextlib.contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run(tmp_path, StoppingTask(toy_settings(), 8))
    before = (tmp_path / CHECKPOINT).read_bytes()
    with largest_file(len(before) // 2), pytest.raises(TrainingError, match="cannot be written") as caught:
        run(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))
    assert run(tmp_path).resumed_from == 7


# -------------------- NaN


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


# -------------------- what the loop computes


def test_the_average_by_hand() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    module.register_buffer("level", torch.tensor(0.0))
    module.register_buffer("count", torch.tensor(0))
    with torch.no_grad():
        module.weight.fill_(1.0)
    average = WeightAverage(module, decay=0.15)
    for step, value in enumerate((2.0, 3.0)):
        with torch.no_grad():
            module.weight.fill_(value)
            module.level.fill_(value)
            module.count.fill_(step + 5)
        average.update(step)
    # d = min(0.15, 1/10) = 0.1, then min(0.15, 2/11) = 0.15
    first = 0.1 * 1.0 + 0.9 * 2.0
    assert average.average["weight"].item() == pytest.approx(0.15 * first + 0.85 * 3.0)
    assert average.average["level"].item() == pytest.approx(0.15 * (0.9 * 2.0) + 0.85 * 3.0)
    assert average.average["count"].item() == 6
    with average.swapped_in():
        assert module.weight.item() == pytest.approx(0.15 * first + 0.85 * 3.0)
    assert module.weight.item() == 3.0
    average.copy_to_module()
    assert module.weight.item() == pytest.approx(0.15 * first + 0.85 * 3.0)


def test_the_averaged_weights_are_validated_and_exported(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    class Watching(ToyTask):
        def validate(self) -> dict[str, float]:
            assert not self.module.training and not torch.is_grad_enabled()
            seen.append({name: tensor.clone() for name, tensor in self.module.state_dict().items()})
            return super().validate()

    run(tmp_path, Watching(toy_settings()))
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept.average is not None
    assert equal(exported(tmp_path), kept.average)
    assert equal(seen[-1], kept.average)
    assert not equal(exported(tmp_path), kept.module)


def test_without_an_average_the_last_weights_are_exported(tmp_path: Path) -> None:
    run(tmp_path, ema_decay=None)
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept.average is None
    assert equal(exported(tmp_path), kept.module)


def test_validating_more_often_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path / "seldom", validate_every=30)
    run(tmp_path / "often", validate_every=1)
    assert equal(exported(tmp_path / "seldom"), exported(tmp_path / "often"))
    assert sum(bool(row["valid_mae"]) for row in rows(tmp_path / "often")) == 31
    assert [row["step"] for row in rows(tmp_path / "seldom") if row["valid_mae"]] == ["0", "30"]


def test_it_learns(tmp_path: Path) -> None:
    result = run(tmp_path, steps=200)
    begin = rows(tmp_path)[0]
    assert result.figures["valid_mae"] < 0.3 * float(begin["valid_mae"])
    assert list(begin) == ["step", "seconds", "learning_rate", "grad_norm", "loss", "mae", "valid_mae"]


def test_bf16_trains_with_float32_weights(tmp_path: Path) -> None:
    kinds: set[torch.dtype] = set()

    class Watching(ToyTask):
        def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
            kinds.add(self.module[0](batch[0]).dtype)  # type: ignore[index]
            return super().loss(batch, step)

    run(tmp_path, Watching(toy_settings()), precision="bf16")
    assert kinds == {torch.bfloat16}
    assert exported(tmp_path)["0.weight"].dtype == torch.float32


def test_gradients_are_clipped_to_the_norm(tmp_path: Path) -> None:
    norms: list[float] = []

    class Watching(ToyTask):
        def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
            gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
            if gradients:
                norms.append(float(torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))))
            return super().batch(step)

    run(tmp_path, Watching(toy_settings()), clip_norm=0.5)
    measured = [float(row["grad_norm"]) for row in rows(tmp_path)[1:-1]]
    assert max(measured) > 0.5
    assert norms == pytest.approx([min(norm, 0.5) for norm in measured], rel=1e-4)


def test_frozen_parts_stay_frozen_still_and_out_of_the_checkpoint(tmp_path: Path) -> None:
    task = ToyTask(toy_settings())
    frozen = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))
    frozen.requires_grad_(False)
    modes: set[bool] = set()
    frozen.register_forward_hook(lambda module, *_: modes.add(module[2].training))
    task.module = torch.nn.Sequential(frozen, task.module)
    before = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    run(tmp_path, task)
    assert equal(before, frozen.state_dict())
    assert modes == {False}
    assert "0.0.weight" not in trained_state(task.module)
    assert "0.0.weight" not in load_checkpoint(tmp_path / CHECKPOINT).module
    facts = json.loads((tmp_path / "model/training.json").read_text())
    assert (facts["parameters_trained"], facts["parameters_frozen"]) == (8 * 16 + 16 + 32 + 17, 72 + 16)


def test_a_network_that_is_frozen_whole_is_refused(tmp_path: Path) -> None:
    task = ToyTask(toy_settings())
    task.module.requires_grad_(False)
    with pytest.raises(TrainingError, match="no parameter that learns"):
        run(tmp_path, task)


def test_only_weights_of_two_dimensions_decay(tmp_path: Path) -> None:
    class Still(ToyTask):
        def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
            return 0.0 * sum(p.sum() for p in self.module.parameters()), {}  # type: ignore[return-value]

    task = Still(toy_settings())
    before = {name: tensor.clone() for name, tensor in task.module.named_parameters()}
    still = {"steps": 1, "warmup_steps": 0, "schedule": "constant", "ema_decay": None}
    run(tmp_path, task, weight_decay=0.5, learning_rate=0.1, **still)
    after = exported(tmp_path)
    assert torch.allclose(after["0.weight"], before["0.weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(after["0.bias"], before["0.bias"])
    assert torch.equal(after["1.weight"], before["1.weight"])


def test_a_figure_that_comes_late_is_refused(tmp_path: Path) -> None:
    class Late(ToyTask):
        def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
            loss, figures = super().loss(batch, step)
            return loss, figures | ({"late": 1.0} if step else {})

    with pytest.raises(TrainingError, match="the figure 'late' appeared after the first step"):
        run(tmp_path, Late(toy_settings()))


def test_progress_tells_where_the_run_is(tmp_path: Path) -> None:
    told: list[Progress] = []
    settings = toy_settings(steps=10, validate_every=5)
    train(ToyTask(settings), settings, tmp_path, progress=told.append)
    assert [each.step for each in told] == list(range(1, 11))
    assert [each.step for each in told if each.validation] == [5, 10]
    assert told[-1].eta_s == 0 and told[0].eta_s > 0
    assert told[3].learning_rate == pytest.approx(1e-2 * 4 / 5)


# -------------------- the exported folder


class CardTask(ToyTask):
    def export(self, folder: Path, module: torch.nn.Module) -> None:
        super().export(folder, module)
        link = LicenceLink(part="data", name="toy", licence="MIT", commercial="yes", attribution=None)
        write_card(
            folder,
            ModelCard(
                name="toy",
                technique="toy",
                description="a toy",
                tier="own",
                weights=Weights(folder=Path(".")),
                sample_rate_hz=16000,
                length_s=1.0,
                prompt_style="tags",
                licence_chain=(link,),
            ),
        )


def test_the_export_says_how_it_came_to_be(tmp_path: Path) -> None:
    settings = toy_settings(steps=8)
    record = {"command": "nightcrate train toy", "corpus": {"name": "toy corpus", "licence": "MIT"}}
    result = train(CardTask(settings), settings, tmp_path, record=record)
    facts = json.loads((result.folder / "training.json").read_text())
    assert facts["command"] == "nightcrate train toy"
    assert facts["corpus"] == {"name": "toy corpus", "licence": "MIT"}
    assert facts["settings"]["steps"] == 8
    assert facts["versions"]["torch"]
    assert facts["figures"]["step"] == 8
    assert facts["finished_at"].endswith("+00:00")
    assert (result.folder / "losses.csv").read_bytes() == (tmp_path / "losses.csv").read_bytes()
    assert read_card_file(result.folder / "card.yaml").trained_by == "nightcrate train toy"


def test_a_failing_export_leaves_no_half_folder_and_can_be_repeated(tmp_path: Path) -> None:
    class Failing(ToyTask):
        def export(self, folder: Path, module: torch.nn.Module) -> None:
            super().export(folder, module)
            raise OSError("no space left")

    run(tmp_path)
    before = exported(tmp_path)
    with pytest.raises(TrainingError, match="no space left"):
        run(tmp_path, Failing(toy_settings()))
    assert equal(exported(tmp_path), before)
    (tmp_path / "model").rename(tmp_path / "gone")
    assert equal(exported(run(tmp_path).folder.parent), before)
    assert not list(tmp_path.glob(".model*"))


def test_settings_that_make_no_sense_are_refused() -> None:
    for change in ({"steps": 0}, {"learning_rate": 0.0}, {"ema_decay": 1.0}, {"betas": (0.9, 1.0)}, {"lr": 1}):
        with pytest.raises(ValidationError):
            toy_settings(**change)

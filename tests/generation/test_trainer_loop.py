"""What the loop computes: steps, averages, clipping, decay, figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.optim.optimizer import register_optimizer_step_pre_hook

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.ema import WeightAverage, trained_state
from generation.training.trainer import CHECKPOINT, Progress, train
from tests.generation.toy_training import ToyTask, equal, exported, rows, run, toy_settings


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

    def measure(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"]]
        norms.append(float(torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))))

    hook = register_optimizer_step_pre_hook(measure)
    try:
        run(tmp_path, clip_norm=0.5)
    finally:
        hook.remove()
    measured = [float(row["grad_norm"]) for row in rows(tmp_path)[1:]]
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


def test_settings_that_make_no_sense_are_refused() -> None:
    for change in ({"steps": 0}, {"learning_rate": 0.0}, {"ema_decay": 1.0}, {"betas": (0.9, 1.0)}, {"lr": 1}):
        with pytest.raises(ValidationError):
            toy_settings(**change)

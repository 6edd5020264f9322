"""Micro-batches: which ones a step takes, what is random in them, how their gradients become one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.trainer import CHECKPOINT, TrainSettings
from tests.generation.toy_training import Stop, StoppingTask, ToyTask, equal, exported, rows, run, toy_settings


class Halves(ToyTask):
    """The rows of ToyTask's batch of twice the size, one half at a time; nothing else is random."""

    def __init__(self, settings: TrainSettings) -> None:
        super().__init__(settings)
        self.module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
        torch.nn.init.constant_(self.module[0].weight, 0.1)  # type: ignore[arg-type]
        torch.nn.init.constant_(self.module[2].weight, 0.1)  # type: ignore[arg-type]

    def batch(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        size = self.settings.batch_size
        rows = torch.arange(index * size, (index + 1) * size) % 96
        return self.x[rows], self.y[rows]

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        error = self.module(batch[0]) - batch[1]
        return (error**2).mean(), {"mae": float(error.detach().abs().mean())}


def test_two_halves_are_one_whole(tmp_path: Path) -> None:
    for out, numbers in (("halves", {"batch_size": 12, "accumulation": 2}), ("whole", {"batch_size": 24})):
        settings = toy_settings(steps=30, **numbers)
        torch.manual_seed(0)
        run(tmp_path / out, Halves(settings), **numbers)
    halves, whole = exported(tmp_path / "halves"), exported(tmp_path / "whole")
    for name, tensor in whole.items():
        torch.testing.assert_close(halves[name], tensor, rtol=1e-4, atol=1e-5)
    for half, full in zip(rows(tmp_path / "halves")[1:], rows(tmp_path / "whole")[1:], strict=True):
        assert float(half["loss"]) == pytest.approx(float(full["loss"]), rel=1e-4)
        assert float(half["mae"]) == pytest.approx(float(full["mae"]), rel=1e-4)
        assert float(half["grad_norm"]) == pytest.approx(float(full["grad_norm"]), rel=1e-3)


class Noting(ToyTask):
    """Notes which micro-batches come, and what torch's generator gives in each."""

    def __init__(self, settings: TrainSettings) -> None:
        super().__init__(settings)
        self.noted: dict[int, float] = {}
        self.steps: list[int] = []

    def batch(self, index: int) -> Any:
        self.index = index
        return super().batch(index)

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        self.noted[self.index] = float(torch.rand(()))
        self.steps.append(step)
        return super().loss(batch, step)


def test_what_is_random_depends_on_the_micro_batch_alone(tmp_path: Path) -> None:
    tasks = [Noting(toy_settings()) for _ in range(3)]
    run(tmp_path / "one", tasks[0], steps=6)
    run(tmp_path / "three", tasks[1], steps=2, accumulation=3, validate_every=1)
    run(tmp_path / "other seed", tasks[2], steps=6, seed=1)
    assert list(tasks[0].noted) == list(tasks[1].noted) == list(range(6))
    assert tasks[0].steps == list(range(6)) and tasks[1].steps == [0, 0, 0, 1, 1, 1]
    assert tasks[0].noted == tasks[1].noted
    assert len(set(tasks[0].noted.values()) | set(tasks[2].noted.values())) == 12


def test_stopped_within_an_accumulated_step_and_resumed(tmp_path: Path) -> None:
    run(tmp_path / "whole", accumulation=3)
    with pytest.raises(Stop):
        run(tmp_path / "parts", StoppingTask(toy_settings(), 3 * 16 + 1), accumulation=3)
    assert run(tmp_path / "parts", accumulation=3).resumed_from == 14
    assert equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


def test_another_accumulation_does_not_resume(tmp_path: Path) -> None:
    run(tmp_path, accumulation=2)
    with pytest.raises(TrainingError, match="holds a run with accumulation=2 in 1 process, not 3 in 1 process"):
        run(tmp_path, accumulation=3)


def test_validation_draws_the_same_each_time(tmp_path: Path) -> None:
    drawn: list[float] = []

    class Drawing(ToyTask):
        def validate(self) -> dict[str, float]:
            drawn.append(float(torch.rand(())))
            return super().validate()

    run(tmp_path, Drawing(toy_settings()), validate_every=10)
    assert len(drawn) == 4 and len(set(drawn)) == 1


def test_half_precision_needs_cuda(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="precision fp16 needs CUDA, not cpu; use bf16 or fp32"):
        run(tmp_path, precision="fp16")


class Wide(StoppingTask):
    """Wide enough for 8-bit states: bitsandbytes leaves tensors below 4096 numbers in float32."""

    def __init__(self, settings: TrainSettings, stop_at: int) -> None:
        super().__init__(settings, stop_at)
        layers = torch.nn.Linear(8, 64), torch.nn.Linear(64, 128), torch.nn.Tanh(), torch.nn.Linear(128, 1)
        self.module = torch.nn.Sequential(*layers)


@pytest.mark.laion  # the environment that has the train extra
def test_adamw_in_8_bits_learns_and_resumes(tmp_path: Path) -> None:
    eight: dict[str, Any] = {"optimiser": "adamw8bit", "steps": 60}
    whole = run(tmp_path / "whole", Wide(toy_settings(), -1), **eight)
    with pytest.raises(Stop):
        run(tmp_path / "parts", Wide(toy_settings(), 40), **eight)
    assert run(tmp_path / "parts", Wide(toy_settings(), -1), **eight).resumed_from == 35
    assert equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))
    assert whole.figures["valid_mae"] < 0.5 * float(rows(tmp_path / "whole")[0]["valid_mae"])
    state = load_checkpoint(tmp_path / "whole" / CHECKPOINT).optimiser["state"]
    assert "uint8" in str(state)


def test_a_missing_bitsandbytes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes.optim", None)
    with pytest.raises(TrainingError, match=r"needs bitsandbytes .*pip install 'nightcrate\[train\]'") as caught:
        run(tmp_path, optimiser="adamw8bit")
    assert "\n" not in str(caught.value)

"""The best weights: which validation they are of, and that they survive stops and can be exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.ema import trained_state
from generation.training.trainer import CHECKPOINT, TrainSettings
from tests.generation.toy_training import Stop, ToyTask, equal, exported, run, toy_settings

BEST = "best.safetensors"
# What the validations after 0, 10, 20 and 30 steps say.
SCORES = (0.5, 0.9, 0.9, 0.2)


class Scored(ToyTask):
    """Validates to given scores, and remembers the weights it validated."""

    def __init__(self, settings: TrainSettings, scores: tuple[float, ...] = SCORES, stop_at: int = -1) -> None:
        super().__init__(settings)
        self.scores, self.stop_at = list(scores), stop_at
        self.seen: list[dict[str, torch.Tensor]] = []

    def batch(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if index == self.stop_at:
            raise Stop
        return super().batch(index)

    def validate(self) -> dict[str, float]:
        self.seen.append({name: tensor.clone() for name, tensor in self.module.state_dict().items()})
        return {**super().validate(), "score": self.scores.pop(0)}


def scored(best_is: str = "highest", **changes: object) -> dict[str, object]:
    return {"best_by": "score", "best_is": best_is, "validate_every": 10, **changes}


def kept(out: Path) -> dict[str, object]:
    with safe_open(out / BEST, "pt") as file:
        facts: dict[str, object] = json.loads(file.metadata()["best"])
    return facts


@pytest.mark.parametrize("ema_decay", [0.9, None])
@pytest.mark.parametrize(("best_is", "place"), [("highest", 1), ("lowest", 3)])
def test_the_best_weights_are_those_that_were_validated(
    tmp_path: Path, best_is: str, place: int, ema_decay: float | None
) -> None:
    task = Scored(toy_settings())
    run(tmp_path, task, **scored(best_is, ema_decay=ema_decay))
    assert equal(load_file(tmp_path / BEST), task.seen[place])
    assert kept(tmp_path) == {"step": 10 * place, "figure": SCORES[place], "name": "score"}
    assert load_checkpoint(tmp_path / CHECKPOINT).best == {"step": 10 * place, "figure": SCORES[place]}
    assert equal(exported(tmp_path), task.seen[-1]) or ema_decay is None


def test_the_best_weights_are_exported_if_asked(tmp_path: Path) -> None:
    task = Scored(toy_settings())
    run(tmp_path, task, **scored())
    assert json.loads((tmp_path / "model/training.json").read_text())["exported"] == {"step": 30}
    run(tmp_path, ToyTask(toy_settings()), **scored(export_weights="best"))
    assert equal(exported(tmp_path), task.seen[1])
    exported_facts = json.loads((tmp_path / "model/training.json").read_text())["exported"]
    assert exported_facts == {"step": 10, "valid_score": 0.9}


def test_a_resumed_run_remembers_its_best(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run(tmp_path / "parts", Scored(toy_settings(), stop_at=17), **scored())
    resumed = Scored(toy_settings(), SCORES[2:])
    assert run(tmp_path / "parts", resumed, **scored()).resumed_from == 14
    run(tmp_path / "whole", Scored(toy_settings()), **scored())
    assert kept(tmp_path / "parts")["step"] == 10
    assert equal(load_file(tmp_path / "parts" / BEST), load_file(tmp_path / "whole" / BEST))


class WithoutExport(Scored):
    """safetensors' save_file, by which the toy exports, takes no tied weights."""

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        pass


def test_frozen_and_tied_weights(tmp_path: Path) -> None:
    task = WithoutExport(toy_settings())
    frozen = torch.nn.Linear(8, 8).requires_grad_(False)
    tied = torch.nn.Linear(8, 8)
    twice = torch.nn.Sequential(tied, torch.nn.Tanh(), tied)
    task.module = torch.nn.Sequential(frozen, twice, task.module)
    run(tmp_path, task, **scored(ema_decay=None))
    names = set(load_file(tmp_path / BEST))
    assert names == set(trained_state(task.module)) and "0.weight" not in names and "1.2.weight" in names


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    nan = float("nan")
    run(tmp_path / "some", Scored(toy_settings(), (nan, 0.3, nan, 0.2)), **scored())
    assert kept(tmp_path / "some")["step"] == 10
    with pytest.raises(TrainingError, match="score was never a finite number; resume with export_weights=last"):
        run(tmp_path / "none", Scored(toy_settings(), (nan,) * 4), **scored(export_weights="best"))
    assert run(tmp_path / "none", ToyTask(toy_settings()), **scored()).steps == 30


def test_an_unknown_figure_is_named_before_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, Scored(toy_settings(), stop_at=0), **scored(best_by="scor"))
    told = "best_by: there is no validation figure 'scor'; did you mean 'score'? (known: mae, score)"
    assert str(caught.value) == told


def test_the_best_needs_a_figure() -> None:
    with pytest.raises(ValidationError, match="export_weights is best, but best_by is null"):
        toy_settings(export_weights="best")

"""A small real network with everything that makes resuming hard: batch norm, dropout, an average, a schedule.

`train_and_tell` trains in a process of its own, so that a test can kill it.
"""

from __future__ import annotations

import csv
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first optimiser imports it, which takes over a second; here forked processes share it
from safetensors.torch import load_file, save_file

from generation.training.sampling import epoch_order, step_rng
from generation.training.trainer import Progress, TrainResult, TrainSettings, train

WEIGHTS = "model.safetensors"
STEPS = 200


def toy_settings(**changes: Any) -> TrainSettings:
    numbers: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": 12,
        "learning_rate": 1e-2,
        "ema_decay": 0.9,
        "warmup_steps": 5,
        "validate_every": 50,
        "checkpoint_every": 7,
    }
    return TrainSettings(**{**numbers, **changes})


class ToyTask:
    """Learns the sum of eight noisy numbers."""

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.module: torch.nn.Module = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1)
        )
        numbers = torch.Generator().manual_seed(1)
        self.x = torch.randn(100, 8, generator=numbers)
        self.y = self.x.sum(1, keepdim=True)

    def batch(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        order = epoch_order(len(self.x), self.settings.batch_size, self.settings.seed, index)
        noise = step_rng(self.settings.seed, index).standard_normal((len(order), 8))
        rows = torch.from_numpy(order)
        return self.x[rows] + 0.1 * torch.from_numpy(noise).float(), self.y[rows]

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        x, y = batch
        # A draw from torch's global generator, as a diffusion loss makes.
        error = (self.module(x + 0.01 * torch.randn_like(x)) - y).abs()
        return (error**2).mean(), {"mae": float(error.detach().mean())}

    def validate(self) -> dict[str, float]:
        return {"mae": float((self.module(self.x + 0.01 * torch.randn_like(self.x)) - self.y).abs().mean())}

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        save_file(module.state_dict(), folder / WEIGHTS)


def run(out: Path, task: ToyTask | None = None, **changes: Any) -> TrainResult:
    """Train a toy for 30 steps, unless the changes say otherwise."""
    settings = toy_settings(**{"steps": 30, **changes})
    return train(task or ToyTask(settings), settings, out)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "losses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_time(out: Path) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows(out)]


class Stop(Exception):
    """Stands for a power cut at a chosen step."""


class StoppingTask(ToyTask):
    def __init__(self, settings: TrainSettings, stop_at: int) -> None:
        super().__init__(settings)
        self.stop_at = stop_at

    def batch(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if index == self.stop_at:
            raise Stop
        return super().batch(index)


def exported(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / WEIGHTS)


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def train_and_tell(out: Path, listener: Connection) -> None:
    """Train whole, sending the number of each finished step."""
    torch.set_num_threads(1)

    def told(progress: Progress) -> None:
        listener.send(progress.step)

    train(ToyTask(toy_settings()), toy_settings(), out, progress=told)

"""The weights that validated best, in a file of their own beside the checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from generation.errors import TrainingError
from generation.strict_yaml import unknown_name
from generation.training.checkpoint import write_whole
from generation.training.ema import trained_state
from generation.training.settings import TrainSettings

BEST = "best.safetensors"


class BestWeights:
    """Watches one validation figure and keeps the weights of its best value in `path`.

    best: {"step", "figure"} of what is kept, or None; a checkpoint carries it. Values that are not finite never
    count, equal ones keep the earlier weights.
    """

    def __init__(self, path: Path, settings: TrainSettings, best: dict[str, float] | None) -> None:
        self.path, self.best = path, best
        self._name, self._sign = settings.best_by, -1.0 if settings.best_is == "lowest" else 1.0

    def offer(self, step: int, figures: Mapping[str, float], module: torch.nn.Module) -> None:
        """Keep the module's present weights if the figure has improved.

        Raises TrainingError, naming the figures there are, when the watched one is not among them.
        """
        if self._name is None:
            return
        if self._name not in figures:
            raise TrainingError(f"best_by: {unknown_name('validation figure', self._name, figures)}")
        figure = float(figures[self._name])
        if not math.isfinite(figure) or (self.best and self._sign * (figure - self.best["figure"]) <= 0):
            return
        # Copies: safetensors refuses weights that share memory, as tied ones do.
        weights = {
            name: tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in trained_state(module).items()
        }
        facts = {"step": step, "figure": figure}
        metadata = {"format": "pt", "best": json.dumps({**facts, "name": self._name})}
        write_whole(self.path, lambda temporary: save_file(weights, temporary, metadata))
        self.best = facts

    def copy_to_module(self, module: torch.nn.Module) -> dict[str, Any]:
        """Make the kept weights the module's own; return the step and the figure they are of.

        Raises TrainingError when none were kept.
        """
        if self.best is None or not self.path.is_file():
            raise TrainingError(
                f"{self.path}: there are no best weights, {self._name} was never a finite number; "
                "resume with export_weights=last"
            )
        with safe_open(self.path, "pt") as kept, torch.no_grad():
            for name, tensor in trained_state(module).items():
                tensor.copy_(kept.get_tensor(name))
            facts: dict[str, Any] = json.loads(kept.metadata()["best"])
        return {"step": facts["step"], f"valid_{facts['name']}": facts["figure"]}

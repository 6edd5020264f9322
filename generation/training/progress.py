"""What a run tells its caller: after every step, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `steps`; eta_s is the time left at the pace so far."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    eta_s: float
    validation: Mapping[str, float]


@dataclass(frozen=True)
class TrainResult:
    """A finished run: exported folder, last figures of losses.csv, training time, step it resumed from."""

    folder: Path
    figures: Mapping[str, float]
    steps: int
    trained_s: float
    resumed_from: int | None

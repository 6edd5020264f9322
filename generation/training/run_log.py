"""All that a run writes about itself while it trains: losses.csv, its picture, and TensorBoard's events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from generation.training.event_log import EVENTS, EventLog
from generation.training.loss_curves import CURVES, draw_curves
from generation.training.losses import LOSSES, LossLog

_DRAW_EVERY_S = 60.0
# Drawing takes at most this part of the time, however long losses.csv has become.
_DRAWING_SHARE = 0.01


class RunLog:
    """Takes one step's figures after another; validation figures get the prefix valid_.

    A new run is begun by `start`, a resumed one (step above 0) goes on by `row`.
    """

    def __init__(self, out: Path, step: int, losses_bytes: int | None, tensorboard: bool) -> None:
        """Open the files in `out`, for the rows after `step`; losses_bytes as LossLog's keep_bytes."""
        self._out = out
        self._events = EventLog(out / EVENTS, step + 1 if step else 0) if tensorboard else None
        self._losses = LossLog(out / LOSSES, losses_bytes)
        self._draw_at_s = time.monotonic() + _DRAW_EVERY_S

    def start(self, training: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Set the columns by the figures of the first step, and write the validation before it as row 0."""
        self._losses.start(training, validation)
        self._write(0, {}, validation)

    def row(self, step: int, training: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Write the figures after `step` steps; after a validation the picture is drawn again, not too often."""
        self._write(step, training, validation)
        if validation and time.monotonic() >= self._draw_at_s:
            self.draw()

    def draw(self) -> None:
        """Draw losses.png from losses.csv."""
        began_s = time.monotonic()
        draw_curves(self._out / LOSSES, self._out / CURVES)
        took_s = time.monotonic() - began_s
        self._draw_at_s = began_s + max(_DRAW_EVERY_S, took_s / _DRAWING_SHARE)

    def sync(self) -> int:
        """Force all rows to the disk; return the length of losses.csv in bytes."""
        if self._events:
            self._events.sync()
        return self._losses.sync()

    def close(self) -> None:
        """Close the files."""
        self._losses.close()
        if self._events:
            self._events.close()

    def _write(self, step: int, training: Mapping[str, float], validation: Mapping[str, float]) -> None:
        self._losses.row({"step": step, **training}, validation)
        if self._events:
            self._events.row(step, {**training, **{f"valid_{name}": value for name, value in validation.items()}})

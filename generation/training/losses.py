"""losses.csv: one row for each optimiser step, cut back to the checkpoint when a run resumes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from generation.errors import TrainingError

LOSSES = "losses.csv"
_FIXED = ("step", "seconds", "learning_rate", "grad_norm", "loss")


class LossLog:
    """Appends rows to losses.csv; the columns are set by the first row of a run and stay.

    Columns: step (steps done; row 0 holds the validation before training), seconds of training so far,
    learning_rate, grad_norm (before clipping), loss, the task's own training figures, and its validation
    figures with the prefix valid_. A cell is empty where a figure was not measured at that step.
    """

    def __init__(self, path: Path, keep_bytes: int | None = None) -> None:
        """Start a new file, or with `keep_bytes` go on after that many bytes of the present one.

        Raises TrainingError when the present file is shorter than that.
        """
        self.path = path
        self._columns: tuple[str, ...] = ()
        if keep_bytes is None:
            self._file: BinaryIO = path.open("wb")
            return
        if not path.is_file() or path.stat().st_size < keep_bytes:
            raise TrainingError(f"{path}: is missing or shorter than its checkpoint says; start in another folder")
        self._file = path.open("r+b")
        self._columns = tuple(self._file.readline().decode("utf-8").strip().split(","))
        self._file.truncate(keep_bytes)
        self._file.seek(keep_bytes)

    def start(self, training: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Write the header of a new file: the figures of the first step and of the first validation."""
        own = tuple(name for name in training if name not in _FIXED)
        self._columns = (*_FIXED, *own, *(f"valid_{name}" for name in validation))
        self._write(self._columns)

    def row(self, figures: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Append one step's figures. Raises TrainingError for a figure that the first step did not have."""
        cells = {**figures, **{f"valid_{name}": value for name, value in validation.items()}}
        unknown = [name for name in cells if name not in self._columns]
        if unknown:
            raise TrainingError(f"the figure '{unknown[0]}' appeared after the first step; report it at every step")
        self._write(tuple(f"{cells[name]:.7g}" if name in cells else "" for name in self._columns))

    def sync(self) -> int:
        """Force all rows to the disk and return the file's length in bytes, for the checkpoint."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, cells: tuple[str, ...]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._file.write(line.getvalue().encode("utf-8"))
        self._file.flush()


def last_figures(path: Path) -> dict[str, float]:
    """Return the last value of each column of a losses.csv that was measured at all."""
    figures: dict[str, float] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            figures.update({name: float(cell) for name, cell in row.items() if cell})
    return figures

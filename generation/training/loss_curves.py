"""losses.png: the curves of losses.csv, for eyes that want to know how a run goes."""

from __future__ import annotations

import csv
import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = "losses.png"

_log = logging.getLogger(__name__)
_COLUMNS, _PANEL_INCHES = 2, (5.6, 3.4)
_DRAWN_POINTS = 2000
_TRAINING, _HELD_OUT = "#3b6ea8", "#c8501e"
_LOG_FROM = 10.0  # a smaller span gets no legible ticks on a logarithmic scale


def draw_curves(losses: Path, picture: Path) -> None:
    """Draw a losses.csv as a PNG: a panel for the loss and one for each further validation figure.

    Training figures are drawn faint at each step and as a running mean over a fiftieth of the run, validation
    figures as points. A scale is logarithmic where all values are above 0 and span a factor of 10. Without
    matplotlib nothing is drawn, and one notice says so. Raises OSError when `picture` cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        _say_once("losses.png is not drawn: the package matplotlib is missing")
        return
    columns = _read(losses)
    names = ["loss", *(n.removeprefix("valid_") for n in columns if n.startswith("valid_") and n != "valid_loss")]
    width, height = min(len(names), _COLUMNS), -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(_PANEL_INCHES[0] * width, _PANEL_INCHES[1] * height), layout="constrained")
    for place, name in enumerate(names):
        _draw_panel(figure.add_subplot(height, width, place + 1), name, columns)
    temporary = picture.with_name(f".{picture.name}.tmp")
    figure.savefig(temporary, format="png", dpi=100)
    os.replace(temporary, picture)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of each value and the window - 1 before it (fewer at the beginning): float64 [n] to [n]."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _draw_panel(axes: Axes, name: str, columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    shown = []
    if name in columns and len(columns[name][0]):
        steps, values = columns[name]
        thin = slice(None, None, -(-len(steps) // _DRAWN_POINTS))
        smooth = running_mean(values, max(1, len(values) // 50))
        axes.plot(steps[thin], values[thin], color=_TRAINING, alpha=0.25, linewidth=0.8)
        axes.plot(steps[thin], smooth[thin], color=_TRAINING, linewidth=1.6, label="training")
        shown.append(values)
    if f"valid_{name}" in columns:
        steps, values = columns[f"valid_{name}"]
        axes.plot(steps, values, color=_HELD_OUT, linewidth=1.6, marker="o", markersize=3, label="held out")
        shown.append(values)
    finite = np.concatenate([values[np.isfinite(values)] for values in shown] or [np.empty(0)])
    if len(finite) and finite.min() > 0 and finite.max() >= _LOG_FROM * finite.min():
        axes.set_yscale("log")
    axes.set_title(name.replace("_", " "), fontsize=11)
    axes.set_xlabel("step", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.grid(alpha=0.3)
    if shown:
        axes.legend(fontsize=9, frameon=False)


def _read(losses: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each column its steps and its values, float64 [n] both, where it was measured."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    with losses.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        for name in header:
            found[name] = ([], [])
        for row in rows:
            step = float(row[0])
            for name, cell in zip(header, row, strict=True):
                if cell:
                    found[name][0].append(step)
                    found[name][1].append(float(cell))
    return {name: (np.array(steps), np.array(values)) for name, (steps, values) in found.items()}


@lru_cache(maxsize=1)
def _say_once(text: str) -> None:
    _log.warning(text)

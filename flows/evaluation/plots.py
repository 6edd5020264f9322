"""What more steps or more guidance bring, as pictures: one panel for each figure, error bars of 95 %."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from flows.evaluation.scoring import Line, size_remarks

Axis = Literal["steps", "guidance"]


def plot(lines: Sequence[Line], axis: Axis, title: str) -> bytes | None:
    """A PNG of every figure over steps or guidance, a curve a row; None while no figure has a value.

    Without colours the curves are told apart by their markers. The thesis' figures are not drawn: they are of other
    judges and models.
    """
    from matplotlib.figure import Figure

    names = list(
        dict.fromkeys(name for line in lines for name, record in line.figures.items() if record.value is not None)
    )
    if not names:
        return None
    rows = list(dict.fromkeys(line.made.row for line in lines))
    picture = Figure(figsize=(4.4 * len(names), 4.0), layout="constrained")
    panels = picture.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for place, row in enumerate(rows):
            points = [point for line in lines if line.made.row == row and (point := _point(line, axis, name))]
            if not points:
                continue
            x, y, below, above = zip(*sorted(points), strict=True)
            # Each curve stands a little beside the others, so that their bars can be told apart.
            beside = [at * (1 + 0.04 * (place - (len(rows) - 1) / 2)) for at in x]
            panel.errorbar(beside, y, (below, above), marker="osD^vP"[place % 6], capsize=3, linewidth=1, label=row)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel(axis)
        if axis == "steps":
            panel.set_xscale("log")
            ticks = sorted({line.setting.steps for line in lines if line.setting.steps is not None})
            panel.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
            panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("lower is better")
    # Below the panels: in one of them it would hide a curve.
    picture.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=len(rows))
    told = "; FAD and FD of too different n do not compare" if size_remarks(lines) else ""
    picture.suptitle(f"{title}; error bars: 95 %{told}", fontsize=10)
    out = io.BytesIO()
    picture.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()


def _point(line: Line, axis: Axis, name: str) -> tuple[float, float, float, float] | None:
    """Place, value and the reach of its interval below and above; None where there is no value."""
    record = line.figures.get(name)
    place = line.setting.steps if axis == "steps" else line.setting.guidance_scale
    if record is None or record.value is None or place is None:
        return None
    low, high = record.settings.get("low", record.value), record.settings.get("high", record.value)
    return float(place), record.value, max(0.0, record.value - low), max(0.0, high - record.value)

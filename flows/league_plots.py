"""The league as pictures: one PNG for each figure and kind, every model's interval as a bar."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from flows.league_table import Row
from generation.audio import write_bytes


def write_plots(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write league-FIGURE-KIND.png for whatever has intervals; the paths, in the order of the rows.

    Raises AudioError, as every writing does, when the disk refuses.
    """
    drawn: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.low is not None and row.high is not None and row.value is not None:
            drawn.setdefault((row.figure, row.kind, row.embedder, row.reference), []).append(row)
    paths = []
    for number, ((figure, kind, _, _), members) in enumerate(drawn.items()):
        name = re.sub(r"[^a-z0-9]+", "-", f"league-{figure}-{kind}".lower()).strip("-")
        path = folder / f"{name}.png"
        if path in paths:  # the same figure against another reference
            path = folder / f"{name}-{number}.png"
        write_bytes(path, _picture(members))
        paths.append(path)
    return paths


def _picture(rows: Sequence[Row]) -> bytes:
    """One picture: a line for each label and model, its figure as a point and its interval as a bar."""
    from matplotlib.figure import Figure

    models = sorted({row.model for row in rows})
    names = [f"{row.label} {row.model} (n {row.n}{_unranked(row)})".strip() for row in rows]
    picture = Figure(figsize=(8, 1.6 + 0.3 * len(rows)), layout="constrained")
    axes = picture.subplots()
    for place, row in enumerate(rows):
        assert row.value is not None and row.low is not None and row.high is not None
        colour = f"C{models.index(row.model) % 10}"
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=3, alpha=0.5, solid_capstyle="butt")
        axes.plot([row.value], [place], "o", color=colour)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    first = rows[0]
    length = "" if first.length_s is None else f" cut to {first.length_s:g} s"
    told = "; too different n are not ranked apart" if any(row.held_by_n for row in rows) else ""
    axes.set_xlabel(f"{first.figure}, 95 % interval; lower is better{told}")
    axes.set_title(f"against {first.reference}{length}\njudge {first.embedder}", fontsize=9)
    out = io.BytesIO()
    picture.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()


def _unranked(row: Row) -> str:
    return ", no rank" if row.held_by_n and row.rank is None else ""

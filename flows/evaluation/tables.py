"""The experiments of the thesis' tables: setting by setting, the cheap ones first, the files anew after each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from catalog.library import Library
from flows.evaluation.making import make_rows, settings_of
from flows.evaluation.plots import plot
from flows.evaluation.prompts import evaluation_prompts
from flows.evaluation.scoring import Line, open_ears, score_rows
from flows.evaluation.settings import Evaluation
from flows.evaluation.table import Table, latex, markdown, table_csv, table_json
from flows.progress import say
from generation.audio import write_bytes


def run_table(evaluation: Evaluation, folder: Path, out: Path, device: str) -> Table:
    """Make and score every setting below `out` and leave the table's files there; what is there is not made again.

    folder: what paths of the evaluation are relative to. Raises a GenerationError or a CatalogError, one line.
    """
    ears = open_ears(evaluation, folder, device)
    settings = settings_of(evaluation)
    prompts = evaluation_prompts(evaluation.prompts_on(device))
    lines: list[Line] = []
    table = Table(evaluation, len(prompts), device, tuple(settings), ())
    for setting in settings:
        say(f"{evaluation.experiment}: {setting.steps} steps, guidance {setting.guidance_scale:g}")
        with Library.open(out / setting.folder, create=True) as library:
            library.lock()
            made = list(make_rows(library, evaluation, setting, prompts, device))
            lines += score_rows(library, setting, made, ears, device, out / "real-notes")
        table = Table(evaluation, len(prompts), device, tuple(settings), tuple(lines))
        write_table(table, out)
    return table


def write_table(table: Table, out: Path) -> None:
    """Write table.md, .tex, .csv and .json, and the pictures of what changes, each whole or not at all."""
    for name, text in (
        ("table.md", markdown(table)),
        ("table.tex", latex(table)),
        ("table.csv", table_csv(table)),
        ("table.json", table_json(table)),
    ):
        write_bytes(out / name, text.encode())
    for axis, values in (("steps", table.evaluation.steps), ("guidance", table.evaluation.guidance_scales)):
        if _changes(values) and (picture := plot(table.lines, "steps" if axis == "steps" else "guidance", table.title)):
            write_bytes(out / f"{axis}.png", picture)


def _changes(values: Sequence[float]) -> bool:
    return len(set(values)) > 1

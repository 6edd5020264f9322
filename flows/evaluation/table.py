"""The thesis' tables as files: ours and the thesis' columns side by side in Markdown and LaTeX; CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from catalog.records import ScoreRecord
from flows.evaluation.making import Setting
from flows.evaluation.published import ORIGINALS, PUBLISHED, REMARKS, Published
from flows.evaluation.scoring import STARTER_FIGURES, Line, size_remarks
from flows.evaluation.settings import Evaluation
from flows.making import versions

FULL = 1000
"""Prompts of a row from which on a table is more than indicative."""
LONGEST_REASON = 50
"""Characters of a reason that stands in its cell."""
# A bracket after a line break would be an option; < > and | are other characters in LaTeX's first encoding.
_TEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}", "[": "{[}", "]": "{]}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Everything that a table of the thesis is written from; `lines` hold the settings that are done so far."""

    evaluation: Evaluation
    prompts: int
    device: str
    settings: tuple[Setting, ...]
    lines: tuple[Line, ...]

    @property
    def figures(self) -> list[str]:
        """The names of the figures that any line has, in the order of their columns."""
        named = [name for line in self.lines for name in line.figures]
        return list(dict.fromkeys([*STARTER_FIGURES, *named]))

    @property
    def missing(self) -> list[Setting]:
        """The settings that are not done yet."""
        done = {line.setting for line in self.lines}
        return [setting for setting in self.settings if setting not in done]

    @property
    def title(self) -> str:
        """The heading: which table, on how many prompts."""
        told = f"n = {self.prompts}" + (", indicative" if self.prompts < FULL else "")
        return f"{self.evaluation.experiment.replace('table-', 'Table ')} ({told})"


def rows_of(table: Table) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of what Markdown and LaTeX show, a line for each row in each setting, missing ones too."""
    with_ratings = table.evaluation.experiment == "table-6.1"
    heads = ["Model", "Steps", "Guidance", "n", *table.figures, "Default gate accepts", "s a sound"]
    heads += ["Thesis: FD [PANN]", "Thesis: KL [PANN]", "Thesis: FAD [VGGish]"]
    heads += ["Thesis: CAG", "Thesis: REL"] if with_ratings else []
    published = PUBLISHED[table.evaluation.experiment]
    body = []
    if with_ratings:
        blank = ["-"] * (len(heads) - 6)
        body.append(["originals", *blank, *_told(ORIGINALS, with_ratings)])
    done = {(line.setting, line.made.row): line for line in table.lines}
    for setting in table.settings:
        for choice in table.evaluation.models:
            told = published.get((choice.row, setting.steps or 0, setting.guidance_scale or 0.0), Published())
            line = done.get((setting, choice.row))
            body.append([choice.row, *_cells(line, setting, table.figures), *_told(told, with_ratings)])
    return heads, body


def markdown(table: Table) -> str:
    """The table for readers of Markdown, with what has to be said under it."""
    heads, body = rows_of(table)
    lines = [f"# {table.title}", "", markdown_row(heads), markdown_row(["---"] * len(heads))]
    lines += [markdown_row(cells) for cells in body]
    lines += ["", *(f"- {remark}" for remark in remarks(table))]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """The table for LaTeX, which needs no package."""
    heads, body = rows_of(table)
    lines = [
        r"\begin{table}", r"\footnotesize", rf"\caption{{{_tex(table.title)}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}", r"\hline",
        " & ".join(map(_tex, heads)) + r" \\", r"\hline",
        *(" & ".join(map(_tex, cells)) + r" \\" for cells in body),
        r"\hline", r"\end{tabular}", "",
        *(rf"\par {_tex(remark)}" for remark in remarks(table)),
        r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def remarks(table: Table) -> list[str]:
    """What a reader must know: what is missing, what the figures are, what the thesis' are."""
    told = []
    if table.missing:
        names = ", ".join(f"{one.steps} steps at guidance {one.guidance_scale:g}" for one in table.missing)
        told.append(f"Not made yet: {names}; the same command goes on.")
    told += unscored(table.lines)
    judged = {
        f"{name}: judge {record.embedder}, against {record.reference}"
        for line in table.lines
        for name, record in line.figures.items()
        if record.value is not None
    }
    told += sorted(judged)
    told.append(
        "Lower is better; in brackets 95 % intervals. Every sound that can be heard counts; `Default gate accepts` is "
        "the share of a row's sounds that nightcrate would keep, as generated and before tuning."
    )
    told += size_remarks(table.lines)
    if table.prompts < FULL:
        told.append(
            f"{table.prompts} prompts a row are few: a Frechet distance of so few sounds is dominated by their number."
        )
    if table.evaluation.experiment == "table-6.2":
        told.append("The thesis names no guidance for Audio Diffusion and Audio Latent Diffusion in its table 6.2.")
    return [*told, *REMARKS]


def unscored(lines: Sequence[Line], with_setting: bool = True) -> list[str]:
    """Why rows have no figure, each reason once; with_setting names the steps and guidance, where there are several."""
    told: dict[str, None] = {}
    for line in lines:
        for name, record in line.figures.items():
            if record.value is None:
                whose = line.made.row if line.made.reason else f"{line.made.row}, {name}"
                setting = f" ({line.setting.folder})" if with_setting else ""
                told[f"{whose}{setting} is unscored: {record.reason}"] = None
    return list(told)


def table_csv(table: Table) -> str:
    """One line for each figure of each row in each setting that is done, the thesis' strings beside it."""
    out = io.StringIO()
    fields = [
        "row", "model", "steps", "guidance_scale", "figure", "value", "low", "high", "n", "asked", "silent", "failed",
        "reason", "embedder", "reference", "default_gate_accepts", "seconds",
        *(f"thesis_{name}" for name in Published.__dataclass_fields__),
    ]  # fmt: skip
    writer = csv.DictWriter(out, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for line in table.lines:
        thesis = {f"thesis_{name}": told for name, told in asdict(_published(table, line)).items()}
        about = asdict(line.made) | {"default_gate_accepts": line.accepted_share} | thesis
        for record in line.figures.values():
            writer.writerow(about | figure_json(record))
    return out.getvalue()


def table_json(table: Table) -> str:
    """Everything that the table rests on: settings, versions, fingerprints, figures with their intervals."""
    content = {
        "title": table.title,
        "evaluation": table.evaluation.model_dump(mode="json"),
        "prompts": table.prompts,
        "device": table.device,
        "versions": versions(),
        "missing": [asdict(setting) for setting in table.missing],
        "lines": [
            asdict(line.made)
            | {
                "setting": line.setting.folder,
                "default_gate_accepts": line.accepted_share,
                "figures": [figure_json(record) for record in line.figures.values()],
                "thesis": asdict(_published(table, line)),
            }
            for line in table.lines
        ],
        "remarks": remarks(table),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def figure_json(record: ScoreRecord) -> dict[str, object]:
    """One figure for machines."""
    return {
        "figure": record.name,
        "value": record.value,
        "low": record.settings.get("low"),
        "high": record.settings.get("high"),
        "n": record.n,
        "reason": record.reason,
        "embedder": record.embedder,
        "reference": record.reference,
        "settings": record.settings,
    }


def figure_text(line: Line, name: str) -> str:
    """One figure of a row for people: with its interval, or why there is none; a long reason stands under the table.

    A figure of fewer sounds than the row has (a reference without a family, a damaged sound) says how many.
    """
    record = line.figures.get(name)
    if record is None:
        return "-"
    if record.value is None:
        return f"unscored: {record.reason}" if len(record.reason or "") <= LONGEST_REASON else "unscored"
    low, high = record.settings.get("low"), record.settings.get("high")
    about = [] if low is None or high is None else [f"{low:.3g} to {high:.3g}"]
    about += [] if record.n == line.made.heard else [f"n = {record.n}"]
    return f"{record.value:.3g}" + (f" ({'; '.join(about)})" if about else "")


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _published(table: Table, line: Line) -> Published:
    key = (line.made.row, line.setting.steps or 0, line.setting.guidance_scale or 0.0)
    return PUBLISHED[table.evaluation.experiment].get(key, Published())


def _cells(line: Line | None, setting: Setting, names: Sequence[str]) -> list[str]:
    """Our columns of one row in one setting."""
    if line is None:
        return [f"{setting.steps}", f"{setting.guidance_scale:g}", "not made yet", *["-"] * (len(names) + 2)]
    made = line.made
    # A row of which nothing is known stands where it was asked for.
    steps = setting.steps if made.model is None or made.fingerprint is None else made.steps
    scale = setting.guidance_scale if made.model is None or made.fingerprint is None else made.guidance_scale
    return [
        "-" if steps is None else str(steps),
        "-" if scale is None else f"{scale:g}",
        str(made.heard) if made.heard == made.asked else f"{made.heard} of {made.asked}",
        *(figure_text(line, name) for name in names),
        "-" if line.accepted_share is None else f"{100 * line.accepted_share:.0f} %",
        "-" if made.seconds is None else f"{made.seconds:.3g}",
    ]


def _told(published: Published, with_ratings: bool) -> list[str]:
    """The thesis' columns of one row."""
    told = [published.fd, published.kl, published.fad, *([published.cag, published.rel] if with_ratings else [])]
    return ["-" if figure is None else figure for figure in told]


def _tex(text: str) -> str:
    """Text with the characters escaped that LaTeX reads as its own or shows as others; code in single quotes."""
    quoted = re.sub(r"`([^`]*)`", r"`\1'", text)
    return "".join(_TEX.get(character, character) for character in quoted)

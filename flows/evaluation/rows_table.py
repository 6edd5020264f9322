"""One line a model: what its sounds obey, how near to real notes they are, and the controls that give that a scale."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass

from flows.evaluation.obedience import Obedience
from flows.evaluation.own_family import OWN_FAMILY
from flows.evaluation.scoring import STARTER_FIGURES, Line, size_remarks
from flows.evaluation.settings import Evaluation
from flows.evaluation.table import figure_json, figure_text, markdown_row, unscored
from flows.making import versions

CONTROL = "control: "
_FIGURES = (*STARTER_FIGURES, OWN_FAMILY)
_SHARES = {
    "Family, judge": "family",
    "Family, CLAP": "family_clap",
    "Family, judge, prompts shuffled": "family_shuffled",
    "Family, CLAP, prompts shuffled": "family_clap_shuffled",
    "Source, judge": "source",
    "Source, CLAP": "source_clap",
    "Words obeyed": "obeyed",
    "Words unasked": "unasked",
    "Clear pitch": "pitched",
    "Within 50 ct": "near",
    "Within 50 ct, tuned": "near_tuned",
}


@dataclass(frozen=True)
class RowLine:
    """A model or a control: its sounds and figures, and what they obey."""

    line: Line
    obeys: Obedience


@dataclass(frozen=True)
class RowsTable:
    """All lines so far. remarks: what is absent, and why; embedder: the id of the one that reads words."""

    evaluation: Evaluation
    prompts: int
    device: str
    embedder: str
    lines: tuple[RowLine, ...]
    remarks: tuple[str, ...]
    complete: bool


def rows_markdown(table: RowsTable) -> str:
    """The table for readers."""
    heads = ["Row", "Steps", "Guidance", "n", *_SHARES, *_FIGURES, "s a sound"]
    lines = [f"# What each model obeys (n = {table.prompts} prompts)", "", markdown_row(heads)]
    lines.append(markdown_row(["---"] * len(heads)))
    lines += [markdown_row(_cells(one)) for one in table.lines]
    lines += ["", "Quality words that can be measured, shown where asked (where not asked):", ""]
    words = list(dict.fromkeys(word for one in table.lines for word in one.obeys.words))
    lines += [markdown_row(["Row", *words]), markdown_row(["---"] * (len(words) + 1))]
    for one in table.lines:
        cells = [_word(one.obeys, word) for word in words]
        lines.append(markdown_row([one.line.made.row, *cells]))
    lines += ["", *(f"- {remark}" for remark in _remarks(table))]
    return "\n".join(lines) + "\n"


def rows_csv(table: RowsTable) -> str:
    """One line for each figure of each row."""
    out = io.StringIO()
    fields = ["row", "model", "figure", "value", "low", "high", "n", "reason", "steps", "guidance_scale", "seconds"]
    writer = csv.DictWriter(out, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for one in table.lines:
        made = one.line.made
        about = {
            "row": made.row, "model": made.model, "steps": made.steps, "guidance_scale": made.guidance_scale,
            "seconds": made.seconds,
        }  # fmt: skip
        for name, share in _shares_json(one.obeys).items():
            writer.writerow({**about, **share, "figure": name, "n": share["of"], "reason": made.reason})
        for record in one.line.figures.values():
            writer.writerow(about | figure_json(record))
    return out.getvalue()


def rows_json(table: RowsTable) -> str:
    """Everything the table rests on."""
    content = {
        "evaluation": table.evaluation.model_dump(mode="json"),
        "prompts": table.prompts,
        "device": table.device,
        "embedder": table.embedder,
        "versions": versions(),
        "complete": table.complete,
        "lines": [
            asdict(one.line.made)
            | {
                "default_gate_accepts": one.line.accepted_share,
                "shares": _shares_json(one.obeys),
                "figures": [figure_json(record) for record in one.line.figures.values()],
            }
            for one in table.lines
        ],
        "remarks": _remarks(table),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cells(one: RowLine) -> list[str]:
    made = one.line.made
    return [
        made.row,
        "-" if made.steps is None else str(made.steps),
        "-" if made.guidance_scale is None else f"{made.guidance_scale:g}",
        str(made.heard) if made.heard == made.asked else f"{made.heard} of {made.asked}",
        *(str(getattr(one.obeys, name)) for name in _SHARES.values()),
        *(figure_text(one.line, name) for name in _FIGURES),
        "-" if made.seconds is None else f"{made.seconds:.3g}",
    ]


def _word(obeys: Obedience, word: str) -> str:
    if word not in obeys.words:
        return "-"
    unasked = obeys.words_unasked.get(word)
    without = "" if unasked is None or unasked.value is None else f"; not asked {100 * unasked.value:.0f} %"
    return f"{obeys.words[word]} n {obeys.words[word].of}{without}"


def _shares_json(obeys: Obedience) -> dict[str, dict[str, float | int | None]]:
    shares = {name: getattr(obeys, name) for name in _SHARES.values()}
    shares |= {f"word {word}": share for word, share in obeys.words.items()}
    shares |= {f"word {word}, not asked": share for word, share in obeys.words_unasked.items()}
    return {name: share.as_json() for name, share in shares.items()}


def _remarks(table: RowsTable) -> list[str]:
    told = [] if table.complete else ["Not all rows are made yet; the same command goes on."]
    told += unscored([one.line for one in table.lines], with_setting=False)
    told += table.remarks
    return [
        *told,
        f"Shares with 95 % intervals (Wilson). Judge: the starter judge; CLAP: zero-shot by {table.embedder}. A sound "
        "that cannot be heard is a miss. With prompts shuffled the same sounds are held against the same prompts in "
        "another order: the level of guessing.",
        "Words are those that can be measured (bright, dark, percussive; fast_decay on sounds of at least 1.6 s, "
        "long_release of 3.9 s). Tuned: as the default gate tunes a sound within two semitones of its note.",
        "FAD and KL: the starter judge against its shipped reference, which may hold notes of the controls; lower is "
        "better. FAD knows no labels, so shuffled families do not move it; they move KL and the FAD of each sound's "
        "own family, which comes from few sounds a family and so compares only lines of equal n. Not the VGGish or "
        "PANNs figures of the literature.",
        *size_remarks([one.line for one in table.lines]),
    ]

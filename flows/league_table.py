"""The league as people and programs read it: rows with interval and rank, as text and as CSV.

A rank stands beside a figure only where an interval does, and where its number of sounds lets it be compared with the
others; it is shared by all models that the figures do not tell apart (catalog/scores/comparing.py). Within one rank
models come by name, so that not even the order says more.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from catalog.scores.comparing import NOTE, rank_scores

if TYPE_CHECKING:
    from catalog.records import ScoreRecord

# A reason that counts, as catalog/scores/league.py writes it: "3 sounds, at least 50 are needed".
_COUNTED = re.compile(r"(\d+) (sounds|real notes), (.+)")


@dataclass(frozen=True)
class Row:
    """One figure of one model.

    kind: all, family or quality; label: which of them ("" for all). low, high: its interval; rank: among the `of`
    models that are ranked by the same figure for the same sounds, 1 the best. value and rank are None where `reason`
    says why. held_by_n: why its number of sounds keeps it from any rank, or from one of its own where all share one.
    """

    kind: str
    label: str
    figure: str
    model: str
    value: float | None
    low: float | None
    high: float | None
    rank: int | None
    of: int
    n: int
    length_s: float | None
    embedder: str
    reference: str
    reason: str | None
    held_by_n: str | None
    settings: dict[str, Any]


def league_rows(scores: Iterable[ScoreRecord]) -> list[Row]:
    """Turn scores of models into rows: all sounds first, then families, then qualities; by figure, rank and name."""
    compared: dict[tuple[Any, ...], list[ScoreRecord]] = {}
    for score in scores:
        if score.scope == "sample":
            continue
        # Figures compare only when made by one judge against one reference of sounds of one length.
        against = (score.embedder, score.reference, score.settings.get("reference_id"), score.settings.get("length_s"))
        compared.setdefault((*_kind_and_label(score), score.name, *map(str, against)), []).append(score)
    order = ("all", "family", "quality")
    rows: list[Row] = []
    for key in sorted(compared, key=lambda key: (order.index(key[0]), key)):
        rows += _ranked(key[0], key[1], compared[key])
    return rows


def league_text(rows: Sequence[Row]) -> str:
    """The table for a terminal: a heading for every figure that is compared, a line for every model.

    A family or quality of which no model is scored, all for one reason, is one line; of all sounds every model has its
    own, so that the table names each.
    """
    blocks = [list(block) for _, block in groupby(rows, key=_heading)]
    titles = Counter(_title(block[0]) for block in blocks)
    members = Counter(_place(row) for row in rows)
    width = max((len(row.model) for row in rows), default=0)
    lines: list[str] = []
    in_a_line = False
    for block in blocks:
        title, heading, unscored = _title(block[0]), _heading(block[0]), _unscored(block)
        if lines and not (in_a_line and unscored):
            lines.append("")
        in_a_line = unscored is not None
        if unscored is not None:
            lines.append(f"{title if titles[title] == 1 else heading}: {unscored}")
            continue
        lines.append(heading)
        lines += [f"  {_rank(row, members[_place(row)]):>5s}  {row.model:<{width}s}  {_figure(row)}" for row in block]
    if any(row.low is not None for row in rows):
        lines += ["", "Lower is better. Intervals are of 95 %; models that share a rank are not told apart by these."]
    if any(row.held_by_n for row in rows):
        lines.append(NOTE)
    return "\n".join(lines)


def league_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header, one line each; settings as JSON, empty cells where there is nothing."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(asdict(row) | {"settings": json.dumps(row.settings, sort_keys=True, ensure_ascii=False)})
    return out.getvalue()


def _kind_and_label(score: ScoreRecord) -> tuple[str, str]:
    if score.scope == "model":
        return "all", ""
    return ("quality" if "quality" in score.settings else "family"), score.subject.rpartition("/")[2]


def _ranked(kind: str, label: str, scores: Sequence[ScoreRecord]) -> list[Row]:
    """The rows of one comparison."""
    made = {score.subject if kind == "all" else score.subject.rpartition("/")[0]: score for score in scores}
    ranking = rank_scores(made)
    rows = [
        Row(
            kind=kind,
            label=label,
            figure=score.name,
            model=model,
            value=score.value,
            low=score.settings.get("low"),
            high=score.settings.get("high"),
            rank=ranking.ranks.get(model),
            of=len(ranking.ranks),
            n=score.n,
            length_s=score.settings.get("length_s"),
            embedder=score.embedder,
            reference=score.reference,
            reason=score.reason,
            held_by_n=ranking.held_by_n.get(model),
            settings=score.settings,
        )
        for model, score in made.items()
    ]
    return sorted(rows, key=lambda row: (row.rank is None, row.value is None, row.rank or 0, row.model))


def _title(row: Row) -> str:
    return f"{row.figure} of {f'{row.kind} {row.label}' if row.label else 'all sounds'}"


def _heading(row: Row) -> str:
    length = "" if row.length_s is None else f" cut to {row.length_s:g} s"
    return f"{_title(row)}, against {row.reference or 'no reference'}{length}, judge {row.embedder or 'unknown'}"


def _unscored(block: Sequence[Row]) -> str | None:
    """Why no model of a family or quality is scored; None where one is, where reasons differ, and of all sounds."""
    reasons = [row.reason for row in block if row.reason is not None]
    if block[0].kind == "all" or len(reasons) < len(block):
        return None
    models = sorted({row.model for row in block})
    whose = models[0] if len(models) == 1 else f"all {len(models)} models"
    counted = [match for reason in reasons if (match := _COUNTED.fullmatch(reason))]
    if len(counted) == len(reasons) and len({match.group(2, 3) for match in counted}) == 1:
        numbers, (what, needed) = [int(match[1]) for match in counted], counted[0].group(2, 3)
        each = " each" if len(models) > 1 else ""
        same = min(numbers) == max(numbers)
        told = f"{numbers[0]} {what}{each}" if same else f"{min(numbers)} to {max(numbers)} {what}"
        return f"unscored for {whose}, {told}, {needed}"
    return f"unscored for {whose}, {reasons[0]}" if len(set(reasons)) == 1 else None


def _place(row: Row) -> tuple[Any, ...]:
    """The rank with the comparison that it is of."""
    against = (row.embedder, row.reference, row.settings.get("reference_id"), row.length_s)
    return (row.kind, row.label, row.figure, *against, row.rank)


def _rank(row: Row, members: int) -> str:
    """The rank in words: `1`, or `1=` where it is shared; nothing where there is none, or nobody to compare with."""
    if row.rank is None or row.of < 2:
        return ""
    return f"{row.rank}=" if members > 1 else f"{row.rank}"


def _figure(row: Row) -> str:
    if row.value is None:
        return f"unscored: {row.reason}"
    reach = "no interval, measure again" if row.low is None else f"{row.low:.3g} to {row.high:.3g}"
    against = f", reference n {row.settings['reference_n']}" if "reference_n" in row.settings else ""
    floor = row.settings.get("of_the_reference_itself")
    real = "" if floor is None else f", real notes {floor:.3g}"
    unranked = f"; no rank, {row.held_by_n}" if row.held_by_n and row.rank is None else ""
    return f"{row.value:.3g} ({reach}; n {row.n}{against}{real}){unranked}"

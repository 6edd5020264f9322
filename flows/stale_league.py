"""A league that is of other sounds than the library accepts now, told to people and to machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from catalog.scores.stale import StaleScores


def stale_lines(stale: Sequence[StaleScores]) -> list[str]:
    """One line for each judge: which models' figures are of other sounds, and the command that measures them again."""
    judged: dict[str, list[StaleScores]] = {}
    for one in stale:
        judged.setdefault(one.embedder, []).append(one)
    return [
        f"scores by {judge} against {_references(some)} are of other sounds than are accepted now: "
        f"{', '.join(map(_model, some))}; measure again: {measure_again(some[0])}"
        for judge, some in judged.items()
    ]


def stale_json(stale: Sequence[StaleScores]) -> list[dict[str, Any]]:
    """The same as plain JSON."""
    return [asdict(one) | {"measure_again": measure_again(one)} for one in stale]


def measure_again(one: StaleScores) -> str:
    """The command after which a judge's figures are of the sounds accepted now; FOLDER stands for the real notes."""
    if one.kind == "starter":
        return "nightcrate league --refresh"
    judge = "" if one.kind == "ear" else f" --{one.kind} fetched"
    length = "" if one.kind == "ear" or one.length_s is None else f" --length {one.length_s:g}"
    return f"nightcrate league --reference FOLDER{judge}{length}"


def _references(stale: Sequence[StaleScores]) -> str:
    return " and ".join(dict.fromkeys(one.reference or "no reference" for one in stale))


def _model(one: StaleScores) -> str:
    now = f"{one.accepted} others" if one.accepted == one.measured else str(one.accepted)
    return f"{one.model} ({one.measured} then, {now} now)"

"""A league that is of other sounds than the library accepts now, told to people and to machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from catalog.scores.stale import StaleScores

REFRESH = "nightcrate league --refresh"
AGAIN = "nightcrate league --reference FOLDER"


def stale_lines(stale: Sequence[StaleScores]) -> list[str]:
    """One line for what --refresh measures again, and one for what was measured against notes of somebody's own."""
    lines = []
    for by_refresh, told, command in (
        (True, "scores are", REFRESH),
        (False, "scores against your own notes are", AGAIN),
    ):
        # Several judges have heard the same sounds of a model.
        models = dict.fromkeys(_model(one) for one in stale if one.by_refresh == by_refresh)
        if models:
            lines.append(f"{told} of other sounds than are accepted now: {', '.join(models)}; {command} measures again")
    return lines


def stale_json(stale: Sequence[StaleScores]) -> list[dict[str, Any]]:
    """The same as plain JSON."""
    return [asdict(one) | {"measure_again": REFRESH if one.by_refresh else AGAIN} for one in stale]


def _model(one: StaleScores) -> str:
    now = f"{one.accepted} others" if one.accepted == one.measured else str(one.accepted)
    return f"{one.model} ({one.measured} then, {now} now)"

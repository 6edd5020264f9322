"""How far listeners agree: Krippendorff's alpha for interval data, which takes any number of them and missing answers.

alpha = 1 - D_o / D_e: the mean squared difference of two listeners on the same sound over that of any two answers
(K. Krippendorff, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania, 2011, whose example of four
observers and twelve units the tests repeat). 1 is full agreement, 0 what chance gives, below 0 is worse. Krippendorff
asks for 0.8, and 0.667 for tentative conclusions (Content Analysis, 2004, p. 241).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.listening.means import SCALES, answer_table
from catalog.listening.records import Answer, ListeningTest


@dataclass(frozen=True)
class Agreement:
    """Alpha of one scale over the sounds that two or more listeners answered; None where `reason` says why."""

    scale: str
    alpha: float | None
    sounds: int
    listeners: int
    reason: str | None


def agreements(test: ListeningTest, answers: Sequence[Answer]) -> list[Agreement]:
    """The agreement on CAG and on REL."""
    return [_agreement(scale, answer_table(test, answers, scale)) for scale in SCALES]


def interval_alpha(table: np.ndarray) -> float | None:
    """Alpha of answers [units, listeners], NaN where there is none; None when no two answers differ.

    Units with fewer than two answers say nothing about agreement and are left out.
    """
    rows = [row[~np.isnan(row)] for row in table]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        return None
    values = np.concatenate(rows)
    n = len(values)
    # Squared differences over all ordered pairs of m numbers sum up to 2 m times their sum of squared deviations.
    observed = sum(2 * len(row) * float(np.var(row)) * len(row) / (len(row) - 1) for row in rows) / n
    expected = 2 * n * float(np.var(values)) / (n - 1)
    return None if expected == 0 else 1 - observed / expected


def _agreement(scale: str, table: np.ndarray) -> Agreement:
    table = table[(~np.isnan(table)).sum(axis=1) > 1]
    table = table[:, (~np.isnan(table)).any(axis=0)]
    sounds, listeners = table.shape
    alpha, reason = None, None
    if sounds < 2:
        reason = f"{sounds} sounds have answers of two or more listeners, at least 2 are needed"
    else:
        alpha = interval_alpha(table)
        reason = "all answers are equal" if alpha is None else None
    return Agreement(scale, alpha, sounds, listeners, reason)

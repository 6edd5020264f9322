"""How sure a figure is: intervals of 95 % from blocks of sounds, or from the spread of single sounds.

The blocks come from `tally.py`: every sound belongs to one of a few blocks by the hash of its key. Leaving out one
block after the other says how much a figure hangs on which sounds there are, without any single sound being kept: the
delete-a-group jackknife, here with its weights for blocks of unequal size (Busing, Meijer and van der Leeden 1999,
"Delete-m jackknife for unequal m"). It was taken and not the bootstrap because a resample of n sounds
holds fewer different ones, which alone raises a Frechet distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.errors import ScoreError
from catalog.scores.moments import Moments

LEVEL = 0.95
JACKKNIFE = "95 %, delete-a-group jackknife over {blocks} blocks of sounds, widened by its estimate of the bias"
SPREAD = "95 %, Student's t from the spread over sounds"


@dataclass(frozen=True)
class Interval:
    """Where a figure lies: low <= figure <= high; `by` says in words how that was found."""

    low: float
    high: float
    by: str


def jackknife(
    blocks: Sequence[Moments], figure: Callable[[Sequence[Moments]], float], least: float = -np.inf
) -> tuple[float, Interval]:
    """Return figure(blocks) and its interval; `least` is the least value the figure can have.

    The interval reaches a quantile of Student's t times the standard error beyond the figure and, on the other side,
    beyond the figure less its estimated bias: a Frechet distance of few sounds is too large, and that alone shall not
    tell two models apart. With fewer sounds than dimensions that is not far enough (comparing.py). Raises ScoreError
    below three blocks.
    """
    g = len(blocks)
    if g < 3:
        raise ScoreError(f"{g} block(s) of sounds came, an interval needs at least 3; make more sounds")
    value = figure(blocks)
    without = np.array([figure([*blocks[:i], *blocks[i + 1 :]]) for i in range(g)])
    sizes = np.array([block.n for block in blocks], dtype=np.float64)
    h = sizes.sum() / sizes
    corrected = g * value - float(np.sum((1 - 1 / h) * without))
    pseudo = h * value - (h - 1) * without
    error = float(np.sqrt(np.mean((pseudo - corrected) ** 2 / (h - 1))))
    reach = _quantile(g - 1) * error
    low, high = min(value, corrected) - reach, max(value, corrected) + reach
    return value, Interval(max(least, low), high, JACKKNIFE.format(blocks=g))


def mean_interval(moments: Moments, column: int = 0, least: float = -np.inf) -> Interval:
    """Interval of the mean of one column of numbers; `least` is the least value the mean can have.

    A mean that rounding or an epsilon (kl.py) puts a little below `least` is its own lower end. Raises ScoreError below
    two numbers.
    """
    if moments.n < 2:
        raise ScoreError(f"{moments.n} sound(s) came, an interval needs at least 2")
    deviation = float(np.sqrt(np.sum(moments.factor[:, column] ** 2) / (moments.n - 1)))
    reach = _quantile(moments.n - 1) * deviation / np.sqrt(moments.n)
    mean = float(moments.mean[column])
    return Interval(min(mean, max(least, mean - reach)), mean + reach, SPREAD)


def _quantile(degrees: int) -> float:
    """How many standard errors 95 % of Student's t lie within."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, degrees))

"""Percentile ranks: the scale on which the catalogue shows similarities.

Raw CLAP cosines share no scale between queries, families or checkpoints, so a person is shown where a value
stands among its fellows instead of the value.
"""

from __future__ import annotations

import numpy as np


def percentiles(values: np.ndarray) -> np.ndarray:
    """Return the percentile rank of each value among all of them, float64 [n] in (0, 100].

    100 times the average rank (1 = smallest; equal values share the mean of their ranks) over n: the largest
    of n different values gets 100, the smallest 100 / n. An empty input gives an empty output.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return np.zeros(0)
    ordered = np.sort(x)
    first = np.searchsorted(ordered, x, side="left")
    last = np.searchsorted(ordered, x, side="right")
    return 100.0 * (first + 1 + last) / 2.0 / x.size

"""What every score of a set is computed from: a table of finite numbers, one row for each sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from catalog.arrays import plain_array
from catalog.errors import ScoreError


def feature_table(values: Any, name: str, largest: float = np.inf) -> np.ndarray:
    """Return values as float64 [n, columns], n and columns at least 1.

    Values: arrays, lists or torch tensors of any precision. `name` says in the error whose they are; `largest` is the
    largest magnitude that the score can square. Raises ScoreError for another shape, no row, NaN, infinity or more.
    """
    table = plain_array(values, name, ScoreError).astype(np.float64, copy=False)
    if table.ndim != 2 or 0 in table.shape:
        raise ScoreError(f"{name}: shape {table.shape} came, a table [n, columns] is needed; stack one row per sound")
    peak = max(float(table.max()), -float(table.min()))  # not a number as soon as one value is none
    if not np.isfinite(peak):
        raise ScoreError(f"{name}: NaN or infinite values came; leave the sounds out that made them")
    if peak > largest:
        raise ScoreError(f"{name}: {peak:.3g} came, at most {largest:.3g} is needed; scale both sets down alike")
    return table

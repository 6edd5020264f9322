"""Numbers as callers hold them - lists, arrays of any kind, torch tensors anywhere - as plain numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from catalog.errors import CatalogError


def plain_array(values: Any, name: str, refusal: type[CatalogError]) -> np.ndarray:
    """Return values as an array of booleans, integers or floats; the same memory where they are one.

    A torch tensor is taken off its graph and its device, whatever its precision. `name` says in the error what came.
    Raises `refusal`, one line, for ragged lists, text, complex numbers, dates and objects: numpy would turn some of
    them into numbers without a word.
    """
    if hasattr(values, "detach"):  # a tensor; asking torch itself would import it for every score
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.double()  # numpy has no bfloat16
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise refusal(f"{name}: no table of numbers came; give rows of equal length") from error
    if array.dtype.kind not in "buif":
        raise refusal(f"{name}: {array.dtype} values came; real numbers are needed")
    return array

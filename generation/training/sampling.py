"""Which items a step sees: a function of seed and step alone, so a resumed run needs no sampler state."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def epoch_order(n: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return the indices of the items in batch `step`, int64 [batch_size] in [0, n).

    The batches cut one endless row of shuffled epochs: every item comes once in each stretch of n, a batch
    may reach over the seam between two epochs, and a batch larger than n holds items more than once.
    Raises ValueError when n or batch_size is not above 0 or step is negative.
    """
    if n < 1 or batch_size < 1 or step < 0:
        raise ValueError(f"n={n}, batch_size={batch_size}, step={step}: needed are n >= 1, batch_size >= 1, step >= 0")
    positions = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
    epochs = positions // n
    order = np.empty(batch_size, dtype=np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        here = epochs == epoch
        order[here] = _epoch(n, seed, epoch)[positions[here] % n]
    return order


def step_rng(seed: int, step: int) -> np.random.Generator:
    """Return the generator for all that is random in batch `step` (crops, noise, captions)."""
    # The third number keeps it apart from the generators of _epoch, which are seeded by two.
    return np.random.default_rng([seed, step, 1])


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most so many of `count` items, evenly spread: int64, rising, each once."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


@lru_cache(maxsize=8)
def _epoch(n: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(n)
    order.setflags(write=False)
    return order

"""How the learning rate moves over a run: a linear rise, then a fall by cosine, by a line, or none."""

from __future__ import annotations

import math


def learning_rate_factor(step: int, steps: int, warmup_steps: int, schedule: str) -> float:
    """Return the share in (0, 1] of the peak learning rate that optimiser step `step` uses.

    step counts from 0 to steps - 1. Warm-up: (step + 1) / warmup_steps while step < warmup_steps. Then,
    with t = (step - warmup_steps) / (steps - warmup_steps): "cosine" is (1 + cos(pi t)) / 2 (Loshchilov and
    Hutter, SGDR, arXiv 1608.03983, equation 5, one cycle down to 0), "linear" is 1 - t, "constant" is 1.
    The rate never reaches 0, since t < 1 at the last step.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    t = (step - warmup_steps) / max(1, steps - warmup_steps)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    if schedule == "linear":
        return 1 - t
    return 1.0

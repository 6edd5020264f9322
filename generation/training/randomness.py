"""Where the random numbers of a run come from: each piece of work seeds torch by what it is, not by what came before.

So there is no generator to save, and a resumed run, or one shared by several processes, draws what it would have
drawn anyway.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """Pieces of work with random numbers of their own."""

    MICRO_BATCH = 0
    EVALUATION = 1
    EXPORT = 2


def seed_torch(seed: int, purpose: Purpose, index: int = 0) -> None:
    """Seed torch's global generators, on every device, by the run's seed, the purpose and a number in it."""
    # Four numbers keep it apart from the generators of generation.training.sampling, which are seeded by two or three.
    mixed = np.random.SeedSequence([seed, index, int(purpose), 0]).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(mixed >> np.uint64(1)))

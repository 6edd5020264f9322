"""The Frechet distance that infinitely many sounds would have: FAD without the bias of a small set.

Chong and Forsyth 2020 ("Effectively unbiased FID and inception score", arXiv 1911.07023): the expected distance of n
sounds is linear in 1/n, so distances at several n are continued to 1/n = 0. Gui et al. 2023 (arXiv 2311.01616) took it
to audio. Their fadtk draws the sounds of each n with replacement, which puts the bias back in (its figure tends to the
plain distance of the whole set); here they are drawn without. The reference stays as it is: only the generated side is
continued, so figures against one reference compare, and each still holds that reference's own share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalog.errors import ScoreError
from catalog.scores.feature_table import feature_table
from catalog.scores.frechet import LARGEST, Gaussian, gaussian, gaussian_distance
from catalog.scores.moments import Moments

POINTS = 25
"""Sizes at which single sounds are drawn, as fadtk has it."""
SHARES = (0.5, 0.75)
"""Of all blocks, where blocks are drawn instead of sounds; and all of them once."""
WINDOWS = 4
ORDERS = 2
SEED = 0


def least_sounds(dim: int) -> int:
    """Fewest sounds: below d of them the distance is not linear in 1/n, and half of them are drawn at least."""
    return 2 * dim


def fad_infinity(
    features: np.ndarray, reference: np.ndarray, smallest: int | None = None, points: int = POINTS, seed: int = SEED
) -> float:
    """Return the distance of features [n, d] from reference [m, d], continued to infinitely many features.

    `smallest`: the least number drawn, half of n unless given. Equal seeds give equal figures. It may be negative for
    sets of the same distribution: it is unbiased, and the truth is 0. Raises ScoreError when fewer than d sounds would
    be drawn, or fewer than two points asked for.
    """
    x = feature_table(features, "features", LARGEST)
    smallest = len(x) // 2 if smallest is None else smallest
    if points < 2 or not x.shape[1] <= smallest < len(x):
        raise ScoreError(
            f"{points} points from {smallest} to {len(x)} sounds came; 2 or more points and at least {x.shape[1]} "
            f"sounds, one for each dimension, are needed at the smallest"
        )
    real, rng = gaussian(reference, "reference"), np.random.default_rng(seed)
    sizes = np.linspace(smallest, len(x), points).astype(int)
    values = [gaussian_distance(gaussian(x[rng.choice(len(x), n, replace=False)]), real) for n in sizes]
    return _continued(1 / sizes, values)


def fad_infinity_of_blocks(blocks: Sequence[Moments], real: Gaussian) -> float:
    """Return the same from blocks of sounds: half and three quarters of them are drawn, again without replacement.

    The draws are WINDOWS equally spaced windows on the ring of blocks, in ORDERS orders, so that at every size each
    block comes equally often and the chance of which block was left out cancels. Raises ScoreError when the smallest
    draw would hold fewer sounds than dimensions.
    """
    rng = np.random.default_rng(SEED)
    draws: list[list[Moments]] = [[Moments.merge(blocks)], *([] for _ in SHARES)]
    for _ in range(ORDERS):
        ring = np.tile(rng.permutation(len(blocks)), 2)
        for share, drawn in zip(SHARES, draws[1:], strict=True):
            for window in range(WINDOWS):
                start = window * len(blocks) // WINDOWS
                members = ring[start : start + max(1, round(share * len(blocks)))]
                drawn.append(Moments.merge(blocks[i] for i in members))
    least = min(moments.n for drawn in draws for moments in drawn)
    if least < max(2, real.mean.size):
        raise ScoreError(f"{least} sounds were drawn at the least, {real.mean.size} are needed")
    # One point a share: blocks differ in size, and which one was drawn shall not tilt the line.
    inverse = [float(np.mean([1 / moments.n for moments in drawn])) for drawn in draws]
    values = [float(np.mean([gaussian_distance(one.gaussian(), real) for one in drawn])) for drawn in draws]
    return _continued(inverse, values)


def _continued(inverse: Sequence[float] | np.ndarray, values: Sequence[float]) -> float:
    """The least-squares line of the values over 1/n, at 1/n = 0."""
    return float(np.polyfit(inverse, values, 1)[1])

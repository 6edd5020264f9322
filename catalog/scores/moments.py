"""Number, mean and scatter of feature vectors, kept without the vectors and put together from parts.

Parts are joined by the update of Chan, Golub and LeVeque 1979 ("Updating formulae and a pairwise algorithm for
computing sample variances"), here for any number of parts at once:

    S = sum_i S_i + sum_i n_i (m_i - m)(m_i - m)^T

The scatter is kept as a factor F with S = F^T F, so that nothing is squared: two sets with fewer sounds than
dimensions, or with dimensions that never vary (56 of the starter judge's 128 over its reference), keep all digits of
their Frechet distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from catalog.errors import ScoreError
from catalog.scores.feature_table import feature_table
from catalog.scores.frechet import LARGEST, Gaussian, square_factor


@dataclass(frozen=True, eq=False)
class Moments:
    """n vectors as their mean [d] and a factor [r, d] of their scatter, r at most d; all float64.

    The scatter is the sum of the squared deviations from the mean, factor^T factor; over n - 1 it is the covariance.
    """

    n: int
    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Moments of vectors [n, d], n at least 1. Raises ScoreError for another shape, NaN or infinity."""
        x = feature_table(rows, "features", LARGEST)
        mean = x.mean(axis=0)
        return cls(len(x), mean, _short(x - mean if len(x) > 1 else x[:0]))

    @classmethod
    def merge(cls, parts: Iterable[Moments]) -> Moments:
        """Moments of all vectors of these parts together. Raises ScoreError for no parts or different d."""
        parts = list(parts)
        if not parts or len({part.mean.shape for part in parts}) > 1:
            raise ScoreError(f"{len(parts)} parts came; one or more are needed, all of the same embedder")
        if len(parts) == 1:
            return parts[0]
        counts = np.array([part.n for part in parts], dtype=np.float64)
        means = np.stack([part.mean for part in parts])
        mean = counts @ means / counts.sum()
        between = np.sqrt(counts)[:, None] * (means - mean)
        return cls(int(counts.sum()), mean, _short(np.concatenate([*(part.factor for part in parts), between])))

    @property
    def scatter(self) -> np.ndarray:
        """Sum of squared deviations from the mean, [d, d]."""
        return self.factor.T @ self.factor

    def gaussian(self) -> Gaussian:
        """The Gaussian of these vectors, as `frechet.gaussian` fits it. Raises ScoreError below two vectors."""
        if self.n < 2:
            raise ScoreError(f"{self.n} row(s) came, at least 2 are needed to have a covariance")
        return Gaussian(self.mean, self.factor / np.sqrt(self.n - 1), self.n)


def _short(factor: np.ndarray) -> np.ndarray:
    """A factor of the same scatter with at most d rows."""
    return square_factor(factor) if factor.shape[0] > factor.shape[1] else factor

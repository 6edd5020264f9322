"""Frechet distance between two sets of features: the pure number, no network and no store.

The distance of two Gaussians (Dowson and Landau 1982; Heusel et al. 2017, "GANs trained by a two
time-scale update rule") is

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

Reference tools take the matrix root of S1 S2, which is slow, may turn complex and loses digits when there
are fewer sounds than dimensions. With centred, scaled feature matrices F (S = F^T F), the last trace is the
nuclear norm of F1 F2^T, the sum of its singular values: nothing is squared or inverted, so the value is real
and exact for rank-deficient sets as well. Sets with many more rows than dimensions are usually well
conditioned; then the squared forms (Cholesky, eigenvalues) lose nothing and are several times faster, so they
are used as long as the spectrum allows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg.blas import dgemm, dsyrk
from scipy.linalg.lapack import dpotrf

from catalog.errors import ScoreError
from catalog.scores.feature_table import feature_table

# Smallest over largest eigenvalue above which a squared matrix still gives its root to about 1e-12: the
# eigenvalues are known to 1e-16 of the largest, and the root of the smallest divides that by 2 * 1e-4.
WELL_CONDITIONED = 1e-8
LARGEST = 1e70
"""Features beyond this would overflow: some of them are multiplied four times. The largest float32 is 3e38."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and factored covariance of a feature set, all float64.

    mean is [d]; factor is [r, d] with r = min(n, d) and factor^T factor = covariance (ddof 1); n is the
    number of rows that the two were made from.
    """

    mean: np.ndarray
    factor: np.ndarray
    n: int

    @property
    def variance(self) -> float:
        """Trace of the covariance."""
        return float(np.sum(self.factor**2))


def gaussian(features: np.ndarray, name: str = "features") -> Gaussian:
    """Fit a Gaussian to features [n, d] of any real type.

    `name` says in the error whose features they are. Raises ScoreError for anything that is not a finite
    2-d array of at most LARGEST with at least two rows: one row has no covariance.
    """
    x = feature_table(features, name, LARGEST)
    if x.shape[0] < 2:
        raise ScoreError(f"{name}: 1 row came, at least 2 are needed to have a covariance")
    mean = x.mean(axis=0)
    factor = x - mean
    factor /= np.sqrt(x.shape[0] - 1)
    if factor.shape[0] > factor.shape[1]:
        factor = square_factor(factor)
    return Gaussian(mean=mean, factor=factor, n=x.shape[0])


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """Return the Frechet distance of two fitted Gaussians (the squared form, as every FD and FAD reports it).

    Rounding may leave a tiny negative number for equal sets: it is returned as 0. Raises ScoreError when the
    two have different dimensions.
    """
    if a.mean.shape != b.mean.shape:
        raise ScoreError(
            f"features of {a.mean.size} and of {b.mean.size} dimensions came; "
            "both sets must be made by the same embedder"
        )
    mean_term = float(np.sum((a.mean - b.mean) ** 2))
    # scipy's BLAS on the whole usual way: threads of numpy's, which wait busily for more, would be in its way.
    root_trace = _nuclear_norm(dgemm(1.0, a.factor, b.factor, trans_b=True))
    return max(0.0, mean_term + a.variance + b.variance - 2.0 * root_trace)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Frechet distance between feature sets x [n, d] and y [m, d], computed in float64.

    Symmetric, independent of row order, 0 for equal sets. It shrinks as n grows: compare models at equal n.
    Raises ScoreError on NaN, fewer than two rows or different d.
    """
    return gaussian_distance(gaussian(x, "first set"), gaussian(y, "second set"))


def square_factor(factor: np.ndarray) -> np.ndarray:
    """Return R [d, d] with R^T R = F^T F for a tall F [n, d]: by Cholesky, by QR where that is unsafe."""
    # BLAS and LAPACK themselves, on one triangle in their own order of columns: numpy fills in the other triangle and
    # copies there and back, and takes twice as long.
    upper, failed = dpotrf(dsyrk(1.0, factor.T), overwrite_a=True)
    pivots = np.diag(upper) ** 2
    # It fails on a singular covariance: fewer independent rows than dimensions.
    if failed or pivots.min() < WELL_CONDITIONED * pivots.max():
        return np.asarray(np.linalg.qr(factor, mode="r"))
    return np.asarray(upper)


def _nuclear_norm(matrix: np.ndarray) -> float:
    """Return the sum of the singular values of a matrix [r, s]."""
    if matrix.shape[0] == matrix.shape[1]:
        squared = eigvalsh(dsyrk(1.0, matrix), lower=False, check_finite=False)
        if squared[0] > WELL_CONDITIONED * squared[-1]:
            return float(np.sqrt(squared).sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())

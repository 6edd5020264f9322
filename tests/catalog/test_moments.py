"""Moments put together from parts are those of the whole, however the parts were cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ScoreError
from catalog.scores.frechet import frechet_distance, gaussian, gaussian_distance
from catalog.scores.moments import Moments


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    d=st.integers(1, 16),
    dead=st.integers(0, 8),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_give_the_whole(sizes: list[int], d: int, dead: int, offset: float, seed: int) -> None:
    """Also far from 0, with dimensions that never vary, and with fewer rows than dimensions."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((sum(sizes), d)) * rng.uniform(0.1, 3, d) + offset
    x[:, : min(dead, d - 1)] = offset
    parts = [Moments.of(part) for part in np.split(x, np.cumsum(sizes)[:-1])]
    whole, one_by_one = Moments.merge(parts), parts[0]
    for part in parts[1:]:
        one_by_one = Moments.merge([one_by_one, part])
    centred = x - x.mean(axis=0)
    for made in (whole, one_by_one):
        assert made.n == len(x)
        assert made.factor.shape[0] <= d
        assert made.mean == pytest.approx(x.mean(axis=0), rel=1e-9)
        assert np.allclose(made.scatter, centred.T @ centred, rtol=0, atol=1e-9 * max(1.0, np.sum(centred**2)))
    if len(x) >= 2:
        other = rng.standard_normal((30, d))
        expected = frechet_distance(x, other)
        for made in (whole, one_by_one):
            assert gaussian_distance(made.gaussian(), gaussian(other)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_order_of_parts_does_not_matter_at_full_size() -> None:
    x = np.maximum(np.random.default_rng(0).standard_normal((900, 128)) - 1, 0)
    x[:, :50] = 0.0
    parts = [Moments.of(part) for part in np.array_split(x, 70)]
    other = gaussian(np.random.default_rng(1).standard_normal((300, 128)))
    expected = gaussian_distance(gaussian(x), other)
    for order in (parts, parts[::-1]):
        assert gaussian_distance(Moments.merge(order).gaussian(), other) == pytest.approx(expected, rel=1e-9)


def test_one_row_has_a_mean_and_no_covariance() -> None:
    one = Moments.of(np.array([[1.0, 2.0]]))
    assert one.mean.tolist() == [1.0, 2.0] and not one.scatter.any()
    with pytest.raises(ScoreError, match="1 row"):
        one.gaussian()


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros(3), np.full((2, 2), np.nan)])
def test_refuses_what_has_no_moments(rows: np.ndarray) -> None:
    with pytest.raises(ScoreError, match="features"):
        Moments.of(rows)


def test_refuses_parts_of_different_embedders() -> None:
    with pytest.raises(ScoreError, match="same embedder"):
        Moments.merge([Moments.of(np.zeros((2, 2))), Moments.of(np.zeros((2, 3)))])
    with pytest.raises(ScoreError, match="0 parts"):
        Moments.merge([])

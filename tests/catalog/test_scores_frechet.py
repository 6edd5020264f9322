"""The Frechet distance: reference values, and what must hold for any sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.scores import frechet_distance
from catalog.scores.frechet import gaussian

EXAMPLES = json.loads((Path(__file__).parent / "data" / "metric_examples.json").read_text(encoding="utf-8"))


def features(
    d: int, n: int, m: int, relu: bool = False, float32: bool = False, **_: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Generated [n, d] and reference [m, d] features by the recipe of metric_examples.json."""
    a = np.random.default_rng(2).standard_normal((d, d)) / np.sqrt(d)
    pair = [
        np.random.default_rng(0).standard_normal((n, d)) @ a * 1.1 + 0.1,
        np.random.default_rng(1).standard_normal((m, d)) @ a,
    ]
    if relu:
        pair = [np.maximum(x, 0.0) for x in pair]
    if float32:
        pair = [x.astype(np.float32) for x in pair]
    return pair[0], pair[1]


@pytest.mark.parametrize("case", EXAMPLES["frechet"])
def test_reference_values(case: str) -> None:
    recipe = EXAMPLES["frechet"][case]
    assert frechet_distance(*features(**recipe)) == pytest.approx(recipe["value"], rel=1e-9)


@pytest.mark.parametrize(("case", "tolerance"), [("full_rank", 1e-7), ("rank_deficient", 1e-5)])
def test_agrees_with_the_matrix_root(case: str, tolerance: float) -> None:
    value = frechet_distance(*features(**EXAMPLES["frechet"][case]))
    assert value == pytest.approx(EXAMPLES["frechet_peer"][case], rel=tolerance)


@pytest.mark.parametrize("song", EXAMPLES["per_song"], ids=lambda song: f"{song['frames']} frames")
def test_few_frames_against_a_baseline(song: dict[str, Any]) -> None:
    """One sound's frames, far fewer than dimensions: mostly missing variance, but exact."""
    a = np.random.default_rng(2).standard_normal((128, 128)) / np.sqrt(128)
    frames = np.random.default_rng(20 + song["i"]).standard_normal((song["frames"], 128)) @ a
    baseline = features(128, 512, 400)[1]
    value = frechet_distance(frames * (1 + 0.1 * song["i"]) + 0.05 * song["i"], baseline)
    assert value == pytest.approx(song["value"], rel=1e-9)


def test_two_samples_of_one_distribution_come_nearer_as_they_grow() -> None:
    """The bias that makes scores comparable at equal n only: 119, 33 and 8 at 64, 256 and 1024 rows of 128."""
    rng = np.random.default_rng(0)
    sizes = {64: 119, 256: 33, 1024: 8.4}
    values = [frechet_distance(rng.standard_normal((n, 128)), rng.standard_normal((n, 128))) for n in sizes]
    assert values == pytest.approx(list(sizes.values()), rel=0.05)


@pytest.mark.slow
def test_fewer_sounds_than_dimensions_at_full_size() -> None:
    x, y = features(2048, 886, 886, relu=True)
    assert frechet_distance(x, y) == pytest.approx(656.653628, abs=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-7)


def test_equal_sets_are_0_and_never_negative() -> None:
    for shape in ((400, 128), (40, 128), (2, 3)):
        x = np.random.default_rng(0).standard_normal(shape)
        assert 0.0 <= frechet_distance(x, x) < 1e-10


def test_a_shift_costs_its_squared_length() -> None:
    x = features(128, 512, 400)[1]
    shift = np.linspace(-1, 1, 128)
    assert frechet_distance(x + shift, x) == pytest.approx(float(np.sum(shift**2)), rel=1e-9)


def test_a_scale_in_one_dimension_is_the_difference_of_deviations() -> None:
    x = np.random.default_rng(0).standard_normal((50, 1))
    centred = x - x.mean()
    assert frechet_distance(3 * centred, centred) == pytest.approx(4 * float(x.var(ddof=1)), rel=1e-12)


def test_large_sets_come_near_the_distance_of_their_gaussians() -> None:
    rng = np.random.default_rng(0)
    deviations = np.array([1.0, 2.0, 0.5])
    x = rng.standard_normal((60_000, 3)) * deviations + 1.0
    y = rng.standard_normal((60_000, 3))
    assert frechet_distance(x, y) == pytest.approx(3.0 + float(np.sum((deviations - 1) ** 2)), rel=0.02)


def test_sets_in_a_plane_have_an_exact_distance() -> None:
    """Rank 1 in 5 dimensions, orthogonal directions: the root term is 0, the traces remain."""
    t = np.random.default_rng(0).standard_normal(30)
    x, y = np.zeros((30, 5)), np.zeros((30, 5))
    x[:, 0], y[:, 1] = t, 2 * t
    assert frechet_distance(x, y) == pytest.approx(float(t.var(ddof=1)) * 5 + float(t.mean()) ** 2 * 5, rel=1e-12)


def test_constant_sets_differ_by_their_means_alone() -> None:
    assert frechet_distance(np.zeros((10, 128)), np.ones((10, 128))) == pytest.approx(128.0)
    reference = features(128, 4, 400)[1]
    expected = float(np.sum(reference.mean(axis=0) ** 2)) + float(np.trace(np.cov(reference, rowvar=False)))
    assert frechet_distance(np.zeros((10, 128)), reference) == pytest.approx(expected, rel=1e-9)


def test_ill_conditioned_tall_sets_keep_their_digits() -> None:
    """A covariance whose squares would drown in rounding goes through QR and singular values instead."""
    rng = np.random.default_rng(0)
    deviations = np.logspace(0, -9, 12)
    x, y = rng.standard_normal((500, 12)) * deviations, rng.standard_normal((500, 12)) * deviations
    small_x, small_y = x[:, 6:], y[:, 6:]
    scale = 1e6
    assert frechet_distance(small_x * scale, small_y * scale) == pytest.approx(
        scale**2 * frechet_distance(small_x, small_y), rel=1e-9
    )
    assert np.allclose(gaussian(x).factor.T @ gaussian(x).factor, np.cov(x, rowvar=False), atol=1e-18)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 30), m=st.integers(2, 30), d=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_symmetric_and_independent_of_order(n: int, m: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) * 2 + 1
    value = frechet_distance(x, y)
    assert value >= 0
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert frechet_distance(rng.permutation(x), rng.permutation(y)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(1, 10), seed=st.integers(0, 2**32 - 1))
def test_equals_the_textbook_formula(n: int, m: int, d: int, seed: int) -> None:
    """tr (S1 S2)^(1/2) from the eigenvalues of the product, which is slow and inexact but well known."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5
    s1, s2 = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(s1 @ s2).real, 0)).sum()
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s1) + np.trace(s2) - 2 * roots
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "first set: NaN or infinite"),
        (np.zeros((3, 2)), np.full((3, 2), np.inf), "second set: NaN or infinite"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "1 row"),
        (np.zeros((0, 2)), np.zeros((3, 2)), r"shape \(0, 2\)"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "2 and of 4 dimensions"),
        (np.zeros(6), np.zeros((3, 2)), "table"),
        (np.zeros((3, 0)), np.zeros((3, 0)), "table"),
        (np.eye(3) * 1e80, np.eye(3), "first set: 1e[+]80 came, at most 1e[+]70"),
        (np.eye(3), -np.eye(3) * 1e300, "second set: 1e[+]300 came"),
        (np.eye(3) + 1j, np.eye(3), "complex128 values"),
        (np.eye(3).astype(str), np.eye(3), "real numbers are needed"),
        (np.zeros((3, 2), "M8[s]"), np.zeros((3, 2)), "real numbers are needed"),
        ([[1.0, None], [2.0, 3.0]], np.eye(2), "object values"),
        ([[1.0, 2.0], [3.0]], np.eye(2), "first set: no table of numbers"),
    ],
)
def test_refuses_what_has_no_distance(x: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        frechet_distance(x, y)


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=0)[::2],
        torch.from_numpy,
        lambda x: torch.from_numpy(x).requires_grad_(),
    ],
)
def test_tables_may_come_as_lists_views_or_tensors(convert: Any) -> None:
    x, y = features(16, 40, 30)
    assert frechet_distance(convert(x), convert(y)) == pytest.approx(frechet_distance(x, y), rel=1e-12)


def test_every_precision_counts_as_what_it_holds() -> None:
    x, y = (np.round(table * 4) for table in features(16, 40, 30))
    expected = frechet_distance(x, y)
    for dtype in (np.int8, np.int64, np.float16, np.float32, np.longdouble):
        assert frechet_distance(x.astype(dtype), y.astype(dtype)) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(torch.tensor(x).bfloat16(), torch.tensor(y).half()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e65])
def test_the_scale_of_features_squares_into_the_distance(scale: float) -> None:
    x, y = features(16, 40, 30)
    assert frechet_distance(scale * x, scale * y) == pytest.approx(scale**2 * frechet_distance(x, y), rel=1e-9)

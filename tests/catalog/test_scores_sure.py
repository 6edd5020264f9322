"""How sure a figure is: FAD without bias, intervals that hold what they say, ranks that say no more, odd sounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ScoreError
from catalog.scores.frechet import frechet_distance, gaussian, gaussian_distance
from catalog.scores.infinity import fad_infinity, fad_infinity_of_blocks
from catalog.scores.intervals import Interval, jackknife, mean_interval
from catalog.scores.moments import Moments
from catalog.scores.outliers import sample_fads
from catalog.scores.ranks import ranks
from tests.catalog.test_scores_frechet import features

DIM = 8


def drawn(rng: np.random.Generator, n: int, scale: float = 1.5) -> np.ndarray:
    return rng.standard_normal((n, DIM)) * scale


def blocks(x: np.ndarray) -> list[Moments]:
    return [Moments.of(part) for part in np.array_split(x, 16)]


def figure(real: np.ndarray):
    fitted = gaussian(real)
    return lambda parts: gaussian_distance(Moments.merge(parts).gaussian(), fitted)


# -------------------- infinitely many sounds


def test_the_published_example_without_its_error() -> None:
    """2000 rows of 128: plain 11.66; drawn with replacement 11.65, without 10.26; the population has 10.39."""
    generated = features(128, 2000, 400)[0]
    reference = features(128, 512, 400)[1]
    assert frechet_distance(generated, reference) == pytest.approx(11.664931544084936, rel=1e-9)
    values = [fad_infinity(generated, reference, smallest=500, seed=seed) for seed in range(3)]
    assert values == pytest.approx([10.26] * 3, abs=0.1)
    assert fad_infinity(generated, reference, smallest=500, seed=1) == values[1]


def test_a_small_set_comes_near_the_truth_that_its_plain_distance_misses() -> None:
    rng = np.random.default_rng(0)
    reference = drawn(rng, 4000, 1.0)
    truth = DIM * 0.5**2
    sets = [drawn(rng, 48) for _ in range(40)]
    plain = np.mean([frechet_distance(x, reference) for x in sets]) - truth
    unbiased = np.mean([fad_infinity(x, reference, points=9) for x in sets]) - truth
    by_blocks = np.mean([fad_infinity_of_blocks(blocks(x), gaussian(reference)) for x in sets]) - truth
    assert plain > 0.25
    assert abs(unbiased) < 0.3 * plain
    assert abs(by_blocks) < 0.3 * plain


def test_infinity_refuses_fewer_sounds_than_dimensions() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ScoreError, match="at least 8 sounds, one for each dimension"):
        fad_infinity(drawn(rng, 15), drawn(rng, 40))
    with pytest.raises(ScoreError, match="1 points"):
        fad_infinity(drawn(rng, 100), drawn(rng, 40), points=1)
    with pytest.raises(ScoreError, match="7 sounds were drawn at the least, 8"):
        fad_infinity_of_blocks(
            [Moments.of(part) for part in np.array_split(drawn(rng, 14), 14)], gaussian(drawn(rng, 40))
        )


# -------------------- intervals


def test_the_jackknife_says_how_much_a_distance_scatters() -> None:
    rng = np.random.default_rng(0)
    reference = drawn(rng, 500, 1.0)
    truth = DIM * 0.5**2
    figures, reaches, held = [], [], 0
    for _ in range(100):
        value, interval = jackknife(blocks(drawn(rng, 96)), figure(reference), least=0.0)
        assert interval.low <= value <= interval.high
        figures.append(value)
        reaches.append(interval.high - value)
        held += interval.low <= truth <= interval.high
    assert held >= 93
    assert np.median(reaches) / 2.13 == pytest.approx(np.std(figures), rel=0.35)


def test_a_set_that_is_small_reaches_down_to_one_that_is_large() -> None:
    """The plain distance of a few sounds is larger; the interval must not call the set worse for that."""
    rng = np.random.default_rng(0)
    reference = drawn(rng, 500, 1.0)
    few, few_interval = jackknife(blocks(drawn(rng, 32)), figure(reference), least=0.0)
    many, many_interval = jackknife(blocks(drawn(rng, 3200)), figure(reference), least=0.0)
    assert few > many_interval.high
    assert few_interval.low < many


def test_the_jackknife_of_a_mean_is_the_standard_error() -> None:
    x = np.random.default_rng(0).standard_normal((64, 1))
    parts = [Moments.of(row[None]) for row in x]
    value, interval = jackknife(parts, lambda some: float(Moments.merge(some).mean[0]))
    plain = mean_interval(Moments.of(x))
    assert value == pytest.approx(float(x.mean()))
    assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high), rel=1e-9)


def test_too_little_for_an_interval_is_refused() -> None:
    two = [Moments.of(np.ones((2, 1)))] * 2
    with pytest.raises(ScoreError, match="2 block"):
        jackknife(two, lambda parts: 0.0)
    with pytest.raises(ScoreError, match="1 sound"):
        mean_interval(Moments.of(np.ones((1, 1))))
    assert mean_interval(Moments.of(np.ones((3, 1)))) == Interval(
        1.0, 1.0, "95 %, Student's t from the spread over sounds"
    )


def test_a_mean_that_cannot_be_negative_has_no_interval_below_0() -> None:
    uneven = Moments.of(np.array([[0.0], [0.0], [0.0], [4.0]]))
    assert mean_interval(uneven).low < 0 == mean_interval(uneven, least=0.0).low
    # KL of equal posteriors lies below 0 by its epsilon: the interval holds its figure all the same.
    tiny = mean_interval(Moments.of(np.full((4, 1), -1e-6)), least=0.0)
    assert tiny.low == tiny.high == -1e-6


# -------------------- ranks


def test_a_chain_of_overlaps_is_one_rank() -> None:
    wanted = {"a": (0.0, 2.0), "b": (1.0, 4.0), "c": (3.0, 5.0), "d": (6.0, 7.0), "e": (8.0, 8.0)}
    assert ranks(wanted) == {"a": 1, "b": 1, "c": 1, "d": 4, "e": 5}
    assert ranks({}) == {}
    assert ranks({"a": (0.0, 1.0), "b": (1.0, 2.0)}) == {"a": 1, "b": 1}, "touching is overlapping"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 3)), max_size=8))
def test_ranks_never_separate_models_whose_intervals_overlap(found: list[tuple[float, float]]) -> None:
    intervals = {f"m{i}": (low, low + width) for i, (low, width) in enumerate(found)}
    given_ranks = ranks(intervals)
    assert set(given_ranks) == set(intervals)
    for one, (low, high) in intervals.items():
        for other, (other_low, other_high) in intervals.items():
            if low <= other_high and other_low <= high:
                assert given_ranks[one] == given_ranks[other]
            elif given_ranks[one] < given_ranks[other]:
                assert high < other_low
    assert all(given_ranks[name] == 1 + sum(r < given_ranks[name] for r in given_ranks.values()) for name in intervals)


# -------------------- odd sounds


def test_the_distance_of_single_sounds_is_that_of_their_frames() -> None:
    rng = np.random.default_rng(0)
    reference = gaussian(drawn(rng, 200, 1.0))
    frames = rng.standard_normal((5, 4, DIM))
    frames[3] += 6.0
    found = sample_fads(frames, reference)
    assert found == pytest.approx([gaussian_distance(gaussian(sound), reference) for sound in frames])
    assert int(found.argmax()) == 3


def test_one_frame_is_a_point_without_variance() -> None:
    rng = np.random.default_rng(0)
    notes = drawn(rng, 200, 1.0)
    reference = gaussian(notes)
    point = rng.standard_normal(DIM)
    twice = gaussian(np.stack([point, point]))
    assert sample_fads(point[None, None], reference)[0] == pytest.approx(gaussian_distance(twice, reference), rel=1e-9)
    own = sample_fads(notes[:, None], reference).mean()
    assert own == pytest.approx(reference.variance * (2 - 1 / len(notes)), rel=1e-9)


@pytest.mark.parametrize("frames", [np.zeros((3, 0, DIM)), np.zeros((3, 2)), np.zeros((3, 2, 5))])
def test_frames_of_another_shape_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(ScoreError, match="f equal for all sounds"):
        sample_fads(frames, gaussian(drawn(np.random.default_rng(0), 20)))

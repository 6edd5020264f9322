"""Learning rates by hand; batches that show every item once an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.training.sampling import epoch_order, step_rng
from generation.training.schedules import learning_rate_factor


def test_warmup_rises_by_a_line() -> None:
    assert [learning_rate_factor(step, 10, 4, "cosine") for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_cosine_by_hand() -> None:
    # Six steps after four of warm-up: t = 0, 1/6, ..., 5/6.
    expected = [1, (1 + 3**0.5 / 2) / 2, 0.75, 0.5, 0.25, (1 - 3**0.5 / 2) / 2]
    assert [learning_rate_factor(step, 10, 4, "cosine") for step in range(4, 10)] == pytest.approx(expected)


def test_linear_and_constant_by_hand() -> None:
    assert [learning_rate_factor(step, 4, 0, "linear") for step in range(4)] == [1, 0.75, 0.5, 0.25]
    assert [learning_rate_factor(step, 4, 2, "constant") for step in range(4)] == [0.5, 1, 1, 1]


@given(st.integers(1, 200), st.integers(0, 250), st.sampled_from(["cosine", "linear", "constant"]))
def test_factors_stay_within_0_and_1(steps: int, warmup: int, schedule: str) -> None:
    factors = [learning_rate_factor(step, steps, warmup, schedule) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    after = factors[warmup:]
    assert after == sorted(after, reverse=True)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 5))
def test_every_item_comes_once_an_epoch(n: int, batch_size: int, seed: int) -> None:
    steps = -(-3 * n // batch_size)
    seen = np.concatenate([epoch_order(n, batch_size, seed, step) for step in range(steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_order(1000, 1000, 7, 0)
    assert first.dtype == np.int64
    assert np.array_equal(first, epoch_order(1000, 1000, 7, 0))
    assert not np.array_equal(first, epoch_order(1000, 1000, 7, 1))
    assert not np.array_equal(first, epoch_order(1000, 1000, 8, 0))
    assert np.array_equal(first[20:30], epoch_order(1000, 10, 7, 2))


@pytest.mark.parametrize(("n", "batch_size", "step"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_senseless_batches_are_refused(n: int, batch_size: int, step: int) -> None:
    with pytest.raises(ValueError, match="needed are"):
        epoch_order(n, batch_size, 0, step)


def test_step_generators_repeat_and_differ() -> None:
    assert step_rng(1, 2).random() == step_rng(1, 2).random()
    assert len({step_rng(seed, step).random() for seed in range(4) for step in range(4)}) == 16

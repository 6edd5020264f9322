"""The inception score: the reference value, its bounds, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import ScoreError
from catalog.scores import inception_score

EXAMPLES = json.loads((Path(__file__).parent / "data" / "metric_examples.json").read_text(encoding="utf-8"))


def logits(n: int) -> np.ndarray:
    return (np.random.default_rng(10).standard_normal((n, 527)) * 3 - 4).astype(np.float32)


def test_reference_value() -> None:
    example = EXAMPLES["inception_score"]
    mean, deviation = inception_score(logits(100))
    assert mean == pytest.approx(example["mean"], rel=1e-9)
    assert deviation == pytest.approx(example["std"], rel=1e-9)


def test_sounds_that_are_labelled_alike_score_1() -> None:
    assert inception_score(np.tile(logits(1), (20, 1))) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_sure_and_different_labels_score_the_number_of_classes() -> None:
    assert inception_score(np.eye(4) * 1e4, splits=1) == pytest.approx((4.0, 0.0))


@pytest.mark.parametrize(
    ("table", "splits", "words"),
    [
        (np.zeros((9, 5)), 10, "9 row"),
        (np.zeros((9, 5)), 0, "0 splits"),
        (np.full((20, 5), np.nan), 10, "NaN"),
        (np.zeros(20), 10, "table"),
        (np.zeros((0, 5)), 10, "table"),
    ],
)
def test_refuses_what_has_no_score(table: np.ndarray, splits: int, words: str) -> None:
    with pytest.raises(ScoreError, match=words):
        inception_score(table, splits)

"""KL in the paired and in the label-matched form."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.errors import CatalogError
from catalog.scores import kl_divergence
from catalog.scores.kl import EPSILON, joint_posterior, label_matched_kl, softmax

EXAMPLES = json.loads((Path(__file__).parent / "data" / "metric_examples.json").read_text(encoding="utf-8"))


def logits(seed: int, n: int = 16) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, 527)) * 3 - 4).astype(np.float32)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_reference_values(form: str) -> None:
    example = EXAMPLES["kl"][form]
    value = kl_divergence(logits(11), logits(10), form)  # type: ignore[arg-type]
    assert value == pytest.approx(example["value"], abs=1e-9)
    assert value == pytest.approx(example["peer_float32"], abs=1e-5)
    same = kl_divergence(logits(11), logits(11), form)  # type: ignore[arg-type]
    assert same == pytest.approx(example["identical_peer_float32"], abs=1e-5)


def test_by_hand() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    expected = 0.5 * math.log(0.5 / (0.25 + EPSILON)) + 0.5 * math.log(0.5 / (0.75 + EPSILON))
    assert kl_divergence(np.log(p), np.log(q)) == pytest.approx(expected, abs=1e-12)
    assert label_matched_kl(p, q) == pytest.approx(expected, abs=1e-12)


def test_the_reference_comes_first() -> None:
    one, other = logits(11), logits(10) * 2
    assert kl_divergence(one, other) != pytest.approx(kl_divergence(other, one), rel=1e-3)


def test_disjoint_distributions_stop_at_the_epsilon() -> None:
    reference, generated = np.full((1, 527), -20.0), np.full((1, 527), -20.0)
    reference[0, 0] = generated[0, 1] = 20.0
    assert kl_divergence(reference, generated) == pytest.approx(-math.log(EPSILON), abs=1e-4)


def test_huge_logits_do_not_overflow() -> None:
    extreme = np.array([[1e4, -1e4]])
    assert math.isfinite(kl_divergence(extreme, -extreme, "softmax"))
    assert math.isfinite(kl_divergence(extreme, -extreme, "sigmoid"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e304, np.finfo(np.float64).max / 1e4):
            assert kl_divergence(extreme * scale, -extreme * scale) == pytest.approx(-math.log(EPSILON))


def test_identical_sets_score_slightly_below_0() -> None:
    assert -1e-3 < kl_divergence(logits(11), logits(11)) < 0


def test_one_pair_is_enough() -> None:
    reference, generated = logits(11, 1), logits(10, 1)
    assert kl_divergence(reference, generated) > 0
    assert kl_divergence(reference.astype(np.float64), generated) == kl_divergence(reference, generated)


def test_tensors_count_as_what_they_hold() -> None:
    reference, generated = np.round(logits(11)), np.round(logits(10))
    expected = kl_divergence(reference, generated)
    assert kl_divergence(torch.tensor(reference, requires_grad=True), torch.tensor(generated).bfloat16()) == expected


def test_sigmoid_is_no_true_divergence() -> None:
    """Without the term of the absent classes, a generated set that hears more everywhere scores below 0."""
    assert kl_divergence(np.full((1, 527), -3.0), np.full((1, 527), 3.0), "sigmoid") < -1


def test_a_mean_over_pairs_that_ignores_their_order_but_not_the_pairing() -> None:
    reference, generated = logits(11), logits(10)
    order = np.random.default_rng(0).permutation(16)
    value = kl_divergence(reference, generated)
    assert kl_divergence(reference[order], generated[order]) == pytest.approx(value, abs=1e-12)
    assert kl_divergence(reference, generated[order]) != pytest.approx(value, abs=1e-3)
    single = [kl_divergence(reference[i : i + 1], generated[i : i + 1]) for i in range(16)]
    assert value == pytest.approx(float(np.mean(single)), abs=1e-12)


def test_label_matched_prefers_sounds_of_their_own_cell() -> None:
    rng = np.random.default_rng(0)
    cells = softmax(rng.standard_normal((3, 33)) * 3)
    labels = rng.integers(0, 3, 60)
    heard = softmax(np.log(cells[labels]) + 0.3 * rng.standard_normal((60, 33)))
    right = label_matched_kl(cells[labels], heard)
    wrong = label_matched_kl(cells[(labels + 1) % 3], heard)
    assert 0 < right < 0.2 < wrong


def test_joint_posterior_is_the_outer_product() -> None:
    source, family = np.array([[0.2, 0.8]]), np.array([[0.1, 0.3, 0.6]])
    assert np.allclose(joint_posterior([source, family]), [[0.02, 0.06, 0.12, 0.08, 0.24, 0.48]])


@pytest.mark.parametrize(
    ("reference", "generated", "words"),
    [
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "reference logits: NaN"),
        (np.zeros((2, 3)), np.full((2, 3), np.inf), "generated logits: NaN or infinite"),
        (np.zeros((2, 3)), np.zeros((2, 4)), "equal shapes"),
        (np.zeros((2, 3)), np.zeros((3, 3)), "equal shapes"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "table"),
        (np.zeros(3), np.zeros(3), "table"),
        (np.zeros((2, 3)), np.zeros((2, 3), complex), "generated logits: complex128"),
        ([[1.0, 2.0], [3.0]], np.zeros((2, 2)), "reference logits: no table"),
    ],
)
def test_refuses_what_has_no_divergence(reference: np.ndarray, generated: np.ndarray, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        kl_divergence(reference, generated)


def test_refuses_an_unknown_form() -> None:
    with pytest.raises(CatalogError, match="'tanh' came; softmax or sigmoid"):
        kl_divergence(logits(1), logits(2), "tanh")  # type: ignore[arg-type]


def test_label_matched_refuses_logits() -> None:
    with pytest.raises(CatalogError, match="posteriors, not logits"):
        label_matched_kl(np.full((2, 4), 0.25), logits(1, 2)[:, :4])

"""Kullback-Leibler divergence between what a classifier hears in references and in generated sounds.

Two forms. The paired form is the one that the audioldm_eval family of tools reports: reference i against
generated i. The label-matched form needs no pairs: each generated sound is held against the mean posterior
of the reference sounds of its own cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from catalog.errors import ScoreError
from catalog.scores.feature_table import feature_table

# The reference tools add this to the generated distribution only, after softmax or sigmoid, and do not
# renormalise; hence equal inputs score slightly below 0 and disjoint ones stop near -ln(1e-6) = 13.8.
EPSILON = 1e-6


def kl_divergence(
    reference_logits: np.ndarray,
    generated_logits: np.ndarray,
    form: Literal["softmax", "sigmoid"] = "softmax",
) -> float:
    """Return the paired KL(reference || generated) of two logit tables [n, classes], row i against row i.

    With p = f(reference), q = f(generated) and f the softmax over classes or the elementwise sigmoid, the
    value is (1/n) sum_i sum_c p (ln p - ln(q + 1e-6)) in nats, in float64. "softmax" is what published
    tables call KL. "sigmoid" lacks the (1 - p) term, as in the reference tools, and is no true divergence:
    it can be negative. Raises ScoreError on NaN, unequal shapes, no rows or another form.
    """
    p = feature_table(reference_logits, "reference logits")
    q = feature_table(generated_logits, "generated logits")
    if p.shape != q.shape:
        raise ScoreError(f"logits of shape {p.shape} and {q.shape} came; pairs need equal shapes")
    if form == "softmax":
        p, q = softmax(p), softmax(q)
    elif form == "sigmoid":
        p, q = _sigmoid(p), _sigmoid(q)
    else:
        raise ScoreError(f"form {form!r} came; softmax or sigmoid is needed")
    return float(_divergence(p, q).mean())


def label_matched_kl(reference_means: np.ndarray, posteriors: np.ndarray) -> float:
    """Return the mean over sounds of KL(mean reference posterior of the sound's cell || sound's posterior).

    Both are probability tables [n, classes]; row i of reference_means is the mean reference posterior of the
    cell that sound i was asked for. Same formula and epsilon as the softmax form of kl_divergence, in nats.
    Lower is better, but a perfect set does not reach 0, since the mean of a cell is broader than any one
    sound. Raises ScoreError on NaN, unequal shapes, no rows or rows that do not sum to 1.
    """
    return float(label_matched_kls(reference_means, posteriors).mean())


def label_matched_kls(reference_means: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
    """Return the terms of label_matched_kl, one for each sound, float64 [n]; see there."""
    p = feature_table(reference_means, "reference posteriors")
    q = feature_table(posteriors, "posteriors")
    if p.shape != q.shape:
        raise ScoreError(f"posteriors of shape {p.shape} and {q.shape} came; equal shapes are needed")
    for table, name in ((p, "reference posteriors"), (q, "posteriors")):
        if (table < 0).any() or np.abs(table.sum(axis=1) - 1).max() > 1e-3:
            raise ScoreError(f"{name}: rows that are no probabilities came; give posteriors, not logits")
    return _divergence(p, q)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, float64, safe for large logits."""
    shifted = np.asarray(logits, dtype=np.float64)
    with np.errstate(over="ignore"):  # a difference beyond all floats is a probability of 0 as well
        shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def joint_posterior(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the joint posterior [n, a * b * ...] of independent heads [n, a], [n, b], ...

    The first head varies slowest: column i * b + j is (class i of the first, class j of the second).
    """
    joint = np.asarray(parts[0], dtype=np.float64)
    for part in parts[1:]:
        joint = (joint[:, :, None] * np.asarray(part, dtype=np.float64)[:, None, :]).reshape(len(joint), -1)
    return joint


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return sum_c p (ln p - ln(q + eps)) per row, with 0 ln 0 = 0."""
    log_p = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.sum(p * (log_p - np.log(q + EPSILON)), axis=1)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the logistic function without overflow for large negative logits."""
    positive = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, positive) / (1.0 + positive)

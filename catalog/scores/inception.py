"""Inception score: how sure a classifier is of each sound, and how differently it labels the set."""

from __future__ import annotations

import numpy as np

from catalog.errors import ScoreError
from catalog.scores.feature_table import feature_table
from catalog.scores.kl import softmax

# The order in which the audioldm_eval family of tools deals sounds into splits.
SEED = 2020


def inception_score(logits: np.ndarray, splits: int = 10, seed: int = SEED) -> tuple[float, float]:
    """Return mean and population deviation over splits of the inception score of logits [n, classes].

    Salimans et al. 2016 (arXiv 1606.03498): exp(mean_i KL(p_i || mean p)) in nats with p the softmax, from 1 (all
    sounds labelled alike) to the number of classes; more is better. Computed in float64. Rows are shuffled with numpy's
    legacy generator and cut into splits at i * n // splits, as audioldm_eval does, so the value depends on n, on
    the number of splits and a little on the order of rows. Departs from it in one thing: fewer rows than splits,
    which there give empty splits, raise ScoreError, as do NaN, another shape and fewer than one split.
    """
    table = feature_table(logits, "logits")
    if not 1 <= splits <= len(table):
        raise ScoreError(f"{len(table)} row(s) came for {splits} splits; every split needs a row")
    p = softmax(table)[np.random.RandomState(seed).permutation(len(table))]
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        # Where a probability has underflowed to 0 it adds nothing (0 ln 0 = 0); the mean is 0 only where all are.
        ratio = np.divide(part, part.mean(axis=0), out=np.ones_like(part), where=part > 0)
        scores.append(np.exp(np.mean(np.sum(part * np.log(ratio), axis=1))))
    return float(np.mean(scores)), float(np.std(scores))

"""Do the machines' figures order models and sounds as people do: Spearman's rank correlation, with n and p.

FAD, KL and FD fall as sounds get better, so a figure that agrees with people has a negative rho with CAG; the CLAP
score rises. p is two-sided, from permutations of the pairs: all of them when they are few, else 9,999 drawn by a fixed
seed, as scipy.stats.permutation_test does. Sounds of one model are alike, so the p over sounds is too hopeful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.listening.means import SCALES, Mean, answer_table
from catalog.listening.records import Answer, ListeningTest
from catalog.records import ScoreRecord

MIN_PAIRS = 5
"""Of four pairs, even a perfect order comes by chance once in twelve times (2 / 4!); of five once in sixty."""
CLAP_SCORE = "CLAP score"


@dataclass(frozen=True)
class Correlation:
    """rho of one scale with one figure over n pairs; `over` is models or sounds. None where `reason` says why."""

    scale: str
    figure: str
    over: str
    rho: float | None
    p: float | None
    n: int
    embedder: str
    reference: str
    reason: str | None


def model_correlations(means: Sequence[Mean], scores: Sequence[ScoreRecord]) -> list[Correlation]:
    """Correlate the models' means with each figure of the league; figures of other judges stay apart."""
    figures: dict[tuple[str, str, str], dict[str, float]] = {}
    for score in scores:
        if score.scope == "model":
            values = figures.setdefault((score.name, score.embedder, score.reference), {})
            if score.value is not None:
                values[score.subject] = score.value
    found = []
    for (name, embedder, reference), values in sorted(figures.items()):
        for scale in SCALES:
            people = {one.maker: one.value for one in means if one.scale == scale and one.value is not None}
            found.append(_correlation(scale, name, "models", people, values, embedder, reference))
    return found


def sound_correlations(
    test: ListeningTest, answers: Sequence[Answer], clap_scores: Mapping[int, float]
) -> list[Correlation]:
    """Correlate the mean answers of generated sounds with their CLAP score: sample id -> percentile, 0..100."""
    found = []
    for scale in SCALES:
        table = answer_table(test, answers, scale)
        people = {
            str(sound.candidate.sample_id): float(np.nanmean(row))
            for sound, row in zip(test.sounds, table, strict=True)
            if sound.candidate.sample_id is not None and not np.isnan(row).all()
        }
        machine = {str(id): score for id, score in clap_scores.items()}
        found.append(_correlation(scale, CLAP_SCORE, "sounds", people, machine))
    return found


def _correlation(
    scale: str,
    figure: str,
    over: str,
    people: Mapping[str, float],
    machine: Mapping[str, float],
    embedder: str = "",
    reference: str = "",
) -> Correlation:
    from scipy.stats import permutation_test, rankdata

    both = sorted(set(people) & set(machine))
    pairs = np.array([(people[name], machine[name]) for name in both], dtype=np.float64).reshape(-1, 2)
    about = (len(both), embedder, reference)
    if len(both) < MIN_PAIRS:
        reason = f"{len(both)} {over} have both, at least {MIN_PAIRS} are needed"
        return Correlation(scale, figure, over, None, None, *about, reason)
    if np.ptp(pairs, axis=0).min() == 0:
        return Correlation(scale, figure, over, None, None, *about, f"all {over} have the same figure")
    x, y = rankdata(pairs[:, 0]), rankdata(pairs[:, 1])

    def rho(shuffled: np.ndarray) -> float:
        return float(np.corrcoef(shuffled, y)[0, 1])

    tested = permutation_test((x,), rho, permutation_type="pairings", vectorized=False, rng=np.random.default_rng(0))
    return Correlation(scale, figure, over, float(tested.statistic), float(tested.pvalue), *about, None)

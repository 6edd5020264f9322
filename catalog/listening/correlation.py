"""Do the machines' figures order models and sounds as people do: Spearman's rank correlation, with n and p.

FAD, KL and FD fall as sounds get better, so a figure that agrees with people has a negative rho with CAG; the CLAP
score rises. FAD and FD of too different numbers of sounds have no order of their own (scores/comparing.py), and no rho.
p is two-sided, from permutations of the pairs: all of them when they are few, else 9,999 drawn by a fixed
seed, as scipy.stats.permutation_test does. Sounds of one model are alike, so the p over sounds is too hopeful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from catalog.listening.means import SCALES, Mean, answer_table
from catalog.listening.records import Answer, ListeningTest
from catalog.records import ScoreRecord
from catalog.scores.comparing import comparable

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
    figures: dict[tuple[str, str, str], dict[str, ScoreRecord]] = {}
    for score in scores:
        if score.scope == "model":
            records = figures.setdefault((score.name, score.embedder, score.reference), {})
            if score.value is not None:
                records[score.subject] = score
    found = []
    for (name, embedder, reference), records in sorted(figures.items()):
        values = {model: record.value for model, record in records.items() if record.value is not None}
        for scale in SCALES:
            people = {one.maker: one.value for one in means if one.scale == scale and one.value is not None}
            one = _correlation(scale, name, "models", people, values, embedder, reference)
            heard = [records[model] for model in sorted(set(people) & set(records))]
            if one.rho is not None and not all(comparable(*pair) for pair in combinations(heard, 2)):
                counts = [record.n for record in heard]
                reason = f"of {min(counts)} to {max(counts)} sounds a model, which do not compare"
                one = replace(one, rho=None, p=None, reason=reason)
            found.append(one)
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

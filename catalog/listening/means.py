"""Means of CAG and REL for each model and the real notes, with intervals in which sounds and listeners both vary.

Every listener hears every sound, so an answer has a part of the sound, one of the listener and a rest. The mean of a
maker is the mean over its sounds of their mean answers. Its variance is taken as s2(sound means) / sounds +
s2(listener means) / listeners: in the crossed random model each term holds the rest once, so their sum holds it once
too often, and the interval errs on the wide side (the unbiased form takes the mean square of the rest away and may
turn negative). The interval is a quantile of
Student's t with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946, 110-114), cut to 0..100. It speaks of
other sounds and other listeners of the same kind, not of these alone. Answers are whole numbers, so whoever says 50 may
mean 49.5 or 50.5: the interval reaches at least RESOLUTION beyond the mean, however well all agree, and one unit alone
tells no two makers apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.listening.records import Answer, ListeningTest
from catalog.scores.intervals import LEVEL
from catalog.scores.ranks import ranks

SCALES = ("CAG", "REL")
MIN_LISTENERS = 2
MIN_SOUNDS = 2
"""With one listener, or one sound, nothing says how much the next one would differ."""
RESOLUTION = 0.5
"""Half the step of the answers' scale."""


@dataclass(frozen=True)
class Mean:
    """Mean of one scale for one maker (a model, or real notes).

    low, high: 95 %; rank: 1 the best, shared by makers whose intervals overlap; all None where `reason` says why.
    """

    scale: str
    maker: str
    value: float | None
    low: float | None
    high: float | None
    rank: int | None
    sounds: int
    listeners: int
    answers: int
    reason: str | None


def answer_table(test: ListeningTest, answers: Sequence[Answer], scale: str) -> np.ndarray:
    """Answers on one scale as float64 [sounds, listeners], NaN where there is none; sounds as in the test."""
    rows = {sound.id: row for row, sound in enumerate(test.sounds)}
    columns = {listener: column for column, listener in enumerate(sorted({one.listener_id for one in answers}))}
    table = np.full((len(rows), len(columns)), np.nan)
    for one in answers:
        table[rows[one.sound_id], columns[one.listener_id]] = one.cag if scale == "CAG" else one.rel
    return table


def maker_means(test: ListeningTest, answers: Sequence[Answer]) -> list[Mean]:
    """The means of every maker: CAG before REL, the best rank first, unscored ones last."""
    makers = sorted({sound.candidate.maker for sound in test.sounds})
    found: list[Mean] = []
    for scale in SCALES:
        table = answer_table(test, answers, scale)
        rows = {maker: [sound.candidate.maker == maker for sound in test.sounds] for maker in makers}
        means = [_mean(scale, maker, table[np.array(rows[maker])]) for maker in makers]
        # A high answer is a good one, and ranks() puts low figures first.
        place = ranks(
            {one.maker: (-one.high, -one.low) for one in means if one.high is not None and one.low is not None}
        )
        ranked = [Mean(**vars(one) | {"rank": place.get(one.maker)}) for one in means]
        found += sorted(ranked, key=lambda one: (one.rank is None, one.rank or 0, one.maker))
    return found


def crossed_interval(table: np.ndarray) -> tuple[float, float, float]:
    """Mean, low and high of answers [sounds, listeners], NaN where there is none.

    Needs two sounds and two listeners with an answer each. low and high lie at least RESOLUTION beyond the mean.
    """
    from scipy.stats import t

    by_sound = np.nanmean(table, axis=1)
    by_listener = np.nanmean(table, axis=0)
    mean = float(by_sound.mean())
    parts = [(float(np.var(each, ddof=1)) / len(each), len(each) - 1) for each in (by_sound, by_listener)]
    variance = sum(part for part, _ in parts)
    reach = RESOLUTION
    if variance > 0.0:
        degrees = variance**2 / sum(part**2 / free for part, free in parts)
        reach = max(reach, float(t.ppf((1 + LEVEL) / 2, degrees)) * variance**0.5)
    return mean, mean - reach, mean + reach


def _mean(scale: str, maker: str, table: np.ndarray) -> Mean:
    heard = ~np.isnan(table)
    table = table[heard.any(axis=1)][:, heard.any(axis=0)]
    sounds, listeners = table.shape
    about = {"scale": scale, "maker": maker, "sounds": sounds, "listeners": listeners, "answers": int(heard.sum())}
    if listeners < MIN_LISTENERS or sounds < MIN_SOUNDS:
        needed = f"at least {MIN_SOUNDS} sounds and {MIN_LISTENERS} listeners are needed"
        reason = f"{sounds} sounds answered by {listeners} listeners, {needed}"
        return Mean(**about, value=None, low=None, high=None, rank=None, reason=reason)
    value, low, high = crossed_interval(table)
    return Mean(**about, value=value, low=max(0.0, low), high=min(100.0, high), rank=None, reason=None)

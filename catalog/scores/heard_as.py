"""What the judge takes a sound for: a hint where a model may have missed the family that it was asked for.

Of 283 real recordings the starter judge puts the right family first for 63 % and among its three likeliest for 91 %
(macro means over families), so about one sound in eleven that is just what was asked for is doubted all the same. The
figure tells where to listen first; it rejects nothing, and no score or rank uses it.

It is a score of the sound, "family [JUDGE]": its value is the probability of the family asked for, 0 to 1, and its
settings hold `heard`, the likeliest families with their probabilities, and `rank`, the place of the family asked for
among all, 1 the likeliest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.records import SampleRecord, ScoreRecord
from generation.prompts.vocabulary import FAMILIES

NAME = "family"
LIKELIEST = 3
"""Families that are told at most; a sound whose own is not among so many likeliest ones is doubtful."""
LEAST = 0.1
"""Probability that a family needs to be told; the likeliest one is told always."""


@dataclass(frozen=True)
class HeardAs:
    """What a judge, `name@revision`, took one sound for, or the reason why it could not hear it.

    asked: the family asked for. probability, rank: of that family, rank 1 the likeliest; None without having heard.
    likeliest: family -> probability, most likely first.
    """

    judge: str
    asked: str
    probability: float | None
    rank: int | None
    likeliest: dict[str, float]
    reason: str | None = None

    @property
    def doubtful(self) -> bool:
        """True when the family asked for is not among the three likeliest."""
        return self.rank is not None and self.rank > LIKELIEST

    @property
    def sentence(self) -> str:
        """In words: `the judge hears guitar 81 %, keyboard 12 %; bass, as asked, 2 %`."""
        if self.probability is None:
            return f"not heard by the judge: {self.reason}"
        told = [
            f"{family} {_percent(share)}{' (as asked)' if family == self.asked else ''}"
            for family, share in self.likeliest.items()
        ]
        own = "" if self.asked in self.likeliest else f"; {self.asked}, as asked, {_percent(self.probability)}"
        return f"the judge hears {', '.join(told)}{own}"

    @property
    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "judge": self.judge,
            "families": self.likeliest,
            "asked": self.probability,
            "rank": self.rank,
            "doubtful": self.doubtful,
            "reason": self.reason,
        }


def family_score(
    sample: SampleRecord, judge_name: str, judge: str, families: np.ndarray | None, reason: str | None
) -> ScoreRecord:
    """The record of one sound: from the probabilities [11] of NSynth's families in its order, or with a reason."""
    value, settings = None, {}
    if families is not None and reason is None:
        order = np.argsort(-families, kind="stable")
        asked = FAMILIES.index(sample.family)
        told = [order[0], *(i for i in order[1:LIKELIEST] if families[i] >= LEAST)]
        value = float(families[asked])
        settings = {
            "heard": {FAMILIES[i]: round(float(families[i]), 4) for i in told},
            "rank": 1 + int(np.flatnonzero(order == asked)[0]),
        }
    return ScoreRecord(
        scope="sample",
        subject=str(sample.id),
        name=f"{NAME} [{judge_name}]",
        value=value,
        reason=reason,
        embedder=judge,
        n=1,
        settings=settings,
    )


def heard_as(scores: Iterable[ScoreRecord], sounds: Iterable[SampleRecord]) -> dict[int, HeardAs]:
    """What these sounds were taken for, by id, from scores in the order of their keeping; sounds never heard lack."""
    asked = {str(sound.id): sound for sound in sounds}
    return {
        asked[score.subject].id: HeardAs(
            judge=score.embedder,
            asked=asked[score.subject].family,
            probability=score.value,
            rank=score.settings.get("rank"),
            likeliest=_by_share(score.settings.get("heard", {})),
            reason=score.reason,
        )
        for score in scores
        if score.scope == "sample" and score.name.startswith(f"{NAME} [") and score.subject in asked
    }


def _by_share(families: Mapping[str, float]) -> dict[str, float]:
    """Most likely first: what comes out of the catalogue is in the order of names."""
    return dict(sorted(families.items(), key=lambda pair: -pair[1]))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

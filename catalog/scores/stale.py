"""Whether the league is of the sounds that a library accepts now.

Figures are kept as they were measured. What is accepted changes beside them: a gate is applied again, a night adds
sounds. So each record of a model says how many sounds were accepted then, and which (tally.accepted_state).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.scores.hearing import sounds_by_model
from catalog.scores.reference import STARTER_REFERENCE, Reference
from catalog.scores.tally import accepted_state

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.records import ScoreRecord


@dataclass(frozen=True)
class StaleScores:
    """Figures of one model by one judge that are of other sounds than those accepted now.

    measured: how many were accepted when it was measured, 0 for a model that it has not measured; accepted: how many
    are now. Where both are equal, others are. by_refresh: of the shipped judge, against the shipped reference.
    """

    model: str
    embedder: str
    reference: str
    measured: int
    accepted: int
    by_refresh: bool


def stale_scores(library: Library) -> list[StaleScores]:
    """What a new measuring would change, judge by judge and model by model; nothing where there is no league."""
    judged: dict[tuple[str, str], dict[str, ScoreRecord]] = {}
    for record in library.scores(scope="model"):
        judged.setdefault((record.embedder, record.reference), {}).setdefault(record.subject, record)
    if not judged:
        return []
    shipped = Reference.load(STARTER_REFERENCE).judge
    now = {model: accepted_state(samples) for model, samples in sounds_by_model(library).items()}
    found = []
    for (embedder, reference), records in sorted(judged.items()):
        older = embedder != shipped and _name(embedder) == _name(shipped)
        if older and any(other == shipped for other, _ in judged):
            continue  # an earlier version's judge, which no command measures with any more
        for model in sorted({*records, *now}):
            then, current = _then(records.get(model)), now.get(model, accepted_state([]))
            # Records of older versions know only how many sounds were heard.
            if any(value != current[key] for key, value in then.items()):
                by_refresh = _name(embedder) == _name(shipped)
                counts = (then["accepted"], current["accepted"])
                found.append(StaleScores(model, embedder, reference, *counts, by_refresh))
    return found


def _then(record: ScoreRecord | None) -> dict[str, Any]:
    """The accepted sounds when a record was made, as far as it says."""
    if record is None:
        return accepted_state([])
    if "accepted_id" not in record.settings:
        return {"accepted": record.n}
    return {key: record.settings[key] for key in ("accepted", "accepted_id")}


def _name(embedder: str) -> str:
    return embedder.partition("@")[0]

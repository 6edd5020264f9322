"""Whether the league is of the sounds that a library accepts now.

Figures are kept as they were measured. What is accepted changes beside them: a gate is applied again, a night adds
sounds. So each record of a model says how many sounds were accepted then, and which (tally.accepted_state).

Only figures that a command can measure again are called stale. Superseded, and left out, are those of an earlier
version of a judge, or of another CLAP, that has measured since, and those of a CLAP that is not the library's ear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from catalog.scores.hearing import sounds_by_model
from catalog.scores.reference import STARTER_REFERENCE, Reference
from catalog.scores.tally import accepted_state

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.records import ScoreRecord

Kind = Literal["starter", "vggish", "cnn14", "ear"]

_PUBLISHED: dict[str, Kind] = {"vggish": "vggish", "cnn14_16k": "cnn14"}
"""Names in the ids of published judges, and their kinds (`extractors.EXTRACTORS`)."""


@dataclass(frozen=True)
class StaleScores:
    """Figures of one model by one judge that are of other sounds than those accepted now.

    kind: how the judge is measured with: the shipped one, a published one, or the library's own vectors. measured: how
    many were accepted when it was measured, 0 for a model that it has not measured; accepted: how many are now. Where
    both are equal, others are. length_s: to which sounds were cut, None where they were not.
    """

    model: str
    kind: Kind
    embedder: str
    reference: str
    length_s: float | None
    measured: int
    accepted: int


def stale_scores(library: Library) -> list[StaleScores]:
    """What a new measuring would change, judge by judge and model by model; nothing where there is no league."""
    scores = library.scores(scope="model")
    if not scores:
        return []
    shipped, ear = Reference.load(STARTER_REFERENCE).judge, library.embedding_state().embedder
    newest: dict[Kind, ScoreRecord] = {}
    judged: dict[str, dict[str, ScoreRecord]] = {}
    for record in scores:  # in the order of their keeping
        newest[_kind(record.embedder, shipped)] = record
        judged.setdefault(record.embedder, {})[record.subject] = record
    now = {model: accepted_state(samples) for model, samples in sounds_by_model(library).items()}
    found = []
    for kind, last in sorted(newest.items()):
        if kind == "ear" and last.embedder != ear:
            continue
        # A judge keeps one measuring: whatever it was against, the next one replaces it.
        records = judged[last.embedder]
        for model in sorted({*records, *now}):
            measured = records.get(model)
            then, current = _then(measured), now.get(model, accepted_state([]))
            # Records of older versions know only how many sounds were heard.
            if any(value != current[key] for key, value in then.items()):
                about = (kind, last.embedder, (measured or last).reference, last.settings.get("length_s"))
                found.append(StaleScores(model, *about, then["accepted"], current["accepted"]))
    return found


def _then(record: ScoreRecord | None) -> dict[str, Any]:
    """The accepted sounds when a record was made, as far as it says."""
    if record is None:
        return accepted_state([])
    if "accepted_id" not in record.settings:
        return {"accepted": record.n}
    return {key: record.settings[key] for key in ("accepted", "accepted_id")}


def _kind(embedder: str, shipped: str) -> Kind:
    name = embedder.partition("@")[0]
    return "starter" if name == shipped.partition("@")[0] else _PUBLISHED.get(name, "ear")

"""What a setting's library says of each row: the league's figures, and what the default gate would accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.embedders import Embedder, load_embedder
from catalog.errors import ScoreError
from catalog.library import Library
from catalog.records import ScoreRecord
from catalog.scores.comparing import NOTE, rank_scores
from catalog.scores.extractors import Extractor, load_extractor
from flows.evaluation.making import EVERY, MadeRow, Setting
from flows.evaluation.settings import Evaluation
from flows.judging import read_judging
from flows.place import SettingsError
from flows.stages import score_against, score_models
from generation.corpus.nsynth import Corpus, read_corpus

STARTER_FIGURES = ("FAD [starter]", "KL [starter]")
"""What every evaluation has, by the shipped judge against its shipped reference."""


@dataclass(frozen=True, eq=False)
class Ears:
    """What listens beside the starter judge: extractors and an embedder, and the real notes they compare with."""

    embedder: Embedder
    extractors: tuple[Extractor, ...] = ()
    corpus: Corpus | None = None
    length_s: float = 4.0


@dataclass(frozen=True)
class Line:
    """One row in one setting with its figures.

    figures: name -> the league's record, with a value and an interval or with a reason. accepted_share: of the sounds
    heard and silent, by the default gate on their stored facts, before any tuning; None without sounds.
    """

    setting: Setting
    made: MadeRow
    figures: dict[str, ScoreRecord]
    accepted_share: float | None


def open_ears(evaluation: Evaluation, folder: Path, device: str) -> Ears:
    """Load what the evaluation names, before any sound is made. Paths are relative to `folder`.

    Raises SettingsError for published weights without a reference, and whatever damaged files raise, in one line.
    """
    published = {kind: file for kind, file in (("vggish", evaluation.vggish), ("cnn14", evaluation.cnn14)) if file}
    if evaluation.reference is None:
        if published:
            raise SettingsError(
                f"{next(iter(published))} measures against real notes; name a reference, such as corpus/valid"
            )
        return Ears(load_embedder(evaluation.embedder, device))
    corpus = read_corpus(folder / evaluation.reference)
    extractors = tuple(load_extractor(kind, folder / file, device) for kind, file in published.items())
    return Ears(load_embedder(evaluation.embedder, device), extractors, corpus, evaluation.length_s)


def score_rows(
    library: Library, setting: Setting, made: Sequence[MadeRow], ears: Ears, device: str, kept_in: Path
) -> list[Line]:
    """Score every row of a setting; only sounds that were not heard before are heard.

    kept_in: where what is heard in the real notes is kept for the next setting.
    """
    unscored = score_models(library, device)
    against = None
    if ears.corpus is not None and library.count():
        try:
            score_against(library, ears.extractors, ears.embedder, ears.corpus, ears.length_s, kept_in=kept_in)
        except ScoreError as cause:  # the notes are no reference: the judge's own figures stand
            against = str(cause)
    records = [record for record in library.scores() if record.scope == "model"]
    names = list(STARTER_FIGURES)
    if ears.corpus is not None:
        wanted = {ears.embedder.id, *(extractor.id for extractor in ears.extractors)}
        names += sorted({record.name for record in records if record.embedder in wanted})
    shares = default_gate_shares(library)
    lines = []
    for row in made:
        figures = {
            name: _figure(name, row, records, unscored if name in STARTER_FIGURES else against) for name in names
        }
        # What other weights have left in the library is not this row's.
        share = shares.get(row.model or "") if row.fingerprint is not None else None
        lines.append(Line(setting, row, figures, share))
    return lines


def size_remarks(lines: Sequence[Line]) -> list[str]:
    """What has to stand under figures of these rows whose numbers do not compare, and which of them have no rank."""
    told: dict[str, None] = {}
    for name in {name: None for line in lines for name in line.figures}:
        figures = {str(place): line.figures[name] for place, line in enumerate(lines) if name in line.figures}
        ranking = rank_scores(figures)
        if ranking.held_by_n:
            told[NOTE] = None
        for place, why in ranking.held_by_n.items():
            if place not in ranking.ranks:
                line = lines[int(place)]
                told[f"{line.made.row}, {name} ({line.setting.folder}): not ranked beside the others, {why}"] = None
    return list(told)


def default_gate_shares(library: Library) -> dict[str, float]:
    """Of each model the share of its sounds that the default gate would accept, by their stored facts."""
    gate = read_judging("default").gate
    model_of = {sample.id: sample.model for sample in library.samples(EVERY)}
    verdicts: dict[str, list[bool]] = {}
    for sound in library.gated_sounds():
        verdicts.setdefault(model_of[sound.id], []).append(sound.verdict(gate).accepted)
    return {model: sum(accepted) / len(accepted) for model, accepted in verdicts.items()}


def _figure(name: str, row: MadeRow, records: Sequence[ScoreRecord], unscored: str | None) -> ScoreRecord:
    """The record of a row, or one that says why there is none: what stopped the row comes first."""
    found = next((record for record in records if (record.subject, record.name) == (row.model, name)), None)
    reason = row.reason or unscored
    if found is not None and reason is None:
        return found
    told = reason or "the league did not hear it"
    return ScoreRecord("model", row.model or row.row, name, None, told, n=row.heard)

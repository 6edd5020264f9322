"""The league: FAD and label-matched KL per model, per model x family and per model x quality.

FAD [JUDGE] is the Frechet distance between the judge's embeddings of accepted sounds and those of real notes
of the same cells, called FD where the literature calls it so; KL [JUDGE], where the judge is a classifier, is the
label-matched divergence of scores/kl.py; FAD-inf [JUDGE], on request, is FAD continued to infinitely many sounds
(scores/infinity.py). Judges are the extractors of scores/extractors.py. The name in brackets is the judge's, because
figures of different judges cannot be compared, and those of the starter judge are not the VGGish or PANNs figures of
the literature. All fall as sounds get better; FAD also falls as their number grows, so every figure carries n, and
where n alone may explain a difference no model is ranked before another (scores/comparing.py). A reference knows no
qualities: sounds of a quality are held against the real notes of their cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import ScoreError
from catalog.records import SampleRecord, ScoreRecord
from catalog.scores.comparing import UNBIASED
from catalog.scores.extractors import Extractor, Judge, as_extractor
from catalog.scores.frechet import Gaussian, gaussian, gaussian_distance
from catalog.scores.heard_as import family_score
from catalog.scores.hearing import Distances, bring_up_to_date, masters, models_with_sounds, sounds_by_model, vectors
from catalog.scores.infinity import fad_infinity_of_blocks, least_sounds
from catalog.scores.intervals import Interval, jackknife, mean_interval
from catalog.scores.moments import Moments
from catalog.scores.reference import Cell, Reference
from catalog.scores.tally import Tally, accepted_state, drop_gone, groups_of, identity, tally_path

if TYPE_CHECKING:
    from catalog.library import Library


@dataclass(frozen=True)
class LeagueSettings:
    """How many sounds, and how many real notes on the other side, a score needs; fewer leave it unscored.

    A Frechet distance of n sounds in d dimensions is dominated by missing variance when n is far below d
    (two samples of one 128-d Gaussian: 119 at n = 64, 33 at n = 256, 8 at n = 1024), so below 50 it says
    nothing about the sounds; nor does it below an eighth of d (256 for the 2048 of Cnn14), a limit set by hand. KL is
    a plain mean, whose error is that of a mean: 5 give a first hint.

    The distance is symmetric, so few real notes spoil it as few sounds do, and no interval tells: it is of the sounds
    alone. Hence the minima of FAD and KL hold for the real notes as well, in every comparison for those it is made
    against: the notes of the families and sources that the group's sounds were asked for. Every cell of the shipped
    reference has 56 notes or more, enough for a family on its own.

    infinity: also give FAD-inf, which needs 2 d sounds, as many notes as FAD, and some seconds for each model.
    """

    min_sounds_fad: int = 50
    min_sounds_kl: int = 5
    min_sounds_a_dimension: float = 0.125
    infinity: bool = False


@dataclass(frozen=True)
class OddSound:
    """A sound and its distance from the real notes of its cells, alone; real: the mean of those notes' own."""

    sample: SampleRecord
    fad: float
    real: float


@dataclass(frozen=True, eq=False)
class _Group:
    """Sounds that are scored together: their blocks in the tally and the reference cells of each sound."""

    scope: str
    subject: str
    about: dict[str, Any]
    features: list[Moments]
    kl: list[Moments]
    cells: Sequence[tuple[Cell, ...]]


def league(
    library: Library,
    judge: Judge | Extractor,
    reference: Reference,
    settings: LeagueSettings | None = None,
    from_vectors: bool = False,
) -> list[ScoreRecord]:
    """Score every model, model x family and model x quality over the accepted sounds of a library.

    Only sounds that were not heard before are heard (scores/tally.py); a read-only library hears all of them. With
    `from_vectors` nothing is heard: the library's own vectors of the embedder `judge.id` are the features, and a sound
    that has none is left out.
    Returns records for Library.add_scores, models by name, then families, then qualities; a group with too few
    sounds or real notes gets a record with a reason and no value, and so does a model none of whose sounds is accepted.
    Records of models say which sounds were accepted (`accepted`, `accepted_id`: see `stale.py`). Sounds of families
    that the reference does not hold are left out of n. Sounds that a reviewer dropped count: the league judges models,
    not packs. Raises ScoreError when the reference was made with another judge.
    """
    settings = settings or LeagueSettings()
    if reference.judge != judge.id:
        raise ScoreError(
            f"the reference {reference.name} was made with {reference.judge}, the judge is {judge.id}; "
            "build the reference again with this judge"
        )
    extractor = as_extractor(judge)
    listen = vectors(library, judge.id) if from_vectors else masters(library, extractor, reference.length_s)
    distances = Distances(reference)
    groups: list[_Group] = []
    by_model = sounds_by_model(library)
    for model in models_with_sounds(library):
        samples = by_model.get(model, [])
        tally = bring_up_to_date(library, model, samples, listen, distances)
        groups += _groups(model, samples, tally, reference)
    if not library.read_only:
        drop_gone(library.path, by_model)
    order = {"model": 0, "model_family": 1}
    groups.sort(key=lambda group: (order[group.scope], "quality" in group.about, group.subject))
    pooled = _Pooled(reference)
    return [record for group in groups for record in _score(group, extractor, pooled, settings)]


def odd_sounds(library: Library, reference: Reference, count: int) -> list[OddSound]:
    """The sounds farthest from real notes among those that a league has heard, the worst first.

    All were cut to one length before, as the figure asks. They are ordered by how many times the distance of an
    average real note of their cells they lie away, since families differ in their own spread.
    """
    distances = Distances(reference)
    found = []
    for model, samples in sounds_by_model(library).items():
        fads = Tally.load(tally_path(library.path, model, reference)).heard
        for sample in samples:
            if identity(sample) in fads:
                real = distances.of_real_notes(reference.cells(sample.source, sample.family))
                found.append(OddSound(sample, fads[identity(sample)], real))
    return sorted(found, key=lambda odd: (-odd.fad / odd.real, odd.sample.id))[:count]


def heard_families(library: Library, judge: Judge | Extractor, reference: Reference) -> list[ScoreRecord]:
    """What a judge of families took every accepted sound for when a league with it ran, a record each, by id.

    Nothing is heard here. A sound that no league could hear has a record with the reason.
    """
    name = as_extractor(judge).name
    records = []
    for model, samples in sounds_by_model(library).items():
        families = Tally.load(tally_path(library.path, model, reference)).families
        for sample in samples:
            reason = None
            if not reference.cells(sample.source, sample.family):
                asked = " ".join(part for part in (sample.source, sample.family) if part)
                reason = f"{reference.name} has no real note of {asked}, so the judge did not hear it"
            elif identity(sample) not in families:
                reason = "its file could not be heard; `nightcrate verify` lists what is damaged"
            records.append(family_score(sample, name, judge.id, families.get(identity(sample)), reason))
    return sorted(records, key=lambda record: int(record.subject))


def _groups(model: str, samples: Sequence[SampleRecord], tally: Tally, reference: Reference) -> list[_Group]:
    """The groups of one model, also those of which no sound counts."""
    known = tally.heard
    cells: dict[str, list[tuple[Cell, ...]]] = {}
    for sample in samples:
        for name in groups_of(sample):
            cells.setdefault(name, [])
            if identity(sample) in known:
                cells[name].append(reference.cells(sample.source, sample.family))

    def group(scope: str, subject: str, about: dict[str, Any], names: Sequence[str]) -> _Group:
        members = [one for name in names for one in cells[name]]
        return _Group(scope, subject, about, tally.blocks("features", names), tally.blocks("kl", names), members)

    families = [name for name in cells if name.startswith("family/")]
    made = [group("model", model, accepted_state(samples), families)]
    for name in cells:
        kind, _, word = name.partition("/")
        made.append(group("model_family", f"{model}/{word}", {} if kind == "family" else {"quality": word}, [name]))
    return made


def _score(group: _Group, extractor: Extractor, pooled: _Pooled, settings: LeagueSettings) -> list[ScoreRecord]:
    """Return the FAD, the KL if there is one and, where it is wanted, the FAD-inf record of one group."""
    reference = pooled.reference
    n, rows = len(group.cells), reference.rows_a_note
    cells = tuple(sorted({cell for cells in group.cells for cell in cells}))
    notes = sum(len(reference.features[cell]) for cell in cells) // rows
    dim = next(iter(reference.features.values())).shape[1]
    common = {
        "length_s": reference.length_s,
        "cells": len(cells),
        "reference_id": reference.fingerprint,
        "protocol": extractor.protocol,
    }

    def record(
        name: str, needed: int, needed_notes: int, figure: Callable[[dict[str, Any]], tuple[float, Interval]]
    ) -> ScoreRecord:
        value, reason, about = None, None, {**common, **group.about, "min_sounds": needed}
        if n < needed:
            reason = f"{n} sounds, at least {needed} are needed"
        elif notes < needed_notes:
            reason = f"{notes} real notes, at least {needed_notes} are needed"
        else:
            try:
                value, interval = figure(about)
                about |= {"low": interval.low, "high": interval.high, "interval": interval.by}
            except ScoreError as error:
                reason = str(error)
        return ScoreRecord(
            scope=group.scope,
            subject=group.subject,
            name=f"{name} [{extractor.name}]",
            value=value,
            reason=reason,
            embedder=reference.judge,
            reference=reference.name,
            n=n,
            settings=about,
        )

    def real_notes(about: dict[str, Any]) -> Gaussian:
        real = pooled.of(cells)
        about |= {"reference_n": notes, "dimensions": dim}
        if rows > 1:
            about |= {"rows": n * rows, "reference_rows": real.n}
        return real

    def fad(about: dict[str, Any]) -> tuple[float, Interval]:
        real = real_notes(about)
        return jackknife(group.features, lambda blocks: _distance(blocks, real), least=0.0)

    def fad_inf(about: dict[str, Any]) -> tuple[float, Interval]:
        real = real_notes(about)
        return jackknife(group.features, lambda blocks: fad_infinity_of_blocks(blocks, real))

    def kl(about: dict[str, Any]) -> tuple[float, Interval]:
        together = Moments.merge(group.kl)
        about["of_the_reference_itself"] = float(together.mean[1])
        return float(together.mean[0]), mean_interval(together, least=0.0)

    least = max(2, settings.min_sounds_fad, math.ceil(settings.min_sounds_a_dimension * dim / rows))
    records = [record(extractor.distance, least, least, fad)]
    if reference.posteriors:
        fewest = max(2, settings.min_sounds_kl)
        records.append(record(UNBIASED, fewest, fewest, kl))
    if settings.infinity:
        # A left-out block and unequal blocks take some of the smallest draw, which must keep d rows.
        wanted = math.ceil(1.25 * least_sounds(dim) / rows)
        records.append(record(f"{extractor.distance}-inf", wanted, least, fad_inf))
    return records


def _distance(blocks: Sequence[Moments], real: Gaussian) -> float:
    return gaussian_distance(Moments.merge(blocks).gaussian(), real)


class _Pooled:
    """The Gaussians of real notes by the cells that they are pooled from, each fitted once."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._fitted: dict[tuple[Cell, ...], Gaussian] = {}

    def of(self, cells: tuple[Cell, ...]) -> Gaussian:
        """The Gaussian of all notes of these cells."""
        if cells not in self._fitted:
            self._fitted[cells] = gaussian(self.reference.pooled_features(cells), self.reference.name)
        return self._fitted[cells]

"""The league: FAD and label-matched KL per model, per model x family and per model x quality.

FAD [JUDGE] is the Frechet distance between the judge's embeddings of accepted sounds and those of real notes
of the same cells; KL [JUDGE] is the label-matched divergence of scores/kl.py; FAD-inf [JUDGE], on request, is FAD
continued to infinitely many sounds (scores/infinity.py). The name in brackets is the judge's, because figures of
different judges cannot be compared, and those of the starter judge are not the VGGish or PANNs figures of the
literature. All fall as sounds get better; FAD also falls as their number grows, so every figure carries n and an
interval that covers what n alone explains. A reference knows no qualities: sounds of a quality are held against the
real notes of their cells.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.errors import ScoreError
from catalog.records import SampleFilter, SampleRecord, ScoreRecord
from catalog.scores.frechet import Gaussian, gaussian, gaussian_distance
from catalog.scores.infinity import fad_infinity_of_blocks, least_sounds
from catalog.scores.intervals import Interval, jackknife, mean_interval
from catalog.scores.kl import label_matched_kls
from catalog.scores.moments import Moments
from catalog.scores.outliers import sample_fads
from catalog.scores.reference import Cell, Judge, Reference, hear
from catalog.scores.tally import Tally, groups_of, identity, tally_path
from generation.audio import AudioError, Clip, read_clip

if TYPE_CHECKING:
    from catalog.library import Library

logger = logging.getLogger(__name__)

HEAR_AT_ONCE = 256
"""Sounds whose features are held at a time; what was heard is kept after each such step."""


@dataclass(frozen=True)
class LeagueSettings:
    """How many sounds a score needs; fewer leave it unscored.

    A Frechet distance of n sounds in d dimensions is dominated by missing variance when n is far below d
    (two samples of one 128-d Gaussian: 119 at n = 64, 33 at n = 256, 8 at n = 1024), so below 50 it says
    nothing about the sounds. KL is a plain mean, whose error is that of a mean: 5 give a first hint.
    infinity: also give FAD-inf, which needs 2 d sounds and some seconds for each model.
    """

    min_sounds_fad: int = 50
    min_sounds_kl: int = 5
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
    library: Library, judge: Judge, reference: Reference, settings: LeagueSettings | None = None
) -> list[ScoreRecord]:
    """Score every model, model x family and model x quality over the accepted sounds of a library.

    Only sounds that were not heard before are heard (scores/tally.py); a read-only library hears all of them.
    Returns records for Library.add_scores, models by name, then families, then qualities; a group with too few
    sounds gets a record with a reason and no value. Sounds of families that the reference does not hold are left
    out of n. Sounds that a reviewer dropped count: the league judges models, not packs. Raises ScoreError when the
    reference was made with another judge.
    """
    settings = settings or LeagueSettings()
    if reference.judge != judge.id:
        raise ScoreError(
            f"the reference {reference.name} was made with {reference.judge}, the judge is {judge.id}; "
            "build the reference again with this judge"
        )
    groups: list[_Group] = []
    for model, samples in sorted(_by_model(library).items()):
        tally = _heard(library, model, samples, judge, reference)
        groups += _groups(model, samples, tally, reference)
    order = {"model": 0, "model_family": 1}
    groups.sort(key=lambda group: (order[group.scope], "quality" in group.about, group.subject))
    return [record for group in groups for record in _score(group, reference, settings)]


def odd_sounds(library: Library, reference: Reference, count: int) -> list[OddSound]:
    """The sounds farthest from real notes among those that a league has heard, the worst first.

    All were cut to one length before, as the figure asks. They are ordered by how many times the distance of an
    average real note of their cells they lie away, since families differ in their own spread.
    """
    distances = _Distances(reference)
    found = []
    for model, samples in _by_model(library).items():
        fads = Tally.load(tally_path(library.path, model, reference)).heard
        for sample in samples:
            if identity(sample) in fads:
                real = distances.of_real_notes(reference.cells(sample.source, sample.family))
                found.append(OddSound(sample, fads[identity(sample)], real))
    return sorted(found, key=lambda odd: (-odd.fad / odd.real, odd.sample.id))[:count]


def _by_model(library: Library) -> dict[str, list[SampleRecord]]:
    models: dict[str, list[SampleRecord]] = {}
    for sample in library.samples(SampleFilter()):
        if sample.file is not None:
            models.setdefault(sample.model, []).append(sample)
    return models


def _heard(library: Library, model: str, samples: Sequence[SampleRecord], judge: Judge, reference: Reference) -> Tally:
    """Bring the tally of a model up to date: forget what is gone, hear what is new."""
    path = tally_path(library.path, model, reference)
    tally = Tally.load(path)
    placed = [sample for sample in samples if reference.cells(sample.source, sample.family)]
    forgotten = tally.forget({identity(sample) for sample in placed})
    known = tally.heard
    new = [sample for sample in placed if identity(sample) not in known]
    distances = _Distances(reference)
    for start in range(0, len(new), HEAR_AT_ONCE):
        readable: list[SampleRecord] = []
        heard = hear(judge, _clips(library, new[start : start + HEAR_AT_ONCE], readable), reference.length_s)
        if not readable:
            continue
        cells = [reference.cells(sample.source, sample.family) for sample in readable]
        kl = label_matched_kls(np.stack([reference.mean_posterior(one) for one in cells]), heard.posteriors)
        floor = [float(np.mean([reference.own_kl[cell] for cell in one])) for one in cells]
        fads = np.array([distances.of(x, one) for x, one in zip(heard.features, cells, strict=True)])
        tally.add(readable, heard.features, np.column_stack([kl, floor]), fads)
        if not library.read_only:
            tally.save(path)
    if forgotten and not new and not library.read_only:
        tally.save(path)
    return tally


def _clips(library: Library, samples: Sequence[SampleRecord], readable: list[SampleRecord]) -> Iterator[Clip]:
    """Read masters one by one and note in `readable` whose clips came.

    A damaged one is named in the log and left out, the rest is still scored.
    """
    for sample in samples:
        try:
            clip = read_clip(library.path / str(sample.file))
        except AudioError as error:
            logger.warning("not scored: %s; `nightcrate verify` lists what is damaged", error)
            continue
        readable.append(sample)
        yield clip


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
    made = [group("model", model, {}, families)]
    for name in cells:
        kind, _, word = name.partition("/")
        made.append(group("model_family", f"{model}/{word}", {} if kind == "family" else {"quality": word}, [name]))
    return made


def _score(group: _Group, reference: Reference, settings: LeagueSettings) -> list[ScoreRecord]:
    """Return the FAD, the KL and, where it is wanted, the FAD-inf record of one group."""
    n = len(group.cells)
    cells = sorted({cell for cells in group.cells for cell in cells})
    label = reference.judge.split("@")[0]
    common = {"length_s": reference.length_s, "cells": len(cells), "reference_id": reference.fingerprint}

    def record(name: str, needed: int, figure: Callable[[dict[str, Any]], tuple[float, Interval]]) -> ScoreRecord:
        value, reason, about = None, None, {**common, **group.about, "min_sounds": needed}
        if n < needed:
            reason = f"{n} sounds, at least {needed} are needed"
        else:
            try:
                value, interval = figure(about)
                about |= {"low": interval.low, "high": interval.high, "interval": interval.by}
            except ScoreError as error:
                reason = str(error)
        return ScoreRecord(
            scope=group.scope,
            subject=group.subject,
            name=f"{name} [{label}]",
            value=value,
            reason=reason,
            embedder=reference.judge,
            reference=reference.name,
            n=n,
            settings=about,
        )

    def real_notes(about: dict[str, Any]) -> Gaussian:
        real = gaussian(reference.pooled_features(cells), reference.name)
        about["reference_n"] = real.n
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
        return float(together.mean[0]), mean_interval(together)

    records = [
        record("FAD", max(2, settings.min_sounds_fad), fad),
        record("KL", max(2, settings.min_sounds_kl), kl),
    ]
    if settings.infinity:
        dim = next(iter(reference.features.values())).shape[1]
        # A left-out block and unequal blocks take some of the smallest draw, which must keep d sounds.
        records.append(record("FAD-inf", round(1.25 * least_sounds(dim)), fad_inf))
    return records


def _distance(blocks: Sequence[Moments], real: Gaussian) -> float:
    return gaussian_distance(Moments.merge(blocks).gaussian(), real)


class _Distances:
    """Distances of single sounds from the real notes of their cells; each cell's Gaussian is fitted once."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._fitted: dict[tuple[Cell, ...], tuple[Gaussian, float]] = {}

    def of(self, features: np.ndarray, cells: tuple[Cell, ...]) -> float:
        """FAD of one sound [d] alone."""
        return float(sample_fads(features[None, None], self._fit(cells)[0])[0])

    def of_real_notes(self, cells: tuple[Cell, ...]) -> float:
        """Mean FAD alone of the real notes of these cells."""
        return self._fit(cells)[1]

    def _fit(self, cells: tuple[Cell, ...]) -> tuple[Gaussian, float]:
        if cells not in self._fitted:
            notes = self._reference.pooled_features(cells)
            real = gaussian(notes, self._reference.name)
            self._fitted[cells] = real, float(sample_fads(notes[:, None], real).mean())
        return self._fitted[cells]

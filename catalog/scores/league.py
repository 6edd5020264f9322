"""The league, first form: FAD and label-matched KL per model and per model x family.

FAD [JUDGE] is the Frechet distance between the judge's embeddings of accepted sounds and those of real notes
of the same cells; KL [JUDGE] is the label-matched divergence of scores/kl.py. The name in brackets is the
judge's, because figures of different judges cannot be compared, and those of the starter judge are not the
VGGish or PANNs figures of the literature. Both fall as sounds get better; FAD also falls as their number
grows, so a score carries n and models are compared at equal n.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.errors import ScoreError
from catalog.records import SampleFilter, SampleRecord, ScoreRecord
from catalog.scores.frechet import frechet_distance
from catalog.scores.kl import label_matched_kl
from catalog.scores.reference import Cell, Heard, Judge, Reference, hear
from generation.audio import AudioError, Clip, read_clip

if TYPE_CHECKING:
    from catalog.library import Library

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeagueSettings:
    """How many sounds a score needs; fewer leave it unscored.

    A Frechet distance of n sounds in d dimensions is dominated by missing variance when n is far below d
    (two samples of one 128-d Gaussian: 119 at n = 64, 33 at n = 256, 8 at n = 1024), so below 50 it says
    nothing about the sounds. KL is a plain mean, whose error is that of a mean: 5 give a first hint.
    """

    min_sounds_fad: int = 50
    min_sounds_kl: int = 5


@dataclass(frozen=True, eq=False)
class _Group:
    """Sounds that are scored together: what was heard in each and the reference cells it belongs to."""

    scope: str
    subject: str
    heard: Heard
    cells: Sequence[tuple[Cell, ...]]


def league(
    library: Library, judge: Judge, reference: Reference, settings: LeagueSettings | None = None
) -> list[ScoreRecord]:
    """Score every model and every model x family over the accepted sounds of a library.

    Returns records for Library.add_scores, models by name, then families; a group with too few sounds gets a
    record with a reason and no value. Sounds of families that the reference does not hold are left out of n.
    Sounds that a reviewer dropped count: the league judges models, not packs. Raises ScoreError when the
    reference was made with another judge.
    """
    settings = settings or LeagueSettings()
    if reference.judge != judge.id:
        raise ScoreError(
            f"the reference {reference.name} was made with {reference.judge}, the judge is {judge.id}; "
            "build the reference again with this judge"
        )
    listener = _Listener(library, [s for s in library.samples(SampleFilter()) if s.file is not None])
    heard = hear(judge, listener.clips(), reference.length_s)
    return [
        record
        for group in _groups(listener.readable, heard, reference)
        for record in _score(group, reference, settings)
    ]


def _score(group: _Group, reference: Reference, settings: LeagueSettings) -> list[ScoreRecord]:
    """Return the FAD and the KL record of one group."""
    n = len(group.cells)
    cells = sorted({cell for cells in group.cells for cell in cells})
    label = reference.judge.split("@")[0]
    common = {"length_s": reference.length_s, "cells": len(cells)}

    def record(name: str, needed: int, value: float | None, **about: object) -> ScoreRecord:
        reason = f"{n} sounds, at least {needed} are needed" if value is None else None
        return ScoreRecord(
            scope=group.scope,
            subject=group.subject,
            name=f"{name} [{label}]",
            value=value,
            reason=reason,
            embedder=reference.judge,
            reference=reference.name,
            n=n,
            settings={**common, "min_sounds": needed, **about},
        )

    fad = kl = None
    fad_about: dict[str, object] = {}
    kl_about: dict[str, object] = {}
    if n >= settings.min_sounds_fad:
        real = reference.pooled_features(cells)
        fad = frechet_distance(group.heard.features, real)
        fad_about["reference_n"] = len(real)
    if n >= settings.min_sounds_kl:
        means = np.stack([reference.mean_posterior(cells) for cells in group.cells])
        kl = label_matched_kl(means, group.heard.posteriors)
        floor = np.mean([np.mean([reference.own_kl[cell] for cell in cells]) for cells in group.cells])
        kl_about["of_the_reference_itself"] = float(floor)
    return [
        record("FAD", settings.min_sounds_fad, fad, **fad_about),
        record("KL", settings.min_sounds_kl, kl, **kl_about),
    ]


def _groups(samples: Sequence[SampleRecord], heard: Heard, reference: Reference) -> Iterator[_Group]:
    """Split what was heard into models and model x family groups."""
    cells = [reference.cells(sample.source, sample.family) for sample in samples]
    members: dict[tuple[str, str], list[int]] = {}
    for row, sample in enumerate(samples):
        for key in (("model", sample.model), ("model_family", f"{sample.model}/{sample.family}")):
            members.setdefault(key, [])
            if cells[row]:
                members[key].append(row)
    for (scope, subject), rows in sorted(members.items()):
        part = Heard(heard.features[rows], heard.posteriors[rows])
        yield _Group(scope, subject, part, [cells[row] for row in rows])


class _Listener:
    """Reads masters one by one; a damaged one is named in the log and left out, the rest is still scored."""

    def __init__(self, library: Library, samples: Sequence[SampleRecord]) -> None:
        self.readable: list[SampleRecord] = []
        self._library = library
        self._samples = samples

    def clips(self) -> Iterator[Clip]:
        """Yield the clips of the sounds that end up in `readable`, in that order."""
        for sample in self._samples:
            try:
                clip = read_clip(self._library.path / str(sample.file))
            except AudioError as error:
                logger.warning("not scored: %s; `nightcrate verify` lists what is damaged", error)
                continue
            self.readable.append(sample)
            yield clip

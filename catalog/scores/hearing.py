"""Hearing a library for its league: only new sounds, from their masters or by the vectors that are kept already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from catalog.errors import ScoreError
from catalog.records import SampleFilter, SampleRecord
from catalog.scores.extractors import Extractor, Heard, hear
from catalog.scores.frechet import Gaussian, gaussian
from catalog.scores.kl import label_matched_kls
from catalog.scores.outliers import sample_fads
from catalog.scores.reference import Cell, Reference
from catalog.scores.tally import Tally, identity, tally_path
from generation.audio import AudioError, Clip, read_clip

if TYPE_CHECKING:
    from catalog.library import Library

logger = logging.getLogger(__name__)

HEAR_AT_ONCE = 256
"""Sounds whose features are held at a time; what was heard is kept after each such step."""

Listen = Callable[[Sequence[SampleRecord]], tuple[list[SampleRecord], Heard]]
"""Sounds -> those that could be heard, and what was heard in them."""


def sounds_by_model(library: Library) -> dict[str, list[SampleRecord]]:
    """The accepted sounds with a file of each model, by id."""
    models: dict[str, list[SampleRecord]] = {}
    for sample in library.samples(SampleFilter()):
        if sample.file is not None:
            models.setdefault(sample.model, []).append(sample)
    return models


def models_with_sounds(library: Library) -> list[str]:
    """Every model that has made a sound here, also those of which none is accepted, by name."""
    known = sorted({model.name for model in library.models().values()})
    return [name for name in known if library.count(SampleFilter(models=(name,), statuses=()))]


def bring_up_to_date(
    library: Library, model: str, samples: Sequence[SampleRecord], listen: Listen, distances: Distances
) -> Tally:
    """Bring the tally of a model up to date: forget what is gone, hear what is new.

    Raises ScoreError when a sound gives another number of rows than a real note: distances of unequal rows do not
    compare.
    """
    reference = distances.reference
    path = tally_path(library.path, model, reference)
    tally = Tally.load(path)
    placed = [sample for sample in samples if reference.cells(sample.source, sample.family)]
    forgotten = tally.forget({identity(sample) for sample in placed})
    known = tally.heard
    new = [sample for sample in placed if identity(sample) not in known]
    for start in range(0, len(new), HEAR_AT_ONCE):
        readable, heard = listen(new[start : start + HEAR_AT_ONCE])
        if not readable:
            continue
        if (heard.counts != reference.rows_a_note).any():
            raise ScoreError(
                f"{reference.judge} gave {sorted(set(heard.counts.tolist()))} rows a sound, {reference.rows_a_note} "
                "are needed, as of real notes; make the reference with a length that all are cut to"
            )
        cells = [reference.cells(sample.source, sample.family) for sample in readable]
        rows = heard.features.reshape(len(readable), reference.rows_a_note, -1)
        fads = np.array([distances.of(x, one) for x, one in zip(rows, cells, strict=True)])
        tally.add(readable, rows, _kl(heard, cells, reference), fads, heard.families)
        if not library.read_only:
            tally.save(path, model)
    if forgotten and not new and not library.read_only:
        tally.save(path, model)
    return tally


def _kl(heard: Heard, cells: Sequence[tuple[Cell, ...]], reference: Reference) -> np.ndarray | None:
    """Of each sound its label-matched KL and that of the real notes of its cells [n, 2]; None without posteriors."""
    if heard.posteriors is None:
        return None
    kl = label_matched_kls(np.stack([reference.mean_posterior(one) for one in cells]), heard.posteriors)
    return np.column_stack([kl, [float(np.mean([reference.own_kl[cell] for cell in one])) for one in cells]])


def masters(library: Library, extractor: Extractor, length_s: float | None) -> Listen:
    """Hear sounds anew, each from its master."""

    def listen(samples: Sequence[SampleRecord]) -> tuple[list[SampleRecord], Heard]:
        readable: list[SampleRecord] = []
        heard = hear(extractor, _clips(library, samples, readable), length_s)
        return readable, heard

    return listen


def vectors(library: Library, embedder_id: str) -> Listen:
    """Take the vectors of sounds that the library has."""
    ids, kept = library.embeddings(embedder_id)
    row_of = {int(id): row for row, id in enumerate(ids)}

    def listen(samples: Sequence[SampleRecord]) -> tuple[list[SampleRecord], Heard]:
        there = [sample for sample in samples if sample.id in row_of]
        if len(there) < len(samples):
            logger.warning("not scored: %d sounds without a vector of %s", len(samples) - len(there), embedder_id)
        return there, Heard(kept[[row_of[sample.id] for sample in there]], np.ones(len(there), np.int64))

    return listen


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


class Distances:
    """Distances of single sounds from the real notes of their cells; each cell's Gaussian is fitted once."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._fitted: dict[tuple[Cell, ...], tuple[Gaussian, float]] = {}

    def of(self, rows: np.ndarray, cells: tuple[Cell, ...]) -> float:
        """FAD of one sound alone, of its rows [f, d]."""
        return float(sample_fads(rows[None], self._fit(cells)[0])[0])

    def of_real_notes(self, cells: tuple[Cell, ...]) -> float:
        """Mean FAD alone of the real notes of these cells."""
        return self._fit(cells)[1]

    def _fit(self, cells: tuple[Cell, ...]) -> tuple[Gaussian, float]:
        if cells not in self._fitted:
            notes = self.reference.pooled_features(cells)
            real = gaussian(notes, self.reference.name)
            each = notes.reshape(-1, self.reference.rows_a_note, notes.shape[1])
            self._fitted[cells] = real, float(sample_fads(each, real).mean())
        return self._fitted[cells]

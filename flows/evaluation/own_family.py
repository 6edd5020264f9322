"""FAD family by family: how far sounds lie from real notes of the very families that were asked for."""

from __future__ import annotations

from collections import defaultdict

from catalog.errors import ScoreError
from catalog.library import Library
from catalog.records import ScoreRecord
from catalog.scores.frechet import gaussian, gaussian_distance
from catalog.scores.hearing import sounds_by_model
from catalog.scores.moments import Moments
from catalog.scores.reference import Cell, Reference
from catalog.scores.tally import Tally, identity, tally_path

OWN_FAMILY = "FAD, own family [starter]"


def own_family_fad(library: Library, model: str, reference: Reference) -> ScoreRecord:
    """The mean over a model's sounds of the FAD of their family, against real notes of the same cells.

    FAD of all sounds together knows no labels; this one grows when a family's sounds are another family's. With as few
    sounds a family as an evaluation has, most of it is missing variance, so it compares only between rows of equally
    many sounds a family, and it has no interval. Only sounds count that a league has heard (scores/tally.py).

    Returns:
        a record without a value, with the reason, where a family has a single sound or none was heard.
    """
    tally = Tally.load(tally_path(library.path, model, reference))
    heard = tally.heard
    cells: dict[str, list[tuple[Cell, ...]]] = defaultdict(list)
    for sample in sounds_by_model(library).get(model, []):
        if identity(sample) in heard:
            cells[f"family/{sample.family}"].append(reference.cells(sample.source, sample.family))
    n = sum(map(len, cells.values()))
    value, reason = None, None if n else "the league did not hear it"
    try:
        if n:
            value = sum(len(of) * _distance(tally, family, of, reference) for family, of in cells.items()) / n
    except ScoreError as cause:
        reason = str(cause)
    about = {"families": len(cells), "length_s": reference.length_s, "reference_id": reference.fingerprint}
    return ScoreRecord("model", model, OWN_FAMILY, value, reason, reference.judge, reference.name, n, about)


def _distance(tally: Tally, family: str, cells: list[tuple[Cell, ...]], reference: Reference) -> float:
    sounds = Moments.merge(tally.blocks("features", [family]))
    if sounds.n < 2:
        raise ScoreError(f"a single sound of {family.partition('/')[2]}, at least 2 are needed")
    real = reference.pooled_features(tuple(sorted({cell for each in cells for cell in each})))
    return gaussian_distance(sounds.gaussian(), gaussian(real, reference.name))

"""Which figures of models are ranked apart: never those that their numbers of sounds alone may have moved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from catalog.library import Library
from catalog.records import ScoreRecord
from catalog.scores.comparing import held_by_n, score_ranks
from catalog.scores.extractors import Heard
from catalog.scores.league import league
from catalog.scores.reference import Reference
from flows.league_table import league_rows
from generation.audio import Clip
from tests.catalog.toy_library import make, toy_job

DIM = 128
SOUNDS = {"few": 50, "many": 400, "worse": 400}


class Ear:
    """Has 128 dimensions and hears nothing: the vectors of its sounds are in the library."""

    name, id, distance, protocol = "ear", "ear@1", "FD", "vectors"

    def embed(self, clips: Sequence[Clip]) -> Heard:
        raise AssertionError("nothing is to be heard")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds of the reference's own distribution, few and many, and as many of another one."""
    path = tmp_path_factory.mktemp("numbers") / "library"
    rng = np.random.default_rng(0)
    with Library.open(path, create=True) as opened:
        for model, count in SOUNDS.items():
            make(opened, [toy_job(seed, model=model) for seed in range(count)])
        samples = opened.samples()
        moved = np.array([[2.0 if sample.model == "worse" else 0.0] for sample in samples])
        vectors = (rng.standard_normal((len(samples), DIM)) + moved).astype(np.float32)
        opened.add_embeddings(Ear.id, [sample.id for sample in samples], vectors)
    return path


def test_few_sounds_of_one_distribution_share_the_rank_of_many(library: Path) -> None:
    notes = np.random.default_rng(1).standard_normal((1500, DIM)).astype(np.float32)
    reference = Reference("notes", Ear.id, None, {("acoustic", "bass"): notes}, {}, {})
    with Library.open(library, read_only=True) as opened:
        records = league(opened, Ear(), reference, from_vectors=True)  # type: ignore[arg-type]
    rows = {row.model: row for row in league_rows(records) if row.kind == "all"}
    few, many, worse = (rows[model] for model in SOUNDS)
    assert few.settings["dimensions"] == DIM
    assert few.low > many.high  # type: ignore[operator]  # what n alone has made
    assert few.rank == many.rank
    # Both have more sounds than dimensions.
    assert many.high < worse.low  # type: ignore[operator]
    assert {few.rank, worse.rank} == {1}, "the few may be as good as either, and ranks are handed on"
    assert few.held_by_n and many.held_by_n and worse.held_by_n
    without = {row.model: row for row in league_rows(one for one in records if one.subject in ("many", "worse"))}
    assert (without["many"].rank, without["worse"].rank) == (1, 2)
    assert not without["many"].held_by_n


def record(
    name: str, low: float, n: int, dimensions: int | None = DIM, notes: int | None = 300, figure: str = "FAD [ear]"
) -> ScoreRecord:
    about = {"low": low, "high": low + 1, "dimensions": dimensions, "reference_n": notes}
    return ScoreRecord("model", name, figure, low + 0.5, None, "ear@1", "notes", n, about)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ((50, DIM), (3000, DIM), False),
        ((127, DIM), (3000, DIM), False),
        ((128, DIM), (3000, DIM), True),
        ((50, DIM), (62, DIM), True),
        ((50, DIM), (63, DIM), False),
        ((256, 2048), (2400, 2048), False),
        ((2048, 2048), (4096, 2048), True),
        # Figures of an older version do not say their dimensions.
        ((1000, None), (3000, None), False),
        ((1000, None), (3000, DIM), False),
        ((1000, None), (1100, None), True),
    ],
)
def test_distances_are_told_apart_at_nearly_equal_n_or_with_as_many_sounds_as_dimensions(
    one: tuple[int, int | None], other: tuple[int, int | None], apart: bool
) -> None:
    scores = {"a": record("a", 0.0, *one), "b": record("b", 5.0, *other)}
    assert (score_ranks(scores) == {"a": 1, "b": 2}) is apart
    assert held_by_n(scores) == (set() if apart else {"a", "b"})


def test_the_number_of_real_notes_counts_as_well() -> None:
    def ranked(notes: int | None, others: int | None) -> dict[str, int]:
        return score_ranks({"a": record("a", 0.0, 300, notes=notes), "b": record("b", 5.0, 300, notes=others)})

    assert ranked(60, 2000) == {"a": 1, "b": 1} == ranked(None, 60)
    assert ranked(60, 60) == {"a": 1, "b": 2} == ranked(200, 2000)


def test_a_mean_has_no_such_bias() -> None:
    scores = {n: record(n, low, count, None, None, "KL [ear]") for n, low, count in (("a", 0.0, 5), ("b", 5.0, 3000))}
    assert score_ranks(scores) == {"a": 1, "b": 2} and held_by_n(scores) == set()


def test_a_group_has_no_other_model_between_its_members() -> None:
    """a and c are of numbers that do not compare, b compares with both and lies between."""
    scores = {"a": record("a", 0.0, 120), "b": record("b", 5.0, 140), "c": record("c", 10.0, 3000)}
    assert set(score_ranks(scores).values()) == {1}
    assert held_by_n(scores) == {"a", "c"}
    assert score_ranks({name: scores[name] for name in "ab"}) == {"a": 1, "b": 2}


def test_what_has_no_value_or_no_interval_has_no_rank() -> None:
    bare = ScoreRecord("model", "bare", "FAD [ear]", 1.0, None, "ear@1", "notes", 60, {"dimensions": DIM})
    none = ScoreRecord("model", "none", "FAD [ear]", None, "few", "ear@1", "notes", 3, {})
    assert score_ranks({"a": record("a", 0.0, 60), "bare": bare, "none": none}) == {"a": 1}

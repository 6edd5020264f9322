"""Which figures of models are ranked apart: never those that their numbers of sounds alone may have moved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.library import Library
from catalog.records import ScoreRecord
from catalog.scores.comparing import comparable, rank_scores
from catalog.scores.extractors import Heard
from catalog.scores.league import league
from catalog.scores.reference import Reference
from flows.league_table import league_rows
from generation.audio import Clip
from tests.catalog.toy_library import make, toy_job

DIM = 128
SOUNDS = {"few": 50, "many": 400, "worse": 400}
NOTES = {"few": 60, "many": 2000, "same": 2000}


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


def test_few_sounds_of_one_distribution_are_not_ranked_beside_many(library: Path) -> None:
    notes = np.random.default_rng(1).standard_normal((1500, DIM)).astype(np.float32)
    reference = Reference("notes", Ear.id, None, {("acoustic", "bass"): notes}, {}, {})
    with Library.open(library, read_only=True) as opened:
        records = league(opened, Ear(), reference, from_vectors=True)  # type: ignore[arg-type]
    rows = {row.model: row for row in league_rows(records) if row.kind == "all"}
    few, many, worse = (rows[model] for model in SOUNDS)
    assert few.settings["dimensions"] == DIM
    assert few.low > many.high  # type: ignore[operator]  # what n alone has made
    # Both have more sounds than dimensions.
    assert many.high < worse.low  # type: ignore[operator]
    assert (few.rank, many.rank, worse.rank) == (None, 1, 2)
    assert few.held_by_n == "n 50 beside 400: FD of so few sounds compares only at nearly equal n"
    assert many.held_by_n is None and worse.held_by_n is None
    two = {row.model: row for row in league_rows(one for one in records if one.subject in ("few", "many"))}
    assert (two["few"].rank, two["many"].rank) == (1, 1) and two["many"].held_by_n is not None


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
    found = rank_scores({"a": record("a", 0.0, *one), "b": record("b", 5.0, *other)})
    assert found.ranks == {"a": 1, "b": 2 if apart else 1}
    assert set(found.held_by_n) == (set() if apart else {"a", "b"})


def test_the_number_of_real_notes_counts_as_well() -> None:
    def ranked(notes: int | None, others: int | None) -> dict[str, int]:
        both = {"a": record("a", 0.0, 300, notes=notes), "b": record("b", 5.0, 300, notes=others)}
        return rank_scores(both).ranks

    assert ranked(60, 2000) == {"a": 1, "b": 1} == ranked(None, 60)
    assert ranked(60, 60) == {"a": 1, "b": 2} == ranked(200, 2000)
    three = {name: record(name, 5.0 * low, 300, notes=notes) for low, (name, notes) in enumerate(NOTES.items())}
    assert rank_scores(three).held_by_n == {
        "few": "reference n 60 beside 2000: FAD of so few sounds compares only at nearly equal n"
    }
    three["none"] = record("none", 9.0, 300, notes=None)
    three["more"] = record("more", 12.0, 290, notes=1900)
    assert "reference n unknown beside 1900 to 2000: " in rank_scores(three).held_by_n["none"]


def test_a_mean_has_no_such_bias() -> None:
    scores = {n: record(n, low, count, None, None, "KL [ear]") for n, low, count in (("a", 0.0, 5), ("b", 5.0, 3000))}
    found = rank_scores(scores)
    assert found.ranks == {"a": 1, "b": 2} and not found.held_by_n


@pytest.mark.parametrize("low", [5.2, 20.3, 500.0], ids=["best", "overlapping", "worst"])
@pytest.mark.parametrize("n", [60, 5000])
def test_one_model_of_another_number_takes_no_rank_from_the_others(low: float, n: int) -> None:
    six = {f"m{i}": record(f"m{i}", 10.0 * i, 100 + i) for i in range(6)}
    ranked = {name: place for place, name in enumerate(six, 1)}
    assert rank_scores(six).ranks == ranked
    found = rank_scores({"new": record("new", low, n), **six})
    assert found.ranks == ranked
    told = f"n {n} beside 100 to 105: FAD of so few sounds compares only at nearly equal n"
    assert found.held_by_n == {"new": told}


def test_the_largest_set_that_compares_is_ranked_and_of_two_that_of_more_sounds() -> None:
    """a and c are of numbers that do not compare, b compares with both and lies between."""
    scores = {"a": record("a", 0.0, 120), "b": record("b", 5.0, 140), "c": record("c", 10.0, 3000)}
    found = rank_scores(scores)
    assert found.ranks == {"b": 1, "c": 2}
    assert found.held_by_n == {"a": "n 120 beside 3000: FAD of so few sounds compares only at nearly equal n"}
    scores["d"] = record("d", 20.0, 115)
    assert rank_scores(scores).ranks == {"a": 1, "b": 2, "d": 3}


def test_without_a_set_of_more_than_half_nobody_is_told_apart() -> None:
    scores = {f"m{i}": record(f"m{i}", 5.0 * i, n) for i, n in enumerate((60, 60, 400, 400))}
    found = rank_scores(scores)
    assert set(found.ranks.values()) == {1} and set(found.held_by_n) == set(scores)
    # What overlaps shares its rank whatever the numbers: nothing has to be said.
    near = {f"m{i}": record(f"m{i}", 0.1 * i, n) for i, n in enumerate((60, 400))}
    assert rank_scores(near).ranks == {"m0": 1, "m1": 1} and not rank_scores(near).held_by_n


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 400), st.sampled_from([40, 60, 2000])), max_size=7))
def test_those_ranked_are_a_largest_set_that_compares(numbers: list[tuple[int, int]]) -> None:
    scores = {f"m{i}": record(f"m{i}", 5.0 * i, n, notes=notes) for i, (n, notes) in enumerate(numbers)}
    sizes = [
        size
        for size in range(len(scores) + 1)
        for some in combinations(scores.values(), size)
        if all(comparable(*pair) for pair in combinations(some, 2))
    ]
    found = rank_scores(scores)
    if 2 * max(sizes) > len(scores):
        ranked = [scores[name] for name in found.ranks]
        assert len(ranked) == max(sizes) and all(comparable(*pair) for pair in combinations(ranked, 2))
        assert {*found.ranks, *found.held_by_n} == set(scores) and not {*found.ranks} & {*found.held_by_n}
    else:
        assert found.ranks == dict.fromkeys(scores, 1)


def test_what_has_no_value_or_no_interval_has_no_rank() -> None:
    bare = ScoreRecord("model", "bare", "FAD [ear]", 1.0, None, "ear@1", "notes", 60, {"dimensions": DIM})
    none = ScoreRecord("model", "none", "FAD [ear]", None, "few", "ear@1", "notes", 3, {})
    assert rank_scores({"a": record("a", 0.0, 60), "bare": bare, "none": none}).ranks == {"a": 1}

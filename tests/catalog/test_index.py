"""The vector index: exact answers, a file that is checked, and a rebuild for everything that is not right."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import VectorIndexError
from catalog.index import VectorIndex, index_path
from catalog.library import Library
from tests.catalog.toy_library import make, toy_job

EMBEDDER = "toy/clap@1"


def unit(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def filled(library: Library, n: int = 6) -> np.ndarray:
    """Put n sounds with vectors into a library; the vectors."""
    make(library, [toy_job(seed) for seed in range(n)])
    ids = library.sample_ids()
    vectors = unit(len(ids))
    library.add_embeddings(EMBEDDER, ids, vectors)
    return vectors


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), k=st.integers(1, 50), seed=st.integers(0, 1000))
def test_answers_are_those_of_a_matrix_product(n: int, k: int, seed: int) -> None:
    vectors, ids = unit(n, seed=seed), np.arange(n) * 3 + 7
    query = unit(1, seed=seed + 1)[0]
    found, cosines = VectorIndex(EMBEDDER, ids, vectors).search(query, k)
    order = np.argsort(-(vectors @ query), kind="stable")[:k]
    assert np.allclose(cosines, (vectors @ query)[order], atol=1e-6)
    assert len(found) == min(n, k)
    assert np.allclose(vectors[(found - 7) // 3] @ query, cosines, atol=1e-6)


def test_only_the_asked_ids_take_part() -> None:
    index = VectorIndex(EMBEDDER, np.arange(20), unit(20))
    query = unit(1, seed=5)[0]
    ids, _ = index.search(query, among=[3, 11, 999])
    assert sorted(ids.tolist()) == [3, 11]
    assert len(index.search(query, among=[])[0]) == 0
    assert len(index.search(query, among=[999])[0]) == 0
    assert len(index.search(query)[0]) == len(index) == 20


@pytest.mark.parametrize(
    ("ids", "vectors", "words"),
    [
        ([1, 2, 1], unit(3), "twice"),
        ([1, 2], unit(3), "needed"),
        ([1], 2 * unit(1), "length 1"),
        ([1], np.full((1, 4), np.nan, np.float32), "length 1"),
    ],
)
def test_refuses_vectors_that_would_give_wrong_answers(ids: list[int], vectors: np.ndarray, words: str) -> None:
    with pytest.raises(VectorIndexError, match=words):
        VectorIndex(EMBEDDER, np.array(ids), vectors)


def test_says_which_dimension_is_needed() -> None:
    index = VectorIndex(EMBEDDER, np.arange(3), unit(3))
    with pytest.raises(VectorIndexError, match="5 dimensions came, toy/clap@1 has 8"):
        index.search(unit(1, d=5)[0])


def test_the_file_is_read_again_and_answers_the_same(library: Library) -> None:
    vectors = filled(library)
    first = VectorIndex.open(library, EMBEDDER)
    second = VectorIndex.open(library, EMBEDDER)
    assert first.rebuilt == "there was none"
    assert second.rebuilt is None
    assert len(second) == 6
    for ours, theirs in zip(first.search(vectors[2]), second.search(vectors[2]), strict=True):
        assert np.array_equal(ours, theirs)
    assert second.search(vectors[2], 1)[0].tolist() == [library.sample_ids()[2]]


def test_embedders_do_not_share_a_file(library: Library) -> None:
    vectors = filled(library)
    library.add_embeddings("toy clap@1", library.sample_ids(), vectors)
    VectorIndex.open(library, EMBEDDER)
    VectorIndex.open(library, "toy clap@1")
    assert VectorIndex.open(library, EMBEDDER).rebuilt is None
    assert len(list((library.path / "index").glob("*.faiss"))) == 2


def test_new_and_replaced_vectors_make_it_stale(library: Library) -> None:
    filled(library)
    VectorIndex.open(library, EMBEDDER)
    make(library, [toy_job(99)])
    newest = library.sample_ids()[-1]
    library.add_embeddings(EMBEDDER, [newest], unit(1, seed=9))
    grown = VectorIndex.open(library, EMBEDDER)
    assert (grown.rebuilt, len(grown)) == ("the sounds have changed since", 7)
    library.add_embeddings(EMBEDDER, [newest], unit(1, seed=10))
    replaced = VectorIndex.open(library, EMBEDDER)
    assert replaced.rebuilt == "the sounds have changed since"
    assert replaced.search(unit(1, seed=10)[0], 1)[0].tolist() == [newest]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _unknown_format(path: Path) -> None:
    about = path.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"format": 99}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": _truncate,
    "one bit": _flip,
    "garbage": lambda path: path.write_bytes(b"garbage"),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "no description": lambda path: path.with_suffix(".json").unlink(),
    "description of garbage": lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe{"),
    "description of another kind": lambda path: path.with_suffix(".json").write_text("[1, 2]"),
    "description of another format": _unknown_format,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_wrong_is_rebuilt_and_said(damage: str, library: Library, caplog: pytest.LogCaptureFixture) -> None:
    vectors = filled(library)
    before = VectorIndex.open(library, EMBEDDER).search(vectors[1])
    DAMAGES[damage](index_path(library.path, EMBEDDER))
    with caplog.at_level(logging.INFO, "catalog.index"):
        index = VectorIndex.open(library, EMBEDDER)
    assert index.rebuilt
    assert index.rebuilt in caplog.text
    for ours, theirs in zip(index.search(vectors[1]), before, strict=True):
        assert np.array_equal(ours, theirs)
    assert VectorIndex.open(library, EMBEDDER).rebuilt is None


def test_a_matching_checksum_of_garbage_is_rebuilt(library: Library) -> None:
    """Also what FAISS itself cannot read."""
    import hashlib

    filled(library)
    VectorIndex.open(library, EMBEDDER)
    path = index_path(library.path, EMBEDDER)
    about = json.loads(path.with_suffix(".json").read_text())
    path.write_bytes(b"garbage")
    about["sha256"] = hashlib.sha256(b"garbage").hexdigest()
    path.with_suffix(".json").write_text(json.dumps(about))
    index = VectorIndex.open(library, EMBEDDER)
    assert "FAISS" in str(index.rebuilt)
    assert len(index) == 6


def test_a_read_only_library_is_searched_from_memory(library: Library) -> None:
    vectors = filled(library)
    with Library.open(library.path, read_only=True) as reading:
        index = VectorIndex.open(reading, EMBEDDER)
    assert len(index.search(vectors[0])[0]) == 6
    assert not index_path(library.path, EMBEDDER).exists()


def test_an_index_that_cannot_be_kept_is_used_from_memory(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    vectors = filled(library)
    (library.path / "index").write_text("a file where the folder should be")
    index = VectorIndex.open(library, EMBEDDER)
    assert len(index.search(vectors[0])[0]) == 6
    assert "stays in memory" in caplog.text


def test_no_vectors_no_index(library: Library) -> None:
    with pytest.raises(VectorIndexError, match="no sound has a vector"):
        VectorIndex.open(library, EMBEDDER)


def test_nothing_half_written_stays(library: Library) -> None:
    filled(library)
    VectorIndex.open(library, EMBEDDER)
    names = sorted(os.listdir(library.path / "index"))
    path = index_path(library.path, EMBEDDER)
    assert names == sorted([path.name, path.with_suffix(".json").name])

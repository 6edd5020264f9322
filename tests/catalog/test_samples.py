"""Finding sounds: by facts, by id, by words; and what is said about them: vectors, scores, reviews."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import EmbeddingState, SampleFilter, ScoreRecord
from tests.catalog.toy_library import accepted, failed, make, rejected, toy_job, toy_model

JOBS = [
    toy_job(1, "bass", qualities=("dark", "fast_decay")),
    toy_job(2, "bass", qualities=("dark",), source="synthetic"),
    toy_job(3, "keyboard", qualities=("bright",), prompt="a shiny harpsichord, plucked"),
    toy_job(4, "reed", qualities=(), source=None, prompt="canción de oboe"),
    toy_job(5, "reed"),
    toy_job(6, "reed"),
]
FACTS = [
    {"midi_note": 33, "duration_s": 1.0},
    {"midi_note": 34, "duration_s": 2.0},
    {"midi_note": None, "cents": None, "duration_s": 0.5},
    {"midi_note": 60, "duration_s": 3.0},
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Four accepted sounds (1 to 4), a rejected one (5), and a job that failed."""
    with Library.open(tmp_path_factory.mktemp("s") / "library", create=True) as library:
        library.add_models([toy_model("other", commercial="no")])
        by_key = {job.key: accepted(job.key, **facts) for job, facts in zip(JOBS, FACTS, strict=False)}
        by_key |= {JOBS[4].key: rejected(JOBS[4].key), JOBS[5].key: failed(JOBS[5].key)}
        make(library, JOBS, by_key.__getitem__)
        library.set_sample_scores({1: 90.0, 2: 10.0})
        library.review(1, "keep", None, "ana")
        library.review(2, "drop", None, "ana")
        yield library


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (SampleFilter(), [1, 2, 3, 4]),
        (SampleFilter(statuses=("rejected",)), [5]),
        (SampleFilter(statuses=()), [1, 2, 3, 4, 5]),
        (SampleFilter(families=("bass", "reed")), [1, 2, 4]),
        (SampleFilter(sources=("synthetic",)), [2]),
        (SampleFilter(qualities=("dark",)), [1, 2]),
        (SampleFilter(qualities=("fast_decay", "dark")), [1]),
        (SampleFilter(qualities=("fast-decay",)), []),
        (SampleFilter(qualities=("fast", "decay")), []),
        (SampleFilter(qualities=("%",)), []),
        (SampleFilter(models=("other",)), []),
        (SampleFilter(commercial=("yes",)), [1, 2, 3, 4]),
        (SampleFilter(commercial=("no", "undeclared")), []),
        (SampleFilter(midi_notes=(33, 60)), [1, 4]),
        (SampleFilter(min_score=10.0), [1, 2]),
        (SampleFilter(min_score=10.1), [1]),
        (SampleFilter(max_duration_s=1.0), [1, 3]),
        (SampleFilter(reviews=("keep",)), [1]),
        (SampleFilter(reviews=("drop", None)), [2, 3, 4]),
        (SampleFilter(reviews=(None,)), [3, 4]),
        (SampleFilter(ids=(4, 1, 99, 1)), [1, 4]),
        (SampleFilter(ids=()), []),
        (SampleFilter(ids=tuple(range(40_000))), [1, 2, 3, 4]),
        (SampleFilter(night_id=1), [1, 2, 3, 4]),
        (SampleFilter(night_id=2), []),
        (SampleFilter(families=("bass",), min_score=50.0, reviews=("keep",)), [1]),
    ],
)
def test_filters(filled, where, ids):
    assert [sound.id for sound in filled.samples(where)] == ids
    assert filled.sample_ids(where) == ids and filled.count(where) == len(ids)


def test_a_record_tells_what_was_asked_and_measured(filled):
    sound = filled.sample(2)
    assert (sound.source, sound.family, sound.qualities) == ("synthetic", "bass", ("dark",))
    assert (sound.seed, sound.model, sound.commercial, sound.score, sound.review) == (
        2,
        "toy",
        "yes",
        10.0,
        "drop",
    )
    assert sound.created_at.tzinfo is not None
    assert filled.sample(4).source is None


def test_one_sound_by_id_or_by_the_beginning_of_its_key(filled):
    for sound in filled.samples():
        assert filled.sample(sound.id) == filled.sample(str(sound.id)) == filled.sample(sound.job_key[:8].upper())
    for unknown in ("99", 99, "zzzz", JOBS[0].key[:3], "%%%%", "", JOBS[5].key):
        with pytest.raises(LibraryError, match="there is no sound"):
            filled.sample(unknown)


def test_a_beginning_that_two_keys_share_is_refused(library):
    twins = [toy_job(seed) for seed in (1, 2)]
    twins = [type(job)(**{**vars(job), "key": f"abcd{number}" + job.key[5:]}) for number, job in enumerate(twins)]
    make(library, twins)
    with pytest.raises(LibraryError, match="more than one sound has a key that begins with abcd"):
        library.sample("abcd")
    assert library.sample("abcd1").seed == 2


# -------------------- full text


def found(library, *terms, limit=None):
    return [id for id, _ in library.fulltext(terms, limit)]


@pytest.mark.parametrize(
    ("terms", "ids"),
    [
        (["harpsichord"], {3}),
        (["HARPSICHORDS"], {3}),
        (["cancion"], {4}),
        (["synthetic"], {2}),
        (["fast_decay"], {1}),
        (["fast decay"], {1}),
        (["short plucked"], set()),
        (["teclado"], {3}),
        (["bajo"], {1, 2}),
        (["clavecín"], {3}),
        (["toy"], {1, 2, 3, 4}),
        (["oboe", "harpsichord"], {3, 4}),
        (["bass", "nonsense"], {1, 2}),
        ([], set()),
        (["", "  ", "-", "***"], set()),
    ],
)
def test_words_find_prompts_tags_and_synonyms(filled, terms, ids):
    assert set(found(filled, *terms)) == ids


def test_the_best_comes_first_and_the_limit_holds(filled):
    ranked = filled.fulltext(["dark", "fast_decay"])
    assert ranked[0][0] == 1 and ranked == sorted(ranked, key=lambda hit: -hit[1])
    assert all(rank > 0 or math.isclose(rank, 0, abs_tol=1e-3) for _, rank in ranked)
    assert filled.fulltext(["dark", "fast_decay"], 1) == ranked[:1]


def test_a_rejected_sound_is_not_found(filled):
    assert 5 not in found(filled, "reed") and 4 in found(filled, "reed")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4))
def test_no_text_is_an_operator_or_an_error(filled, terms):
    assert set(found(filled, *terms)) <= {1, 2, 3, 4}


@pytest.mark.parametrize("term", ['it"s C#', "NOT bass", "bass OR", "prompt:bass", "NEAR(a b)", "\0"])
def test_operators_are_words(filled, term):
    assert found(filled, term) == [], "as a phrase, none of these stands in a prompt"
    assert found(filled, "^bass*") == found(filled, "bass") != []


def test_a_rebuilt_full_text_finds_the_same(library):
    make(library, JOBS[:3])
    wanted = [found(library, word) for word in ("bajo", "harpsichord", "toy")]
    with sqlite3.connect(library.path / "catalog.sqlite") as other:
        other.execute("DELETE FROM sample_text WHERE sample_id = 1")
        other.execute("UPDATE sample_text SET synonyms = '', tags = ''")
    other.close()
    assert found(library, "bajo") == []
    assert library.rebuild_index() == 3
    assert [found(library, word) for word in ("bajo", "harpsichord", "toy")] == wanted
    assert library.verify() == []


# -------------------- embeddings


def unit(count, dim=4, seed=0):
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_vectors_come_back_bit_for_bit_in_the_order_asked_for(library):
    make(library, JOBS[:3])
    values = unit(3)
    library.add_embeddings("toy@1", [3, 1, 2], values)
    ids, kept = library.embeddings("toy@1")
    assert ids.dtype == np.int64 and kept.dtype == np.float32 and ids.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(kept, values[[1, 2, 0]])
    ids, kept = library.embeddings("toy@1", [2, 3])
    assert ids.tolist() == [2, 3]
    np.testing.assert_array_equal(kept, values[[2, 0]])
    ids, kept = library.embeddings("unknown@1")
    assert ids.shape == (0,) and kept.shape == (0, 0)
    with pytest.raises(LibraryError, match="sound 99 has no vector of toy@1"):
        library.embeddings("toy@1", [1, 99])


def test_missing_embeddings_are_those_of_accepted_sounds_without_one(filled):
    assert [sound.id for sound in filled.missing_embeddings("none@1")] == [1, 2, 3, 4]


def test_each_embedder_has_its_own_vectors(library):
    make(library, JOBS[:2])
    library.add_embeddings("a@1", [1], unit(1))
    library.add_embeddings("b@1", [1, 2], unit(2, dim=8))
    assert [sound.id for sound in library.missing_embeddings("a@1")] == [2]
    assert library.missing_embeddings("b@1") == []
    assert library.embeddings("a@1")[1].shape == (1, 4) and library.embeddings("b@1")[1].shape == (2, 8)


def test_a_replaced_vector_is_a_newer_state(library):
    make(library, JOBS[:2])
    assert library.embedding_state("toy@1") == EmbeddingState("toy@1", 0, 0, 0)
    library.add_embeddings("toy@1", [1, 2], unit(2))
    first = library.embedding_state("toy@1")
    assert (first.dim, first.count) == (4, 2)
    library.add_embeddings("toy@1", [2], unit(1, seed=9))
    second = library.embedding_state("toy@1")
    assert second.count == 2 and second.newest > first.newest
    np.testing.assert_array_equal(library.embeddings("toy@1", [2])[1], unit(1, seed=9))


@pytest.mark.parametrize(
    ("ids", "values", "sentence"),
    [
        ([1, 2], unit(2, dim=8), "vectors of 8 dimensions came, it had 4 before"),
        ([1], np.full((1, 4), np.nan, np.float32), "the vector of sound 1 holds NaN"),
        ([1, 2], np.array([[1, 0, 0, 0], [0, np.inf, 0, 0]], np.float32), "the vector of sound 2 holds NaN"),
        ([1, 2], unit(1), r"float32 vectors \[2, d\] are needed, got float32 \[1, 4\]"),
        ([1], unit(1).astype(np.float64), "float32 vectors .* got float64"),
        ([1], unit(1)[0], r"got float32 \[4\]"),
        ([1, 1], unit(2), "a sound came twice"),
        ([2, 99], unit(2), "sound 99 is not an accepted one"),
        ([3], unit(1), "sound 3 is not an accepted one"),
    ],
)
def test_vectors_that_cannot_be_right_are_refused(library, ids, values, sentence):
    make(library, JOBS[:2])
    make(library, JOBS[2:3], rejected)
    library.add_embeddings("toy@1", [1], unit(1))
    before = library.embedding_state("toy@1")
    with pytest.raises(LibraryError, match=sentence):
        library.add_embeddings("toy@1", ids, values)
    assert library.embedding_state("toy@1") == before


# -------------------- scores


def test_scores_are_kept_with_what_they_were_measured_against(library):
    fad = ScoreRecord("model", "toy", "FAD", 1.5, None, "judge@1", "held-out", 40, {"cut_s": 1.0})
    few = ScoreRecord("model_family", "toy/reed", "FAD", None, "2 sounds, 10 are needed", "judge@1", "held-out", 2)
    library.add_scores([fad, few])
    assert library.scores() == [fad, few]
    assert library.scores(scope="model_family") == [few]
    assert library.scores(subject="toy", name="FAD") == [fad] and library.scores(name="KL") == []
    better = ScoreRecord("model", "toy", "FAD", None, "the reference is gone", "judge@1", "held-out", 0)
    other = ScoreRecord("model", "toy", "FAD", 9.0, None, "judge@2", "held-out", 40)
    library.add_scores([better, other])
    assert library.scores() == [few, better, other]


@pytest.mark.parametrize(
    "score",
    [
        ScoreRecord("model", "toy", "FAD", None, None),
        ScoreRecord("model", "toy", "FAD", 1.0, "why"),
        ScoreRecord("model", "toy", "FAD", float("nan"), None),
        ScoreRecord("model", "toy", "FAD", float("inf"), None),
        ScoreRecord("galaxy", "toy", "FAD", 1.0, None),
    ],
)
def test_a_score_without_sense_is_refused(library, score):
    with pytest.raises(LibraryError):
        library.add_scores([ScoreRecord("model", "toy", "KL", 1.0, None), score])
    assert library.scores() == []


def test_a_sounds_score_is_a_percentile(library):
    make(library, JOBS[:2])
    library.set_sample_scores({1: 0.0, 2: 100.0})
    assert [sound.score for sound in library.samples()] == [0.0, 100.0]
    for wrong in ({1: 5.0, 2: 100.1}, {1: 5.0, 2: float("nan")}, {1: 5.0, 99: 1.0}):
        with pytest.raises(LibraryError):
            library.set_sample_scores(wrong)
    assert [sound.score for sound in library.samples()] == [0.0, 100.0]
    library.set_sample_scores({})


# -------------------- reviews


def test_undoing_a_verdict_restores_the_one_before_and_keeps_the_history(library):
    make(library, JOBS[:1])
    library.review(1, "keep", "warm", "ana")
    library.review(1, "drop", None, "ben")
    assert library.sample(1).review == "drop"
    assert library.undo_review(1) == "keep" == library.sample(1).review
    library.review(1, "drop", "dull", "ana")
    assert library.undo_review(1) == "keep"
    assert library.undo_review(1) is None is library.sample(1).review
    with pytest.raises(LibraryError, match="sound 1 has no verdict to undo"):
        library.undo_review(1)
    history = library.details(1).reviews
    assert [(one.verdict, one.why, one.who) for one in history] == [
        ("keep", "warm", "ana"),
        ("drop", None, "ben"),
        ("drop", "dull", "ana"),
    ]
    assert all(one.undone_at is not None and one.undone_at >= one.at for one in history)


@pytest.mark.parametrize(
    ("sample_id", "verdict", "who", "sentence"),
    [
        (1, "perhaps", "ana", "keep or drop, not 'perhaps'"),
        (1, "keep", " ", "needs the name"),
        (99, "keep", "ana", "there is no sound 99"),
    ],
)
def test_a_verdict_that_says_nothing_is_refused(library, sample_id, verdict, who, sentence):
    make(library, JOBS[:1])
    with pytest.raises(LibraryError, match=sentence):
        library.review(sample_id, verdict, None, who)
    assert library.details(1).reviews == ()

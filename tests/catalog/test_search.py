"""Search by words and by example, with an embedder whose cosines can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from catalog.errors import LibraryError, SearchError
from catalog.library import Library
from catalog.query import agreement, parse_query
from catalog.records import DROP, SampleFilter, SampleRecord
from catalog.scores.percentile import percentiles
from catalog.search import not_searchable, sample_scores, search, similar
from generation.audio import Clip
from tests.catalog.toy_embedder import sounding
from tests.catalog.toy_library import make, rejected, toy_job
from tests.catalog.toy_shelf import EMBEDDER, ids

# -------------------- words


def test_the_right_instrument_comes_before_the_one_that_sounds_like_it(stocked: Library, shelf: dict[str, int]) -> None:
    found = search(stocked, EMBEDDER, "dark bass", k=4)
    assert ids(found)[:2] == [shelf["dark bass"], shelf["dirty bass"]]
    assert {"family bass", "quality dark"} <= set(found[0].why)
    assert found[0].similarity == pytest.approx(1.0, abs=1e-3)
    assert found[0].percentile == 100.0


def test_without_full_text_the_ear_alone_ranks(stocked: Library, shelf: dict[str, int]) -> None:
    found = search(stocked, EMBEDDER, "dark bass", k=7, fulltext=False)
    similarities = [hit.similarity for hit in found]
    assert similarities == sorted(similarities, reverse=True)
    assert ids(found)[:2] == [shelf["dark bass"], shelf["bassy flute"]]
    assert found[1].similarity == pytest.approx(2 / np.sqrt(2 * 2.04), abs=1e-3)
    assert found[0].why == ("sounds nearer than 100 % of the library",)


def test_spanish_and_misspelt_words_mean_the_same(stocked: Library, shelf: dict[str, int]) -> None:
    for query in ("bajo oscuro", "drak bas"):
        best = search(stocked, EMBEDDER, query, k=1)[0]
        assert best.sample.id == shelf["dark bass"], query


def test_an_instrument_finds_the_sound_asked_for_as_it(stocked: Library, shelf: dict[str, int]) -> None:
    best = search(stocked, EMBEDDER, "harpsichord", k=1)[0]
    assert best.sample.id == shelf["harpsichord"]
    assert "asked for as harpsichord" in best.why


def test_a_word_that_no_thesaurus_knows_is_found_in_the_prompt(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(search(stocked, EMBEDDER, "zorbish", k=1)) == [shelf["harpsichord"]]


def test_the_measured_note_counts(stocked: Library, shelf: dict[str, int]) -> None:
    best = search(stocked, EMBEDDER, "bass A1", k=1)[0]
    assert best.sample.id == shelf["dark bass"]
    assert "measured note A1" in best.why
    assert ids(search(stocked, EMBEDDER, "bass A2", k=1)) == [shelf["bright bass"]]


def test_a_note_that_is_not_there_finds_the_nearest(stocked: Library, shelf: dict[str, int]) -> None:
    best = search(stocked, EMBEDDER, "bass D#2", k=1)[0]
    assert best.sample.id == shelf["dirty bass"]
    assert "measured note E2, 1 semitone from D#2" in best.why
    assert ids(search(stocked, EMBEDDER, "bass D2", k=1)) == [shelf["dirty bass"]]


def test_a_note_lifts_no_other_family_over_the_named_one(stocked: Library, shelf: dict[str, int]) -> None:
    basses = {shelf["dark bass"], shelf["bright bass"], shelf["dirty bass"]}
    # The only C4 is a flute's, which sounds more like a dark bass than the bright bass does.
    assert set(ids(search(stocked, EMBEDDER, "dark bass C4", k=3))) == basses
    assert ids(search(stocked, EMBEDDER, "dark C4", k=1)) == [shelf["bassy flute"]]
    flute = next(sample for sample in stocked.samples() if sample.id == shelf["bassy flute"])
    assert agreement(parse_query("bass C4"), flute) == (0, ())
    assert agreement(parse_query("C4"), flute) == (3, ("measured note C4",))


# -------------------- leanings


def test_words_that_settle_nothing_lean_somewhere(stocked: Library, shelf: dict[str, int]) -> None:
    best = search(stocked, EMBEDDER, "pad", k=1)[0]
    assert best.sample.id == shelf["organ"]
    assert best.why[0] == "pad leans to organ"
    for query in ("aggressive bass", "bajo agresivo", "rough bass"):
        assert ids(search(stocked, EMBEDDER, query, k=1)) == [shelf["dirty bass"]], query
    for query in ("clean dark bass", "bajo oscuro limpio"):
        found = search(stocked, EMBEDDER, query, k=3)
        assert found[0].sample.id == shelf["dark bass"], query
        assert any("leans away from distortion" in reason for reason in found[0].why)


def test_the_ear_hears_what_words_lean_to_beside_the_words(stocked: Library, shelf: dict[str, int]) -> None:
    for query, nearest in (("cold", "bright bass"), ("deep", "dark bass"), ("bajo frío", "bright bass")):
        assert ids(search(stocked, EMBEDDER, query, k=1, fulltext=False)) == [shelf[nearest]], query
    assert parse_query("aggressive synth").heard == ("aggressive synth", "distorted synth")
    assert parse_query("Sub-Bass pad").heard == ("Sub-Bass pad",)
    assert parse_query("dark bass").heard == parse_query("bajo oscuro").heard == ("dark bass",)


def test_an_aggressive_sound_is_not_a_dark_one(stocked: Library, shelf: dict[str, int]) -> None:
    for query in ("aggressive synth", "sintetizador agresivo", "aggressive bass", "angry bass", "bajo salvaje"):
        found = ids(search(stocked, EMBEDDER, query, k=10))
        assert found.index(shelf["bright bass"]) < found.index(shelf["dark bass"]), query
    assert agreement(parse_query("aggressive bass"), stocked.sample(shelf["dark bass"]))[0] == 3 - 0.75
    assert agreement(parse_query("aggressive dark bass"), stocked.sample(shelf["dark bass"]))[0] == 3 + 1


def test_a_leaning_gives_way_to_what_is_named(stocked: Library, shelf: dict[str, int]) -> None:
    sounds = {sample.id: sample for sample in stocked.samples()}
    dark, bright = sounds[shelf["dark bass"]], sounds[shelf["bright bass"]]
    assert agreement(parse_query("soft bass"), dark)[0] == 3 + 0.75
    assert agreement(parse_query("soft bass"), bright)[0] == 3 - 0.75
    assert agreement(parse_query("soft bright bass"), bright)[0] == 3 + 1
    assert agreement(parse_query("pad"), sounds[shelf["organ"]])[0] == 3 * 0.75


# -------------------- filters and percentiles


def test_filters_narrow_what_takes_part(stocked: Library, shelf: dict[str, int]) -> None:
    def found(**where: Any) -> set[int]:
        return set(ids(search(stocked, EMBEDDER, "dark", filters=SampleFilter(**where), k=10)))

    assert found(families=("flute",)) == {shelf["flute"], shelf["bassy flute"]}
    assert found(sources=("electronic",)) == {shelf["dirty bass"]}
    assert found(qualities=("distortion", "dark")) == {shelf["dirty bass"]}
    assert found(midi_notes=(33,)) == {shelf["dark bass"], shelf["organ"]}
    assert found(models=("other",)) == set()
    assert found(max_duration_s=0.01) == set()


def test_percentiles_are_over_the_whole_library(stocked: Library, shelf: dict[str, int]) -> None:
    everything = search(stocked, EMBEDDER, "dark bass", k=10)
    narrowed = search(stocked, EMBEDDER, "dark bass", filters=SampleFilter(families=("flute",)), k=10)
    by_id = {hit.sample.id: hit.percentile for hit in everything}
    assert all(hit.percentile == by_id[hit.sample.id] for hit in narrowed)
    assert max(by_id.values()) == 100.0
    # Three sounds have nothing of either word: they share the mean of the ranks 1 to 3.
    assert by_id[shelf["organ"]] == pytest.approx(100 * 2 / 7)


def test_percentiles_share_ranks_of_equal_values() -> None:
    assert percentiles(np.array([3.0, 1.0, 1.0, 2.0])).tolist() == [100.0, 37.5, 37.5, 75.0]
    assert percentiles(np.array([5.0])).tolist() == [100.0]
    assert percentiles(np.zeros(0)).tolist() == []


def test_a_search_of_filters_alone_looks_for_their_words(stocked: Library, shelf: dict[str, int]) -> None:
    found = search(stocked, EMBEDDER, "", filters=SampleFilter(families=("bass",), qualities=("dark",)), k=10)
    assert ids(found) == [shelf["dark bass"], shelf["dirty bass"]]


def test_dropped_sounds_take_part_only_when_asked_for(stocked: Library, shelf: dict[str, int]) -> None:
    stocked.review(shelf["dark bass"], DROP, "clicks", "ana")
    assert shelf["dark bass"] not in ids(search(stocked, EMBEDDER, "dark bass", k=10))
    assert shelf["dark bass"] not in ids(similar(stocked, EMBEDDER, shelf["dirty bass"]))
    dropped = search(stocked, EMBEDDER, "dark bass", filters=SampleFilter(reviews=(DROP,)), k=10)
    assert ids(dropped) == [shelf["dark bass"]]


def test_two_searches_agree_and_k_cuts(stocked: Library, shelf: dict[str, int]) -> None:
    whole = search(stocked, EMBEDDER, "dark", k=10)
    assert whole == search(stocked, EMBEDDER, "dark", k=10)
    assert search(stocked, EMBEDDER, "dark", k=2) == whole[:2]


def test_a_library_larger_than_the_pool_still_finds_words_and_notes(
    stocked: Library, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.search.POOL", 1)
    assert ids(search(stocked, EMBEDDER, "zorbish", k=1)) == [shelf["harpsichord"]]
    # Nothing sounds like a note name: the ear proposes the first sound, the measured note the right one.
    assert ids(search(stocked, EMBEDDER, "A2", k=1)) == [shelf["bright bass"]]
    assert ids(search(stocked, EMBEDDER, "D#2", k=1)) == [shelf["dirty bass"]]
    assert ids(search(stocked, EMBEDDER, "pad", k=1)) == [shelf["organ"]]
    # The ear proposes the flute that sounds like a bass, the note the bass.
    assert ids(search(stocked, EMBEDDER, "bass A2", k=1)) == [shelf["bright bass"]]
    assert len(search(stocked, EMBEDDER, "flute", k=7)) == len(shelf)


# -------------------- nothing to search


def test_an_empty_library_says_so(library: Library) -> None:
    with pytest.raises(SearchError, match="holds no accepted sound to search") as error:
        search(library, EMBEDDER, "dark bass")
    assert "\n" not in str(error.value)
    with pytest.raises(SearchError, match="holds no accepted sound"):
        similar(library, EMBEDDER, sounding({"bass": 1}))


def test_a_library_without_vectors_says_so(library: Library) -> None:
    make(library, [toy_job()])
    with pytest.raises(SearchError, match="no sound has a vector of toy@1; .* `nightcrate rebuild` does it now"):
        search(library, EMBEDDER, "dark bass")


def test_sounds_without_a_vector_are_counted(stocked: Library, shelf: dict[str, int]) -> None:
    assert not_searchable(stocked, EMBEDDER.id) is None
    make(stocked, [toy_job(100)])
    assert not_searchable(stocked, EMBEDDER.id) == (
        "1 accepted sound is not searchable yet; `nightcrate rebuild` or the end of the night makes its vector"
    )
    make(stocked, [toy_job(101), toy_job(102)])
    assert "3 accepted sounds are not searchable yet" in (not_searchable(stocked, EMBEDDER.id) or "")
    make(stocked, [toy_job(103)], rejected)
    assert "3 accepted sounds" in (not_searchable(stocked, EMBEDDER.id) or "")
    assert len(search(stocked, EMBEDDER, "bass", k=100)) == len(shelf)


@pytest.mark.parametrize("query", ["", "   ", "-", '""'])
def test_a_search_for_nothing_says_so(query: str, stocked: Library, shelf: dict[str, int]) -> None:
    with pytest.raises(SearchError, match="nothing to look for"):
        search(stocked, EMBEDDER, query)


def test_no_results_asked_for(stocked: Library, shelf: dict[str, int]) -> None:
    with pytest.raises(SearchError, match="0 results"):
        search(stocked, EMBEDDER, "bass", k=0)


# -------------------- by example


def test_similar_to_a_sound_leaves_itself_out(stocked: Library, shelf: dict[str, int]) -> None:
    found = similar(stocked, EMBEDDER, shelf["dark bass"], k=10)
    assert shelf["dark bass"] not in ids(found)
    assert len(found) == len(shelf) - 1
    assert ids(found)[0] == shelf["bassy flute"]
    assert found[0].percentile == 100.0


def test_similar_to_a_clip(stocked: Library, shelf: dict[str, int]) -> None:
    clip = sounding({"organ": 1, "dark": 0.1})
    found = similar(stocked, EMBEDDER, clip, filters=SampleFilter(families=("organ", "flute")), k=2)
    assert ids(found)[0] == shelf["organ"]
    assert {hit.sample.family for hit in found} == {"organ", "flute"}


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (np.zeros((1, 16_000)), r"silent \(digital silence, -80 dBFS is needed\)"),
        (np.full((1, 16_000), 0.3), "silent"),
        (np.random.default_rng(0).uniform(-5e-5, 5e-5, (2, 16_000)), r"silent \(its peak is -86 dBFS"),
        (np.full((1, 16), 0.5) * (-1.0) ** np.arange(16), "it sounds for 1 ms, at least 50 ms are needed"),
        (np.where(np.arange(16_000) // 16 == 500, 0.5 * (-1.0) ** np.arange(16_000), 0.0)[None], "for 1 ms"),
        (np.full((1, 16_000), np.nan), "NaN or infinite"),
    ],
)
def test_similar_to_what_cannot_be_heard(
    samples: np.ndarray, why: str, stocked: Library, shelf: dict[str, int]
) -> None:
    with pytest.raises(SearchError, match=f"holds no sound that can be compared: .*{why}") as error:
        similar(stocked, EMBEDDER, Clip(samples.astype(np.float32), 16_000))
    assert "\n" not in str(error.value)


def test_similar_to_a_sound_between_silences(stocked: Library, shelf: dict[str, int]) -> None:
    organ = sounding({"organ": 1})
    padded = Clip(np.pad(organ.samples, ((0, 0), (8_000, 8_000))) * np.float32(0.01), organ.sample_rate_hz)
    assert ids(similar(stocked, EMBEDDER, padded, k=1)) == [shelf["organ"]]


def test_similar_hears_an_example_from_where_it_sounds(stocked: Library, shelf: dict[str, int]) -> None:
    bass = sounding({"bass": 1, "dark": 1})
    late = Clip(np.pad(bass.samples, ((0, 0), (1_608, 0))), bass.sample_rate_hz)  # half a wave of the toy's bass
    (heard,), (again,) = (similar(stocked, EMBEDDER, clip, k=1) for clip in (bass, late))
    assert ids([again]) == ids([heard]) and again.similarity == pytest.approx(heard.similarity, abs=0.05)


def test_similar_to_an_unknown_sound(stocked: Library, shelf: dict[str, int]) -> None:
    with pytest.raises(LibraryError, match="sound 999 has no vector"):
        similar(stocked, EMBEDDER, 999)


def test_a_read_only_library_is_searched(stocked: Library, shelf: dict[str, int]) -> None:
    with Library.open(stocked.path, read_only=True) as reading:
        assert ids(search(reading, EMBEDDER, "dark bass", k=1)) == [shelf["dark bass"]]


# -------------------- scores


def test_scores_are_percentiles_within_the_family(stocked: Library, shelf: dict[str, int]) -> None:
    scores = sample_scores(stocked, EMBEDDER)
    assert set(scores) == set(shelf.values())
    # Cosines with their own prompts: dark bass 1, bright bass 1, "a gritty dark bass" 1.5 / sqrt(2.5).
    basses = [scores[shelf[name]] for name in ("dark bass", "bright bass", "dirty bass")]
    assert basses == pytest.approx([250 / 3, 250 / 3, 100 / 3])
    assert scores[shelf["flute"]] == 100.0
    assert scores[shelf["bassy flute"]] == 50.0
    assert scores[shelf["organ"]] == 100.0
    assert {s.id: s.score for s in stocked.samples()} == pytest.approx(scores)
    good = SampleFilter(min_score=60.0)
    assert shelf["dirty bass"] not in ids(search(stocked, EMBEDDER, "bass", filters=good, k=10))


def test_scores_of_a_library_without_vectors(library: Library) -> None:
    make(library, [toy_job()])
    assert sample_scores(library, EMBEDDER) == {}
    assert library.samples()[0].score is None


# -------------------- agreement


def test_agreement_by_hand(stocked: Library, shelf: dict[str, int]) -> None:
    sounds: dict[int, SampleRecord] = {sample.id: sample for sample in stocked.samples()}
    dark, bright = sounds[shelf["dark bass"]], sounds[shelf["bright bass"]]
    assert agreement(parse_query("dark bass"), dark) == (3 + 1, ("family bass", "quality dark"))
    assert agreement(parse_query("dark bass"), bright) == (3 - 1, ("family bass",))
    assert agreement(parse_query("bass A1"), bright)[0] == 3 + 1.5  # A2 for A1
    assert agreement(parse_query("synthetic flute"), dark) == (2, ("source synthetic",))
    acoustic = replace(dark, source="acoustic", prompt="acoustic upright bass")
    assert agreement(parse_query("upright bass"), acoustic)[0] == 3 + 1.5 + 1, "by habit alone"
    organ = replace(dark, family="organ", source="electronic")
    assert agreement(parse_query("synthetic organ"), organ)[0] == 3 + 2, "NSynth knows no synthetic one"
    assert agreement(parse_query("harpsichord"), sounds[shelf["harpsichord"]])[0] == 3 + 1.5 + 1
    assert agreement(parse_query("zorbish"), dark) == (0.0, ())

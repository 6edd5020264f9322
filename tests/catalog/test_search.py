"""Search by words and by example, with an embedder whose cosines can be worked out by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.errors import LibraryError, SearchError
from catalog.library import Library
from catalog.query import agreement, contradicts, parse_query
from catalog.records import DROP, JobRecord, ResultRecord, SampleFilter, SampleRecord
from catalog.scores.percentile import percentiles
from catalog.search import Hit, fitting, nothing_known, sample_scores, search, similar
from generation.audio import Clip
from generation.prompts.vocabulary import SOURCES
from tests.catalog.toy_embedder import ToyEmbedder, sounding
from tests.catalog.toy_library import accepted, make, toy_job

EMBEDDER = ToyEmbedder()


# What each sound of the toy library is made of, its measured note and what it was asked for as.
SOUNDS: dict[str, tuple[dict[str, float], int | None, dict[str, Any]]] = {
    "dark bass": (
        {"bass": 1, "dark": 1},
        33,
        {"family": "bass", "source": "synthetic", "qualities": ("dark",), "prompt": "synthetic dark bass"},
    ),
    "bright bass": (
        {"bass": 1, "bright": 1},
        45,
        {
            "family": "bass",
            "source": "synthetic",
            "qualities": ("bright",),
            "prompt": "synthetic bright bass",
        },
    ),
    "dirty bass": (
        {"bass": 1, "dark": 0.5},
        40,
        {
            "family": "bass",
            "source": "electronic",
            "qualities": ("dark", "distortion"),
            "prompt": "a gritty dark bass",
        },
    ),
    "flute": ({"flute": 1}, 72, {"family": "flute", "qualities": (), "prompt": "acoustic flute"}),
    "bassy flute": (
        {"flute": 0.2, "bass": 1, "dark": 1},
        60,
        {"family": "flute", "qualities": (), "prompt": "acoustic flute"},
    ),
    "harpsichord": (
        {"plucked": 1},
        None,
        {"family": "keyboard", "qualities": (), "prompt": "a harpsichord, zorbish"},
    ),
    "organ": ({"organ": 1}, 33, {"family": "organ", "qualities": (), "prompt": "acoustic organ"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A library of SOUNDS, and their ids by name; made once, each test gets a copy."""
    path = tmp_path_factory.mktemp("shelf") / "library"
    clips: dict[str, tuple[Clip, int | None]] = {}
    jobs: dict[str, JobRecord] = {}
    for seed, (name, (weights, note, asked)) in enumerate(SOUNDS.items()):
        jobs[name] = toy_job(seed, **asked)
        clips[jobs[name].key] = (sounding(weights), note)

    def outcome(key: str) -> ResultRecord:
        clip, note = clips[key]
        return replace(accepted(key, midi_note=note, duration_s=clip.duration_s), clip=clip, raw=clip)

    with Library.open(path, create=True) as library:
        make(library, jobs.values(), outcome)
        samples = {sample.job_key: sample.id for sample in library.samples()}
        vectors = EMBEDDER.embed_audio([clip for clip, _ in clips.values()])
        library.add_embeddings(EMBEDDER.id, [samples[key] for key in clips], vectors)
    return path, {name: samples[job.key] for name, job in jobs.items()}


@pytest.fixture
def shelf(made: tuple[Path, dict[str, int]], library_path: Path) -> dict[str, int]:
    """Ids of SOUNDS by name, in the library of this test."""
    shutil.copytree(made[0], library_path)
    return made[1]


@pytest.fixture
def stocked(shelf: dict[str, int], library_path: Path) -> Iterator[Library]:
    """The library of SOUNDS, open."""
    with Library.open(library_path) as opened:
        yield opened


def ids(hits: list[Hit]) -> list[int]:
    return [hit.sample.id for hit in hits]


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


def test_a_leaning_gives_way_to_what_is_named(stocked: Library, shelf: dict[str, int]) -> None:
    sounds = {sample.id: sample for sample in stocked.samples()}
    dark, bright = sounds[shelf["dark bass"]], sounds[shelf["bright bass"]]
    assert agreement(parse_query("soft bass"), dark)[0] == 3 + 0.75
    assert agreement(parse_query("soft bass"), bright)[0] == 3 - 0.75
    assert agreement(parse_query("soft bright bass"), bright)[0] == 3 + 1
    assert agreement(parse_query("pad"), sounds[shelf["organ"]])[0] == 3 * 0.75


# -------------------- denied


@pytest.mark.parametrize(
    "query",
    ["dark without bass", "oscuro sin bajo", "not a bass, dark", "no bass", "anything but bass", "todo menos bajo"]
    + ["dark, excepto bajo", "I don't want a bass", "dark, isn't a bass"],
)
def test_a_denied_family_is_not_found(query: str, stocked: Library, shelf: dict[str, int]) -> None:
    basses = {shelf["dark bass"], shelf["bright bass"], shelf["dirty bass"]}
    assert set(ids(search(stocked, EMBEDDER, query, k=10))) == set(shelf.values()) - basses


def test_a_denied_instrument_source_and_word_are_not_found(stocked: Library, shelf: dict[str, int]) -> None:
    for query, gone in (("dark, no harpsichord", "harpsichord"), ("oscuro sin clavecín", "harpsichord")):
        assert set(ids(search(stocked, EMBEDDER, query, k=10))) == set(shelf.values()) - {shelf[gone]}, query
    assert shelf["harpsichord"] not in ids(search(stocked, EMBEDDER, "dark, nothing zorbish", k=10))
    found = ids(search(stocked, EMBEDDER, "bass, no synths", k=10))
    assert found[0] == shelf["dirty bass"] and shelf["dark bass"] not in found


def test_neither_ear_nor_full_text_hears_what_is_denied() -> None:
    query = parse_query("dark -reverb without bass")
    assert (query.text, query.words, query.excluded) == ("dark", ("dark",), ("reverb",))
    assert parse_query("no bass").text == "no bass"


def test_but_denies_nothing(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(search(stocked, EMBEDDER, "bass, dark but warm", k=1)) == [shelf["dark bass"]]
    found = ids(search(stocked, EMBEDDER, "I don't want anything bright, just a bass", k=10))
    assert found[0] in (shelf["dark bass"], shelf["dirty bass"]) and shelf["bright bass"] not in found


# -------------------- nothing fits


@pytest.mark.parametrize("query", ["kick drum", "snare", "asdfghjkl", "tremolo", "kick -bass", "the"])
def test_a_query_of_unknown_words_is_told(query: str, stocked: Library, shelf: dict[str, int]) -> None:
    assert "is known as an instrument, source, quality or note" in (nothing_known(stocked, query) or "")
    with pytest.raises(SearchError, match="nothing here is known to fit") as error:
        fitting(stocked, EMBEDDER, query)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "query", ["bass", "pad", "suave", "zorbish", "A1", "synth", "no bass", "", "-bass", "drak bas"]
)
def test_a_query_with_a_known_word_is_not_told(query: str, stocked: Library, shelf: dict[str, int]) -> None:
    assert nothing_known(stocked, query) is None


def test_only_what_fits_is_chosen(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(fitting(stocked, EMBEDDER, "dark bass", k=5)) == [shelf["dark bass"], shelf["dirty bass"]]
    assert ids(fitting(stocked, EMBEDDER, "dark bass", k=1)) == [shelf["dark bass"]]
    assert set(ids(fitting(stocked, EMBEDDER, "flute"))) == {shelf["flute"], shelf["bassy flute"]}
    assert ids(fitting(stocked, EMBEDDER, "electronic bass")) == [shelf["dirty bass"]]
    assert ids(fitting(stocked, EMBEDDER, "dark bass -distortion")) == [shelf["dark bass"]]
    assert len(fitting(stocked, EMBEDDER, "long")) == len(shelf)
    basses = SampleFilter(families=("bass",))
    assert len(fitting(stocked, EMBEDDER, "", basses)) == 3


@pytest.mark.parametrize(
    ("query", "packed", "left_out"),
    [
        # A source counts where a word says it: a violin is acoustic only by habit.
        ("violin", ("string acoustic", "string electronic", "string"), ("flute acoustic",)),
        ("trumpet", ("brass electronic",), ()),
        ("harpsichord", ("keyboard electronic",), ()),
        ("bass guitar", ("bass acoustic",), ("guitar electronic",)),
        ("electric violin", ("string electronic", "string"), ("string acoustic",)),
        ("synth bass", ("bass synthetic",), ("bass acoustic",)),
        ("electric guitar", ("guitar electronic",), ("guitar acoustic",)),
        # The head noun alone; both where they are on a par.
        ("bell piano", ("keyboard acoustic",), ("mallet acoustic",)),
        ("bass or flute", ("bass", "flute"), ("organ",)),
        # Leanings: something speaks for the sound, and not more against it.
        ("pad", ("organ", "string dark", "guitar long_release"), ("guitar", "guitar dark", "organ fast_decay")),
        ("ambient", ("organ", "guitar reverb"), ("guitar acoustic percussive fast_decay", "guitar")),
        ("soft", ("guitar dark",), ("guitar", "guitar bright", "guitar dark percussive distortion")),
        ("clean", ("guitar", "bass bright"), ("guitar distortion",)),
        ("woodwind", ("flute", "reed"), ("guitar",)),
        ("warm pad", ("organ dark", "guitar dark reverb"), ("guitar dark", "organ bright", "organ dark percussive")),
        ("soft bass", ("bass", "bass dark"), ("bass bright", "bass distortion percussive", "guitar dark")),
        ("no bass", ("guitar", "bass"), ()),
        ("A2", ("guitar percussive",), ()),
    ],
)
def test_what_contradicts_a_query(
    query: str, packed: tuple[str, ...], left_out: tuple[str, ...], stocked: Library
) -> None:
    contradicting = contradicts(parse_query(query))

    def sound(tags: str) -> SampleRecord:
        family, *rest = tags.split()
        source = next((word for word in rest if word in SOURCES), None)
        return replace(stocked.samples()[0], family=family, source=source, qualities=tuple(rest))

    assert [tags for tags in packed if contradicting(sound(tags))] == []
    assert [tags for tags in left_out if not contradicting(sound(tags))] == []


def test_a_pack_of_what_is_not_denied(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(fitting(stocked, EMBEDDER, "organ, no loud basses")) == [shelf["organ"]]
    assert ids(fitting(stocked, EMBEDDER, "pad")) == [shelf["organ"]]
    bright = fitting(stocked, EMBEDDER, "not overly bright bass")
    assert set(ids(bright)) == {shelf["dark bass"], shelf["dirty bass"]}


# -------------------- excluded and required


def test_minus_excludes_by_tag_by_prompt_and_in_any_language(stocked: Library, shelf: dict[str, int]) -> None:
    for query in ("bass -distortion", "bass -gritty", "bass -saturado", "bass without distortion"):
        found = ids(search(stocked, EMBEDDER, query, k=10))
        assert shelf["dirty bass"] not in found, query
        assert shelf["dark bass"] in found, query
    assert shelf["dirty bass"] in ids(search(stocked, EMBEDDER, "bass distortion", k=3))


def test_minus_a_family_a_source_and_an_instrument(stocked: Library, shelf: dict[str, int]) -> None:
    everything = set(shelf.values())
    basses = {shelf["dark bass"], shelf["bright bass"], shelf["dirty bass"]}
    assert set(ids(search(stocked, EMBEDDER, "dark -bass", k=10))) == everything - basses
    electronic = ids(search(stocked, EMBEDDER, "dark -electronic", k=10))
    assert set(electronic) == everything - {shelf["dirty bass"]}
    assert set(ids(search(stocked, EMBEDDER, "dark -harpsichord", k=10))) == everything - {shelf["harpsichord"]}
    # The opposite sense of "bass": a bass flute is no bass, so flutes stay.
    assert shelf["flute"] in ids(search(stocked, EMBEDDER, "dark -bass", k=10))


def test_minus_works_without_full_text_too(stocked: Library, shelf: dict[str, int]) -> None:
    found = ids(search(stocked, EMBEDDER, "dark bass -flute -zorbish", k=10, fulltext=False))
    assert not {shelf["flute"], shelf["bassy flute"], shelf["harpsichord"]} & set(found)
    assert len(found) == 4


def test_quotes_demand_the_words(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(search(stocked, EMBEDDER, 'bass "gritty dark"', k=10)) == [shelf["dirty bass"]]
    assert search(stocked, EMBEDDER, 'bass "nowhere said"', k=10) == []


@pytest.mark.parametrize(
    ("text", "wanted", "required", "excluded"),
    [
        ("dark bass", "dark bass", (), ()),
        ('-warm "sub bass" A#1', "sub bass A#1", ("sub bass",), ("warm",)),
        ('dark -"long tail" bass', "dark bass", (), ("long tail",)),
        ("fast-decay tempo-synced", "fast-decay tempo-synced", (), ()),
        ("dark – bass -", "dark bass", (), ()),
        ('unclosed "quote', "unclosed quote", (), ()),
        ("“sub bass” −bright", "sub bass", ("sub bass",), ("bright",)),
        ('it"s C# OR * NEAR(', "it s C# OR NEAR(", (), ()),
        ("", "", (), ()),
    ],
)
def test_queries_are_read_as_typed(
    text: str, wanted: str, required: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    query = parse_query(text)
    assert (query.text, query.required, query.excluded) == (wanted, required, excluded)


@pytest.mark.parametrize("text", ['it"s C#', 'a " b', "NEAR(x", "x AND", "*", "bass:", "-", '-"'])
def test_no_text_breaks_a_search(text: str, stocked: Library, shelf: dict[str, int]) -> None:
    try:
        search(stocked, EMBEDDER, text)
    except SearchError as error:
        assert "nothing to look for" in str(error)


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
    assert len(search(stocked, EMBEDDER, "flute", k=7)) == len(shelf)


@pytest.mark.parametrize(
    "query", ["no bass", "dark -bass", "sin bajo", "bass -synthetic -electronic", "dark, not a bass"]
)
def test_what_is_excluded_takes_no_place_in_the_pool(
    query: str, stocked: Library, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.search.POOL", 1)
    basses = {shelf["dark bass"], shelf["bright bass"], shelf["dirty bass"]}
    found = ids(search(stocked, EMBEDDER, query, k=2))
    assert len(found) == 2 and not basses & set(found)


def test_the_rest_of_the_library_is_found_when_the_nearest_are_excluded(
    stocked: Library, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.search.POOL", 1)
    assert ids(search(stocked, EMBEDDER, "no bass", k=7)) == ids(search(stocked, EMBEDDER, "-bass bass", k=7))
    # The words propose the dark basses first; a dark sound that is no bass still takes part.
    assert ids(search(stocked, EMBEDDER, "dark -bass", k=1)) == [shelf["bassy flute"]]
    assert search(stocked, EMBEDDER, "bass -bass -flute -harpsichord -organ", k=1) == []


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


@pytest.mark.parametrize("query", ["", "   ", "-dark", '""'])
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
    assert agreement(parse_query("synthetic flute"), dark) == (1, ("source synthetic",))
    assert agreement(parse_query("harpsichord"), sounds[shelf["harpsichord"]])[0] == 3 + 1.5 + 1
    assert agreement(parse_query("zorbish"), dark) == (0.0, ())

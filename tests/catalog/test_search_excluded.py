"""What a search leaves out and what it demands: denials in plain words, minus words, quotes."""

from __future__ import annotations

import pytest

from catalog.errors import SearchError
from catalog.library import Library
from catalog.query import parse_query
from catalog.records import SampleFilter
from catalog.search import search
from tests.catalog.toy_shelf import EMBEDDER, ids

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


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("soft flute, not dark", ("soft flute",)),
        ("cold pad, not bright", ("cold pad",)),
        ("aggressive, not distorted bass", ("aggressive, bass", "percussive, bass")),
        ("aggressive bass -distortion", ("aggressive bass", "percussive bass")),
        ("bajo agresivo sin distorsión", ("aggressive bass", "percussive bass")),
        ("bajo frío -brillante", ("cold bass",)),
        ("rough bass -distortion -percussive", ("rough bass",)),
        ("rough bass, not harsh", ("rough bass",)),
    ],
)
def test_the_ear_is_not_told_in_other_words_what_is_denied(query: str, heard: tuple[str, ...]) -> None:
    assert parse_query(query).heard == heard


def test_but_denies_nothing(stocked: Library, shelf: dict[str, int]) -> None:
    assert ids(search(stocked, EMBEDDER, "bass, dark but warm", k=1)) == [shelf["dark bass"]]
    found = ids(search(stocked, EMBEDDER, "I don't want anything bright, just a bass", k=10))
    assert found[0] in (shelf["dark bass"], shelf["dirty bass"]) and shelf["bright bass"] not in found


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


def test_exclusions_alone_list_what_is_left(stocked: Library, shelf: dict[str, int]) -> None:
    basses = {shelf["dark bass"], shelf["bright bass"], shelf["dirty bass"]}
    for query in ("-bass", "-bajo"):
        assert ids(search(stocked, EMBEDDER, query, k=10)) == ids(search(stocked, EMBEDDER, "no bass", k=10)), query
    assert set(ids(search(stocked, EMBEDDER, "-bass", k=10))) == set(shelf.values()) - basses
    assert set(ids(search(stocked, EMBEDDER, "-bass -flute -zorbish", k=10))) == {shelf["organ"]}
    flutes = SampleFilter(families=("flute",))
    assert ids(search(stocked, EMBEDDER, "-bass", flutes, k=1)) == [shelf["flute"]]
    assert search(stocked, EMBEDDER, "-bass -flute -harpsichord -organ") == []


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


# -------------------- the pool of a large library


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

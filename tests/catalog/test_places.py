"""Where a sound stands by its note and its length among those that a query means as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.library import Library
from catalog.places import LENGTH_WEIGHT, REGISTER_WEIGHT, Place, length_places, note_places
from catalog.query import parse_query
from catalog.records import SampleRecord
from catalog.search import fitting, nothing_known, search
from tests.catalog.toy_shelf import EMBEDDER, ids


def sounds(model: SampleRecord, family: str, *notes: int | None) -> list[SampleRecord]:
    """Sounds of a family, their ids counting from the family's letters on."""
    first = 100 * len(family)
    return [replace(model, id=first + place, family=family, midi_note=note) for place, note in enumerate(notes)]


@pytest.fixture
def model(stocked: Library) -> SampleRecord:
    return stocked.samples()[0]


def worths(places: dict[int, Place]) -> dict[int, float]:
    return {id: worth for id, (worth, _) in places.items()}


def by_note(text: str, samples: list[SampleRecord]) -> dict[int, float]:
    return worths(note_places(parse_query(text), samples))


def test_a_note_is_low_among_those_of_its_family(model: SampleRecord) -> None:
    basses, flutes = sounds(model, "bass", 30, 40, 50), sounds(model, "flute", 70, 80)
    worth = by_note("low bass or flute", [*basses, *flutes])
    most = REGISTER_WEIGHT * 2 / 3
    assert [worth[bass.id] for bass in basses] == pytest.approx([most, 0.0, -most])
    assert worth[flutes[0].id] > 0 > worth[flutes[1].id]
    turned = by_note("high bass or flute", [*basses, *flutes])
    assert {id: -place for id, place in turned.items()} == pytest.approx(worth)


def test_without_a_family_all_sounds_are_compared(model: SampleRecord) -> None:
    basses, flutes = sounds(model, "bass", 30, 40), sounds(model, "flute", 70, 80)
    worth = by_note("low", [*basses, *flutes])
    assert min(worth[bass.id] for bass in basses) > 0 > max(worth[flute.id] for flute in flutes)


def test_nothing_is_gained_without_a_note_alone_or_among_equals(model: SampleRecord) -> None:
    alone, equal, unknown = sounds(model, "bass", 30), sounds(model, "organ", 40, 40), sounds(model, "vocals", None)
    worth = by_note("low bass, organ or voice", [*alone, *equal, *unknown])
    assert worth == {each.id: 0.0 for each in (*alone, *equal)}
    assert by_note("bass", sounds(model, "bass", 30, 40)) == {}


def test_a_note_is_ranked_among_what_the_other_words_mean(model: SampleRecord) -> None:
    """A source that is said or a quality that is named decides before the note does; a habit does not."""
    electric = [replace(each, source="electronic") for each in sounds(model, "guitar", 40, 48)]
    acoustic = [replace(each, id=each.id + 50, source="acoustic") for each in sounds(model, "guitar", 60, 72)]
    worth = by_note("high electric guitar", electric + acoustic)
    assert worth[electric[0].id] == worth[acoustic[0].id] < 0 < worth[electric[1].id] == worth[acoustic[1].id]
    habit = by_note("high nylon guitar", electric + acoustic)
    assert habit[electric[1].id] < 0 < habit[acoustic[0].id]
    dirty = [replace(each, id=each.id + 70, qualities=("distortion",)) for each in sounds(model, "guitar", 30, 30)]
    worth = by_note("high dirty guitar", dirty + acoustic)
    assert {worth[each.id] for each in dirty} == {0.0}


@pytest.mark.parametrize(
    ("text", "length"),
    [("long bass", 1), ("bajo largo", 1), ("warm pad", 1), ("drone", 1), ("short bass", -1), ("plucked string", -1)]
    + [("bass", 0), ("short pad", -1)],
)
def test_lengths_are_compared_where_words_ask_for_it(text: str, length: int, model: SampleRecord) -> None:
    lasting = [replace(each, duration_s=1.0 + each.id % 100) for each in sounds(model, "bass", 40, 40, 40)]
    worth = worths(length_places(parse_query(text), lasting))
    most = length * LENGTH_WEIGHT * 2 / 3
    assert list(worth.values()) == (pytest.approx([-most, 0.0, most]) if length else [])


def test_the_first_hits_are_low_or_high(stocked: Library, shelf: dict[str, int]) -> None:
    low, high = (search(stocked, EMBEDDER, f"{word} bass", k=3) for word in ("low", "high"))
    assert ids(low)[0] == shelf["dark bass"] and ids(high)[0] == shelf["bright bass"]
    assert "A1 is low among 3 bass sounds" in low[0].why
    assert ids(search(stocked, EMBEDDER, "bajo grave", k=3)) == ids(low)
    assert "low" not in " ".join(search(stocked, EMBEDDER, "low bass", k=1, fulltext=False)[0].why)


def test_a_pack_of_low_sounds_ends_before_the_high_ones(stocked: Library, shelf: dict[str, int]) -> None:
    assert set(ids(fitting(stocked, EMBEDDER, "low bass"))) == {shelf["dark bass"], shelf["dirty bass"]}
    assert ids(fitting(stocked, EMBEDDER, "high flute")) == [shelf["flute"]]
    assert nothing_known(stocked, "low") is None
    assert shelf["harpsichord"] not in ids(fitting(stocked, EMBEDDER, "low")), "it has no note"
    assert ids(fitting(stocked, EMBEDDER, "bass A1")) == [shelf["dark bass"]], "the note that is named"
    assert ids(fitting(stocked, EMBEDDER, "high electronic bass")) == [shelf["dirty bass"]], "the one there is"
    assert len(fitting(stocked, EMBEDDER, "no bass")) == len(fitting(stocked, EMBEDDER, "no deep bass"))


def test_a_library_too_large_to_rank_as_a_whole_is_still_known(
    stocked: Library, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest sounds of a family take part though the ear would not propose them."""
    whole = [search(stocked, EMBEDDER, text, k=1)[0] for text in ("low bass", "high bass", "low flute")]
    monkeypatch.setattr("catalog.search.POOL", 1)
    few = [search(stocked, EMBEDDER, text, k=1)[0] for text in ("low bass", "high bass", "low flute")]
    assert ids(few) == ids(whole) and [hit.why for hit in few] == [hit.why for hit in whole]

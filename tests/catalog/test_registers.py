""" "low" and "high": which words ask for it, and the measured notes that answer, family by family."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.library import Library
from catalog.query import parse_query
from catalog.records import SampleRecord
from catalog.registers import REGISTER_WEIGHT, in_register
from catalog.search import fitting, nothing_known, search
from tests.catalog.toy_shelf import EMBEDDER, ids

LOW, HIGH, NEITHER = -1, 1, 0


@pytest.mark.parametrize(
    ("text", "register"),
    [
        ("low brass", LOW), ("the lowest flute", LOW), ("low-pitched lead", LOW), ("deep pad", LOW), ("sub bass", LOW),
        ("high strings", HIGH), ("highest flute", HIGH), ("shrill lead", HIGH),
        ("cuerdas graves", LOW), ("flauta aguda", HIGH), ("bajo profundo", LOW),
        ("strings, not high", LOW), ("no low notes", HIGH), ("flute -high", LOW), ("flauta sin agudos", LOW),
        ("low pass bass", NEITHER), ("high quality bass", NEITHER), ("lo-fi keys", NEITHER),
        ("highland pipes", NEITHER), ("high and low bells", NEITHER), ("low brass, C3", NEITHER),
        ("bass", NEITHER), ("", NEITHER),
    ],
)  # fmt: skip
def test_words_that_ask_for_it(text: str, register: int) -> None:
    assert parse_query(text).register == register


def sounds(model: SampleRecord, family: str, *notes: int | None) -> list[SampleRecord]:
    """Sounds of a family, their ids counting from the family's letters on."""
    first = 100 * len(family)
    return [replace(model, id=first + place, family=family, midi_note=note) for place, note in enumerate(notes)]


@pytest.fixture
def model(stocked: Library) -> SampleRecord:
    return stocked.samples()[0]


def test_a_note_is_low_among_those_of_its_family(model: SampleRecord) -> None:
    basses, flutes = sounds(model, "bass", 30, 40, 50), sounds(model, "flute", 70, 80)
    worth = {id: place for id, (place, _) in in_register(LOW, [*basses, *flutes]).items()}
    assert [worth[bass.id] for bass in basses] == pytest.approx(
        [REGISTER_WEIGHT * 2 / 3, 0.0, -REGISTER_WEIGHT * 2 / 3]
    )
    assert worth[flutes[0].id] > 0 > worth[flutes[1].id]
    turned = in_register(HIGH, [*basses, *flutes])
    assert {id: -place for id, (place, _) in turned.items()} == pytest.approx(worth)


def test_nothing_is_gained_without_a_note_alone_or_among_equals(model: SampleRecord) -> None:
    alone, equal, unknown = sounds(model, "bass", 30), sounds(model, "organ", 40, 40), sounds(model, "vocals", None)
    worth = in_register(LOW, [*alone, *equal, *unknown])
    assert {id: place for id, (place, _) in worth.items()} == {each.id: 0.0 for each in (*alone, *equal)}
    assert in_register(NEITHER, sounds(model, "bass", 30, 40)) == {}


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

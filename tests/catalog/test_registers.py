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
    ("register", "texts"),
    [
        (
            LOW,
            "low brass; the lowest flute; low-pitched lead; deep pad; sub bass; low dark bass; low and dark bass; lows;"
            "brass, low; low music box; low double bass; low 808; low soft plucked guitar; low brass, not bright;"
            "cuerdas graves; bajo profundo; notas graves de piano; bajo grave",
        ),
        (
            HIGH,
            "high strings; highest flute; high electric guitar; high male choir; upper register strings; high notes;"
            "flauta aguda; cuerdas muy agudas; órgano agudo; high",
        ),
        (
            NEITHER,
            "low pass bass; high quality bass; lo-fi keys; highland pipes; high and low bells; low brass C3; bass;;"
            "high gain guitar; low-key piano; high-end piano; low noise bass; low distortion guitar; deep reverb;"
            "deep house bass; high tech lead; high hat; low velocity keys; high energy bass; contrabajo; saxo alto;"
            "no deep bass; no low notes; anything but high strings; strings, not high; flute -high; not high quality;"
            "flute without high gain; flauta sin agudos",
        ),
    ],
)
def test_words_that_ask_for_it(register: int, texts: str) -> None:
    asked = {text: parse_query(text).register for text in texts.split(";")}
    assert asked == dict.fromkeys(asked, register)


def sounds(model: SampleRecord, family: str, *notes: int | None) -> list[SampleRecord]:
    """Sounds of a family, their ids counting from the family's letters on."""
    first = 100 * len(family)
    return [replace(model, id=first + place, family=family, midi_note=note) for place, note in enumerate(notes)]


@pytest.fixture
def model(stocked: Library) -> SampleRecord:
    return stocked.samples()[0]


def test_a_note_is_low_among_those_of_its_family(model: SampleRecord) -> None:
    basses, flutes = sounds(model, "bass", 30, 40, 50), sounds(model, "flute", 70, 80)
    worth = {id: place for id, (place, _) in in_register(parse_query("low"), [*basses, *flutes]).items()}
    assert [worth[bass.id] for bass in basses] == pytest.approx(
        [REGISTER_WEIGHT * 2 / 3, 0.0, -REGISTER_WEIGHT * 2 / 3]
    )
    assert worth[flutes[0].id] > 0 > worth[flutes[1].id]
    turned = in_register(parse_query("high"), [*basses, *flutes])
    assert {id: -place for id, (place, _) in turned.items()} == pytest.approx(worth)


def test_nothing_is_gained_without_a_note_alone_or_among_equals(model: SampleRecord) -> None:
    alone, equal, unknown = sounds(model, "bass", 30), sounds(model, "organ", 40, 40), sounds(model, "vocals", None)
    worth = in_register(parse_query("low"), [*alone, *equal, *unknown])
    assert {id: place for id, (place, _) in worth.items()} == {each.id: 0.0 for each in (*alone, *equal)}
    assert in_register(parse_query("bass"), sounds(model, "bass", 30, 40)) == {}


def test_a_note_is_ranked_among_what_the_other_words_mean(model: SampleRecord) -> None:
    """A source or a quality that is named decides before the note does."""
    electric = [replace(each, source="electronic") for each in sounds(model, "guitar", 40, 48)]
    acoustic = [replace(each, id=each.id + 50, source="acoustic") for each in sounds(model, "guitar", 60, 72)]
    worth = {
        id: place for id, (place, _) in in_register(parse_query("high electric guitar"), electric + acoustic).items()
    }
    assert worth[electric[0].id] == worth[acoustic[0].id] < 0 < worth[electric[1].id] == worth[acoustic[1].id]
    dirty = [replace(each, id=each.id + 70, qualities=("distortion",)) for each in sounds(model, "guitar", 30, 30)]
    worth = {id: place for id, (place, _) in in_register(parse_query("high dirty guitar"), dirty + acoustic).items()}
    assert {worth[each.id] for each in dirty} == {0.0}


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

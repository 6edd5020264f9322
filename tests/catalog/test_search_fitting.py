"""Whether anything fits a query at all, and what of a search may go into a pack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.errors import SearchError
from catalog.library import Library
from catalog.query import contradicts, parse_query
from catalog.records import SampleFilter, SampleRecord
from catalog.search import fitting, nothing_known
from generation.prompts.vocabulary import SOURCES
from tests.catalog.toy_shelf import EMBEDDER, ids

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
    assert ids(fitting(stocked, EMBEDDER, "dark bass")) == [shelf["dark bass"], shelf["dirty bass"]]
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
        ("A1", ("guitar percussive", "bass"), ()),
        ("A2", (), ("guitar percussive", "bass")),  # the sound's note is A1
        ("synthetic organ", ("organ electronic", "organ synthetic"), ("organ acoustic",)),
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

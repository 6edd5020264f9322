"""Captions say what the tags say: read back, they give the same tags."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.corpus.programs import PROGRAMS, Program
from generation.errors import ConfigError
from generation.prompts import thesaurus
from generation.prompts.captions import Language, misspelled, plain_caption, tag_caption
from generation.prompts.selection import all_prompts
from generation.prompts.vocabulary import (
    CELLS,
    FAMILIES,
    QUALITIES,
    SOURCES,
    exclusive_pair,
    instruments,
    misspellings,
    synonyms,
    understand,
)

LANGUAGES: tuple[Language, ...] = ("en", "es")

labels = st.sets(st.sampled_from(QUALITIES), max_size=4).filter(lambda q: exclusive_pair(tuple(q)) is None)
notes = st.none() | st.integers(0, 127)
dice = st.integers(0, 2**32).map(random.Random)


def test_tag_captions_are_those_of_the_thesis() -> None:
    assert tag_caption("synthetic", ["nonlinear_env", "fast_decay", "distortion"], "keyboard") == (
        "synthetic distortion fast_decay nonlinear_env keyboard"
    )
    assert tag_caption("electronic", [], "bass") == "electronic bass"
    assert tag_caption("synthetic", ["dark"], "bass", 33) == "synthetic dark bass, A1"
    assert tag_caption(None, ["dark"], "bass") == "dark bass"


def test_all_tag_captions_read_back_as_their_tags() -> None:
    for prompt in all_prompts():
        told = understand(tag_caption(prompt.source, prompt.qualities, prompt.family, 45))
        assert (told.source, told.qualities, told.family, told.note) == (
            prompt.source, prompt.qualities, prompt.family, 45,
        )  # fmt: skip
        assert not told.words_unknown


@settings(deadline=None)
@given(st.sampled_from(CELLS), labels, notes, st.none() | dice, st.sampled_from(["en", "es"]))
def test_plain_captions_read_back_as_their_tags(
    cell: tuple[str, str], qualities: set[str], note: int | None, rng: random.Random | None, language: Language
) -> None:
    source, family = cell
    caption = plain_caption(source, sorted(qualities), family, note, rng, language=language)
    told = understand(caption)
    assert (told.source, told.family, set(told.qualities), told.note) == (source, family, qualities, note), caption
    assert not told.words_unknown, caption


@settings(deadline=None)
@given(st.sampled_from(PROGRAMS), labels, notes, st.none() | dice, st.sampled_from(["en", "es"]))
def test_captions_with_an_instrument_claim_no_more_than_the_tags(
    program: Program, qualities: set[str], note: int | None, rng: random.Random | None, language: Language
) -> None:
    caption = plain_caption(program.source, sorted(qualities), program.family, note, rng, program.name, language)
    told = understand(caption)
    assert (told.source, told.family, set(told.qualities), told.note) == (
        program.source, program.family, qualities, note,
    ), caption  # fmt: skip


def test_plain_captions_without_dice_are_plain_and_the_same() -> None:
    for _ in range(2):
        assert plain_caption("electronic", ["fast_decay", "dark"], "guitar", 33) == "a dark, short electric guitar, A1"
        assert (
            plain_caption("acoustic", ["reverb"], "keyboard", instrument="harpsichord") == "a reverberant harpsichord"
        )
        assert plain_caption("electronic", [], "string", instrument="synth strings") == "synth strings"
        assert plain_caption("acoustic", ["dark"], "guitar", instrument="guitarra", language="es") == (
            "guitarra acústica oscura"
        )
        assert plain_caption("electronic", ["dark", "bright"], "bass", 40, language="es") == (
            "bajo eléctrico brillante y oscuro, E2"
        )


def test_a_name_that_promises_too_much_loses_its_promise() -> None:
    assert plain_caption("acoustic", [], "keyboard", instrument="mellow piano") == "an acoustic piano"
    assert plain_caption("acoustic", ["dark"], "keyboard", instrument="mellow piano") == "an acoustic mellow piano"
    assert plain_caption("electronic", [], "flute", instrument="calliope") == "an electric calliope flute"


def test_dice_draw_many_words_and_languages_differ() -> None:
    rng = random.Random(7)
    drawn = {plain_caption("synthetic", ["dark", "reverb"], "bass", rng=rng) for _ in range(300)}
    assert len(drawn) > 100
    assert any("warm" in c for c in drawn) and any(" with " in c for c in drawn)
    spoken = {plain_caption("electronic", [], "keyboard", rng=rng, instrument="rhodes") for _ in range(60)}
    assert any("fender rhodes" in c for c in spoken)
    same = [plain_caption("acoustic", ["dark"], "vocal", rng=random.Random(3)) for _ in range(2)]
    assert same[0] == same[1]


def test_misspelled_captions_differ_and_mean_the_same() -> None:
    rng = random.Random(5)
    changed = 0
    for source, family in CELLS:
        for name in instruments(family)[:6]:
            caption = plain_caption(source, ["dark"], family, 40, rng, name)
            typed = misspelled(caption, rng)
            changed += typed != caption
            assert (understand(typed).family, understand(typed).qualities) == (family, ("dark",)), typed
    assert changed > 100
    assert misspelled("zorgly", rng) == "zorgly"


def test_what_is_only_searched_for_is_not_drawn() -> None:
    for entry in thesaurus.entries():
        for words in (*entry.searched, *entry.searched_spanish):
            assert words not in (*synonyms(entry.term), *misspellings(entry.term)), words


def test_captions_of_a_corpus_stay_what_they_were() -> None:
    """A change of the word tables that changes the draw makes other captions of the same corpus and seed."""
    rng = random.Random(17)
    drawn = []
    for program in PROGRAMS:
        for language in LANGUAGES * 4:
            qualities = [quality for quality in QUALITIES if rng.random() < 0.2]
            source = rng.choice((program.source, None))
            caption = plain_caption(source, qualities, program.family, None, rng, program.name, language)
            drawn += [caption, misspelled(caption, rng)]
    for term in (*SOURCES, *FAMILIES, *QUALITIES, *(name for family in FAMILIES for name in instruments(family))):
        drawn.append(rng.choice((*synonyms(term), *misspellings(term))))
    assert hashlib.sha256("\n".join(drawn).encode()).hexdigest()[:16] == "cc40d8c5a34e3cd6"


def test_a_note_beyond_midi_is_refused() -> None:
    with pytest.raises(ConfigError, match="MIDI note 128"):
        tag_caption("acoustic", [], "bass", 128)

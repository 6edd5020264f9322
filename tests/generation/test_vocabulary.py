"""NSynth's words and cells, note names, and what producers' sentences mean in two languages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.corpus.programs import PROGRAMS
from generation.errors import ConfigError
from generation.prompts import thesaurus
from generation.prompts.searched import SEARCHED_TABLE
from generation.prompts.timbre import SEARCH_ONLY
from generation.prompts.vocabulary import (
    CELLS,
    EMPTY_CELLS,
    EXCLUSIVE_PAIRS,
    FAMILIES,
    QUALITIES,
    SOURCES,
    THIN_CELLS,
    exclusive_pair,
    in_order,
    instruments,
    misspellings,
    note_name,
    parse_note,
    synonyms,
    understand,
)


def test_words_and_cells_are_nsynths() -> None:
    assert (len(SOURCES), len(FAMILIES), len(QUALITIES), len(CELLS)) == (3, 11, 10, 28)
    assert (FAMILIES.index("synth_lead"), QUALITIES.index("tempo-synced"), SOURCES.index("synthetic")) == (9, 9, 2)
    assert set(EMPTY_CELLS) == {
        ("synthetic", "brass"), ("synthetic", "organ"), ("synthetic", "string"),
        ("acoustic", "synth_lead"), ("electronic", "synth_lead"),
    }  # fmt: skip
    assert set(THIN_CELLS) == {
        ("acoustic", "bass"), ("acoustic", "organ"), ("electronic", "brass"), ("electronic", "flute"),
        ("electronic", "reed"), ("electronic", "string"), ("electronic", "vocal"),
    }  # fmt: skip
    assert list(CELLS) == sorted(CELLS, key=lambda cell: (SOURCES.index(cell[0]), FAMILIES.index(cell[1])))


@settings(deadline=None)
@given(st.integers(0, 127))
def test_note_names_round_trip(midi: int) -> None:
    assert parse_note(note_name(midi)) == midi
    assert understand(f"bass, {note_name(midi)}").note == midi


@pytest.mark.parametrize(
    ("text", "midi"),
    [
        ("midi 21", 21),
        ("midi 108", 108),
        ("midi note 12", 12),
        ("midi nota 127", 127),
        ("midi: 60", 60),
        ("A1", 33),
        ("a#1", 34),
        ("Bb1", 34),
        ("C4", 60),
        ("C-1", 0),
        ("G9", 127),
        ("B♭2", 46),
        ("F♯3", 54),
        (" e2 ", 40),
        ("A sharp 2", 46),
        ("b-flat 3", 58),
        ("D# 3", 51),
        ("midi 45", 45),
        ("MIDI note 60", 60),
        ("la#2", 46),
        ("La sostenido 2", 46),
        ("si bemol 1", 34),
        ("sol3", 55),
        ("fa4", 65),
        ("E flat -1", 3),
    ],
)
def test_notes_are_read_as_written(text: str, midi: int) -> None:
    assert parse_note(text) == midi


@pytest.mark.parametrize("text", ["", "H2", "A", "33", "A10", "G#9", "Cb-1", "A1x", "C##2"])
def test_what_is_no_note_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="is no note name; write a letter A to G") as caught:
        parse_note(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["give me a #2 bass", "midi keyboard 2", "midi 128", "bass in la 2", "C# 12", "solo3"]
    + ["midi 2 synth bass", "midi 1.0 bass", "midi 45.5", "midi 24 bit", "midi 24-bit", "midi 109", "midi note 128"],
)
def test_what_only_looks_like_a_note_is_none(text: str) -> None:
    assert understand(text).note is None


def test_a_bit_crushed_sound_may_have_a_midi_number() -> None:
    assert understand("midi 45 bit crushed bass").note == 45


@pytest.mark.parametrize("midi", [-1, 128])
def test_numbers_beyond_midi_have_no_name(midi: int) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        note_name(midi)


def test_exclusive_pairs_are_found_and_qualities_ordered() -> None:
    assert all(exclusive_pair(pair[::-1]) == pair for pair in EXCLUSIVE_PAIRS)
    assert exclusive_pair(("bright", "reverb", "percussive")) is None
    assert in_order(("reverb", "dark", "reverb")) == ("dark", "reverb")


UNDERSTOOD: list[tuple[str, str | None, str | None, tuple[str, ...]]] = [
    # NSynth's own words
    ("synthetic distortion fast_decay nonlinear_env keyboard", "synthetic", "keyboard",
     ("distortion", "fast_decay", "nonlinear_env")),
    ("electronic bass", "electronic", "bass", ()),
    ("synthetic tempo-synced synth_lead", "synthetic", "synth_lead", ("tempo-synced",)),
    # instruments
    ("harpsichord", "acoustic", "keyboard", ()), ("clavinet", "electronic", "keyboard", ()),
    ("rhodes", "electronic", "keyboard", ()), ("upright bass", "acoustic", "bass", ()),
    ("808", "synthetic", "bass", ()), ("sax", "acoustic", "reed", ()), ("oboe", "acoustic", "reed", ()),
    ("clarinets", "acoustic", "reed", ()), ("trombone", "acoustic", "brass", ()),
    ("French Horns", "acoustic", "brass", ()), ("violin", "acoustic", "string", ()),
    ("cello", "acoustic", "string", ()), ("harp", "acoustic", "string", ()), ("sitar", "acoustic", "guitar", ()),
    ("banjo", "acoustic", "guitar", ()), ("marimba", "acoustic", "mallet", ()),
    ("glockenspiel", "acoustic", "mallet", ()), ("kalimba", "acoustic", "mallet", ()),
    ("steel drums", "acoustic", "mallet", ()), ("choir", None, "vocal", ()), ("choir aahs", None, "vocal", ()),
    ("church organ", "acoustic", "organ", ()), ("hammond b3", "electronic", "organ", ()),
    ("electric piano", "electronic", "keyboard", ()), ("bass guitar", "electronic", "bass", ()),
    # a longer phrase, the head noun, a weak word
    ("bass clarinet", "acoustic", "reed", ()), ("bell piano", None, "keyboard", ()),
    ("lead guitar", None, "guitar", ()), ("guitar lead", None, "guitar", ()),
    ("synth lead", "synthetic", "synth_lead", ()),
    ("organ with choir", None, "organ", ()), ("flute-like organ", None, "organ", ()),
    ("nylon guitar strings", "acoustic", "guitar", ()), ("vox continental", "electronic", "organ", ()),
    # the source: named beats implied beats usual
    ("electric violin", "electronic", "string", ()), ("moog violin", "synthetic", "string", ()),
    ("electric fm piano", "electronic", "keyboard", ()), ("piano", None, "keyboard", ()),
    ("acoustic synth flute", None, "flute", ()),
    # timbre and playing
    ("warm dark mellow bass", None, "bass", ("dark",)), ("shiny plucked bass", None, "bass", ("bright", "fast_decay")),
    ("gritty fuzzy distorted guitar", None, "guitar", ("distortion",)),
    ("short punchy bass", None, "bass", ("fast_decay", "percussive")),
    ("long ambient voice", None, "vocal", ("long_release", "reverb")),
    ("chordal keys, pulsing", None, "keyboard", ("multiphonic", "tempo-synced")),
    ("slapped electric bass", "electronic", "bass", ("percussive",)),
    ("pizzicato strings", None, "string", ("fast_decay",)), ("wet roomy flute", None, "flute", ("reverb",)),
    ("wobble bass", None, "bass", ("tempo-synced",)),
    ("arpeggiated synth lead", "synthetic", "synth_lead", ("tempo-synced",)),
    # misspelled
    ("guitarr", None, "guitar", ()), ("saxaphone", "acoustic", "reed", ()), ("pinao", None, "keyboard", ()),
    ("harpsicorrd", "acoustic", "keyboard", ()), ("brigth flut", None, "flute", ("bright",)),
    # Spanish, with and without accents
    ("bajo cálido", None, "bass", ("dark",)), ("bajo calido y corto", None, "bass", ("dark", "fast_decay")),
    ("guitarra acústica brillante", "acoustic", "guitar", ("bright",)),
    ("GUITARRA ACUSTICA OSCURA", "acoustic", "guitar", ("dark",)),
    ("flauta con reverberación", None, "flute", ("reverb",)),
    ("voz distorsionada larga", None, "vocal", ("distortion", "long_release")),
    ("campana", None, "mallet", ()), ("coro de voces", None, "vocal", ()), ("caja de música", "acoustic", "mallet", ()),
    ("órgano de iglesia", "acoustic", "organ", ()), ("clarinete bajo", "acoustic", "reed", ()),
    ("bajo de sintetizador", "synthetic", "bass", ()), ("teclado eléctrico", "electronic", "keyboard", ()),
    # searched for only: played, synthesised, of a country, misspelled
    ("picked bass", "electronic", "bass", ()), ("finger bass", "electronic", "bass", ()),
    ("bowed bass", "acoustic", "bass", ()), ("bajo con arco", "acoustic", "bass", ()),
    ("bajo frotado", "acoustic", "bass", ()), ("square bass", "synthetic", "bass", ()),
    ("sine bass", "synthetic", "bass", ()), ("bajo de onda cuadrada", "synthetic", "bass", ()),
    ("analog bass", "synthetic", "bass", ()), ("lead analógico", "synthetic", "synth_lead", ()),
    ("flauta transversal", "acoustic", "flute", ()), ("flauta traversa", "acoustic", "flute", ()),
    ("guitarrón", "acoustic", "guitar", ()), ("vihuela", "acoustic", "guitar", ()),
    ("requinto", "acoustic", "guitar", ()), ("clarinete requinto", "acoustic", "reed", ()),
    ("guitarra criolla", "acoustic", "guitar", ()), ("cuatro venezolano", "acoustic", "guitar", ()),
    ("tres cubano", "acoustic", "guitar", ()), ("una corda", "acoustic", "keyboard", ()),
    ("campanita", None, "mallet", ()), ("campanitas", None, "mallet", ()),
    ("digital bells", "synthetic", "mallet", ()), ("campanas digitales", "synthetic", "mallet", ()),
    ("solina strings", "electronic", "string", ()), ("rave hoover", "synthetic", "synth_lead", ()),
    ("hoover bass", "synthetic", "bass", ()), ("vientos de metal", None, "brass", ()),
    ("acoustik guitar", "acoustic", "guitar", ()), ("órgano elecrtico", "electronic", "organ", ()),
    ("brilante", None, None, ("bright",)), ("pizicato", None, None, ("fast_decay",)),
    ("vilon", "acoustic", "string", ()),
    # an article behind "de"
    ("órgano de la iglesia", "acoustic", "organ", ()), ("órganos de las iglesias", "acoustic", "organ", ()),
    ("órgano del teatro", "acoustic", "organ", ()), ("caja de la música", "acoustic", "mallet", ()),
    ("piano de la", None, "keyboard", ()), ("solo de la flauta", None, "flute", ()),
    # nothing certain
    ("onda de sierra", "synthetic", None, ()), ("future bass chord", None, None, ("multiphonic",)),
    ("bass house", None, None, ()), ("bass music", None, None, ()), ("future bass lead", "synthetic", "synth_lead", ()),
    ("vientos de madera", None, None, ()), ("cowbell", None, None, ()), ("log drum", None, None, ()),
    ("'dark bass'", None, "bass", ("dark",)),
    ("tremolo", None, None, ()), ("muted", None, None, ()), ("dark pad", None, None, ("dark",)),
    ("kick drum", None, None, ()),
    ("drum and bass", None, None, ()), ("", None, None, ()), ("???", None, None, ()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "source", "family", "qualities"), UNDERSTOOD, ids=[row[0] for row in UNDERSTOOD])
def test_producers_words(text: str, source: str | None, family: str | None, qualities: tuple[str, ...]) -> None:
    told = understand(text)
    assert (told.source, told.family, told.qualities) == (source, family, qualities)


def test_several_instruments_on_a_par_are_not_decided() -> None:
    for text in ("bass or guitar", "bass and guitar", "bajo y guitarra", "bass, guitar", "bass/guitar"):
        told = understand(text)
        assert told.family is None and told.families == ("bass", "guitar"), text
    assert understand("violin or cello").family == "string"


def test_denied_qualities_are_not_claimed() -> None:
    told = understand("dark bass without reverb or distortion")
    assert told.qualities == ("dark",) and told.qualities_excluded == ("distortion", "reverb")
    told = understand("bajo sin reverb, brillante")
    assert told.qualities == ("bright",) and told.qualities_excluded == ("reverb",)
    assert understand("strings, not a guitar").family == "string"


def test_used_and_unknown_words_are_told_apart() -> None:
    told = understand("warm zorgly rhodes with tremolo 02, A1 please")
    assert told.words_used == ("warm", "rhodes", "tremolo", "a1")
    assert told.words_unknown == ("zorgly",)
    assert told.instruments == ("rhodes",) and told.note == 33
    assert understand("bass C1 C2").note is None


def test_a_source_is_said_or_only_implied() -> None:
    said = ("electric violin", "synth bass", "electric guitar", "acoustic", "bajo de sintetizador", "synth strings")
    assert all(understand(text).says_source for text in said)
    implied = ("violin", "bass guitar", "harpsichord", "trumpet", "moog bass", "808", "piano", "bass", "")
    assert not any(understand(text).says_source for text in implied)


def test_no_phrase_has_two_meanings() -> None:
    meant: dict[thesaurus.Phrase, set[str]] = {}
    for entry in thesaurus.entries():
        searched = (*entry.searched, *entry.searched_spanish)
        for words in (entry.term, *entry.words(), *entry.misspelled, *entry.implied_by, *searched):
            meant.setdefault(thesaurus.phrase(words), set()).add(entry.term)
    for words in SEARCH_ONLY.split(","):
        meant.setdefault(thesaurus.phrase(words), set()).add("search only")
    assert {words: terms for words, terms in meant.items() if len(terms) > 1} == {}
    assert () not in meant


def test_every_word_of_the_tables_is_understood_as_its_term() -> None:
    for entry in thesaurus.entries():
        for words in (*entry.words(), *entry.misspelled, *entry.searched, *entry.searched_spanish):
            told = understand(words)
            meaning = entry.meaning
            if meaning.quality:
                assert meaning.quality in told.qualities, words
            elif meaning.family:
                assert (told.family, told.source) == (meaning.family, meaning.source), words
            else:
                assert told.source == meaning.source, words
            assert not told.words_unknown, words


def test_what_is_only_searched_for_adds_to_an_entry_that_is_there() -> None:
    lines = [line for line in SEARCHED_TABLE.split("\n") if line.strip() and not line.startswith(8 * " ")]
    terms = [line.partition(";")[0].strip() for line in lines]
    added = [entry.term for entry in thesaurus.entries() if entry.searched or entry.searched_spanish]
    assert sorted(terms) == sorted(added)


def test_an_article_behind_de_is_part_of_the_name() -> None:
    told = understand("un órgano de la iglesia oscuro")
    assert told.instruments == ("church organ",) and told.words_used == ("organo de la iglesia", "oscuro")
    assert told.wanted == "un órgano de la iglesia oscuro" and told.words_unknown == ()
    assert understand("coro, sin órgano de la iglesia").wanted == "coro"


def test_tables_name_only_what_nsynth_knows_and_every_family_has_instruments() -> None:
    assert {e.term for e in thesaurus.entries() if e.meaning.quality} == set(QUALITIES)
    assert {e.meaning.source for e in thesaurus.entries()} == {None, *SOURCES}
    assert all(len(instruments(family)) >= 4 for family in FAMILIES)
    assert all(synonyms(term)[0] == term and len(synonyms(term)) > 1 for term in (*SOURCES, *FAMILIES, *QUALITIES))
    assert {"keys", "teclado"} <= set(synonyms("keyboard")) and "harpsichord" in instruments("keyboard")
    assert {"warm", "cálido", "cálida"} <= set(synonyms("dark"))
    assert "saxaphone" in misspellings("saxophone")
    assert synonyms("zorgly") == misspellings("zorgly") == ()


def test_the_rendered_corpus_calls_its_instruments_what_they_are() -> None:
    for program in PROGRAMS:
        assert understand(program.name).family in (program.family, None), program.name


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_without_error(text: str) -> None:
    told = understand(text)
    assert told.family in (None, *FAMILIES) and told.qualities == in_order(told.qualities)


def test_the_vocabulary_needs_no_third_party_package() -> None:
    code = "import sys, generation.prompts.plan; from generation.prompts.vocabulary"
    code += " import understand; understand('bass'); print(sorted(m for m in sys.modules if m.split('.')[0] in"
    code += " {'numpy', 'torch', 'pydantic', 'yaml', 'soundfile', 'librosa'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

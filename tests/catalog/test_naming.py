"""File names: words first, note last, no brand, no collision, nothing that a sampler or a disk dislikes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.packs.naming import (
    BRANDS,
    FAMILY_WORDS,
    PLAIN_INSTRUMENTS,
    QUALITY_WORDS,
    SOURCE_WORDS,
    instrument_word,
    measured_words,
    name_sounds,
)
from catalog.records import ACCEPTED, SampleRecord
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES, instruments, understand

ALLOWED = re.compile(r"[A-Za-z0-9_#-]+")


def sound(id: int = 1, **changes: Any) -> SampleRecord:
    values: dict[str, Any] = {
        "id": id,
        "job_key": f"{id:032x}",
        "file": None,
        "sha256": None,
        "model": "toy",
        "model_id": 1,
        "commercial": "yes",
        "prompt": "acoustic dark bass",
        "source": "acoustic",
        "family": "bass",
        "qualities": ("dark",),
        "note_asked": None,
        "midi_note": 33,
        "cents": 0.0,
        "pitch_confidence": 0.9,
        "lufs": -20.0,
        "peak_dbfs": -6.0,
        "attack_s": 0.02,
        "decay_s": 0.3,
        "bandwidth_hz": 3_000.0,
        "centroid_hz": 900.0,
        "duration_s": 1.0,
        "sample_rate_hz": 16_000,
        "seed": id,
        "status": ACCEPTED,
        "reasons": (),
        "sources": (),
        "score": None,
        "review": None,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return SampleRecord(**values | changes)


def name(**changes: Any) -> str:
    return name_sounds([sound(**changes)])[1]


# -------------------- the words


def test_words_first_and_the_measured_note_last() -> None:
    assert name() == "dark_bass_A1"
    assert name(midi_note=34) == "dark_bass_A#1"
    assert name(midi_note=None) == "dark_bass"
    assert name(note_asked=60, midi_note=33).endswith("_A1")


def test_the_prompts_own_word_for_a_quality_is_used() -> None:
    assert name(prompt="a warm bass", qualities=("dark",)) == "warm_bass_A1"
    assert name(prompt="gritty plucked bass", qualities=("distortion", "fast_decay")) == "gritty_plucked_bass_A1"


def test_the_instrument_of_the_prompt_names_the_sound() -> None:
    assert name(prompt="a dark harpsichord", family="keyboard") == "dark_harpsichord_A1"
    assert name(prompt="harpsichord and marimba", family="keyboard") == "dark_keys_A1"


@pytest.mark.parametrize(
    ("prompt", "noun"),
    [
        ("a dark rhodes", "electric_piano"),
        ("wurlitzer", "electric_piano"),
        ("hammond b3 organ", "drawbar_organ"),
    ],
)
def test_brands_become_plain_words(prompt: str, noun: str) -> None:
    assert name(prompt=prompt, family="keyboard") == f"dark_{noun}_A1"


@pytest.mark.parametrize("prompt", ["moog dark bass", "dark bass like Daft Punk", "dark 808 bass", "dx7 909 bass"])
def test_stray_words_of_a_prompt_stay_out(prompt: str) -> None:
    words = name(prompt=prompt).removesuffix("_A1").split("_")
    assert set(words) <= {"dark", "bass", "synth", "sub"}


def test_a_sound_without_qualities_gets_a_true_adjective() -> None:
    assert name(qualities=(), prompt="acoustic bass") == "acoustic_bass_A1"
    assert name(qualities=(), source=None, prompt="bass", duration_s=0.2) == "short_bass_A1"
    assert name(qualities=(), source=None, prompt="bass") not in ("", "_bass_A1")


def test_measured_words_do_not_contradict_the_qualities() -> None:
    short: dict[str, Any] = {
        "duration_s": 0.2,
        "attack_s": 0.001,
        "centroid_hz": 300.0,
        "bandwidth_hz": 9_000.0,
    }
    assert measured_words(sound(qualities=(), **short)) == ("short", "sharp", "deep", "airy")
    assert measured_words(sound(qualities=("long_release", "bright"), **short)) == ("sharp", "airy")
    assert "airy" not in measured_words(sound(qualities=("dark",), **short))
    nothing: dict[str, Any] = dict.fromkeys(short)
    assert measured_words(sound(**nothing)) == ()


def test_no_more_than_three_qualities() -> None:
    every = ("bright", "distortion", "fast_decay", "percussive", "reverb")
    assert name(qualities=every, prompt="bass") == "bright_distorted_plucked_bass_A1"


# -------------------- no two alike


def test_equal_sounds_get_different_true_words() -> None:
    names = name_sounds([sound(id) for id in range(1, 9)])
    assert len({n.casefold() for n in names.values()}) == 8
    assert names[1] == "dark_bass_A1"
    assert names[2] == "dark_acoustic_bass_A1"
    assert names[3] == "warm_dark_bass_A1"
    for text in names.values():
        assert understand(text.replace("_", " ")).family == "bass"


def test_hundreds_of_equal_sounds_need_no_number() -> None:
    names = name_sounds([sound(id, midi_note=None) for id in range(400)])
    assert len({n.casefold() for n in names.values()}) == 400
    assert not any(character.isdigit() for text in names.values() for character in text)


def test_names_do_not_depend_on_the_order_of_the_choice() -> None:
    sounds = [sound(id, midi_note=30 + id % 3) for id in range(12)]
    assert name_sounds(sounds) == name_sounds(sounds[::-1])


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from([None, *SOURCES]),
            st.sampled_from(FAMILIES),
            st.sets(st.sampled_from(QUALITIES), max_size=5),
            st.one_of(st.none(), st.integers(0, 127)),
            st.text(max_size=20),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_any_sounds_get_distinct_names_of_allowed_characters(asked: list[tuple[Any, ...]]) -> None:
    sounds = [
        sound(
            id,
            source=source,
            family=family,
            qualities=tuple(sorted(qualities, key=QUALITIES.index)),
            midi_note=midi,
            prompt=text,
        )
        for id, (source, family, qualities, midi, text) in enumerate(asked)
    ]
    names = name_sounds(sounds)
    assert len({n.casefold() for n in names.values()}) == len(sounds)
    for one in sounds:
        text = names[one.id]
        assert ALLOWED.fullmatch(text)
        assert one.note is None or text.endswith(f"_{one.note}")
        assert not re.search(r"\d", text.removesuffix(str(one.note)))


# -------------------- the tables


def test_the_tables_cover_the_vocabulary() -> None:
    assert set(FAMILY_WORDS) == set(FAMILIES)
    assert set(QUALITY_WORDS) == set(QUALITIES)
    assert set(SOURCE_WORDS) == set(SOURCES)


def test_every_adjective_is_understood_as_its_quality() -> None:
    for quality, words in QUALITY_WORDS.items():
        for word in words:
            assert understand(word).qualities == (quality,), word


def test_no_instrument_of_the_thesaurus_brings_a_brand_or_a_number() -> None:
    for family in FAMILIES:
        for instrument in instruments(family):
            noun = instrument_word(sound(prompt=instrument, family=family))
            assert not BRANDS.intersection(noun.split("_")), noun
            assert not any(character.isdigit() for character in noun), noun
            assert ALLOWED.fullmatch(noun), noun


def test_plain_words_are_used_for_instruments_that_exist() -> None:
    known = {instrument for family in FAMILIES for instrument in instruments(family)}
    assert set(PLAIN_INSTRUMENTS) <= known

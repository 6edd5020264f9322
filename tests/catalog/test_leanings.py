"""What producers' words lean to where they settle nothing: the table, and what a query leaves open."""

from __future__ import annotations

import pytest

from catalog.leanings import Leaning, leanings
from generation.prompts.vocabulary import FAMILIES, QUALITIES, understand


def leaned(text: str) -> dict[str, Leaning]:
    return {one.said: one for one in leanings(understand(text))}


def test_a_pad_and_what_settles_it() -> None:
    pad = leaned("pad")["pad"]
    assert pad.families == ("string", "synth_lead", "organ", "vocal")
    assert (pad.towards, pad.away) == (("long_release", "reverb"), ("fast_decay", "percussive"))
    assert leaned("warm pads")["pads"].families == pad.families
    assert "vocal" not in leaned("pad sin voces")["pad"].families
    assert leaned("guitar pad")["pad"].families == ()
    assert leaned("deep pad")["deep"].families == () and leaned("deep")["deep"].families == ("bass",)


def test_named_and_denied_qualities_are_no_matter_of_leaning() -> None:
    assert leaned("soft flute")["soft"].towards == ("dark",)
    assert leaned("soft bright flute")["soft"] == Leaning("soft", away=("distortion", "percussive"))
    assert "reverb" not in leaned("pad without reverb")["pad"].towards
    assert leaned("plucked pad")["pad"].away == ("percussive",)


def test_words_that_pull_both_ways_leave_it_open() -> None:
    both = leaned("soft supersaw")
    assert both["supersaw"].towards == () and both["supersaw"].families == ("synth_lead",)
    assert both["soft"].away == ("distortion", "percussive")
    assert leaned("soft aggressive bass")["soft"].away == ("bright",)


def test_a_denied_word_leans_the_other_way() -> None:
    assert leaned("bass, not harsh")["not harsh"] == Leaning("not harsh", away=("distortion", "bright"), opposite=True)


@pytest.mark.parametrize(
    ("english", "spanish"),
    [("soft", "suave"), ("aggressive", "agresiva"), ("clean", "limpio"), ("dry", "seca"), ("sustained", "sostenido")]
    + [
        ("deep", "profunda"),
        ("metallic", "metálico"),
        ("ethereal", "etérea"),
        ("hollow", "hueca"),
        ("lush", "exuberante"),
    ],
)
def test_both_languages_lean_alike(english: str, spanish: str) -> None:
    (one,), (other,) = leaned(english).values(), leaned(spanish).values()
    assert (one.families, one.towards, one.away) == (other.families, other.towards, other.away)


@pytest.mark.parametrize("text", ["kick drum", "snare", "hihat", "bass", "zorbish", "tremolo", ""])
def test_most_words_lean_to_nothing(text: str) -> None:
    assert leaned(text) == {}


def test_leanings_name_only_what_nsynth_knows() -> None:
    words = "pad drone ambient ethereal dreamy lush airy epic soft smooth aggressive harsh rough growl clean dry tight"
    for word in [
        *words.split(),
        "held",
        "bowed",
        "supersaw",
        "metallic",
        "sub",
        "hollow",
        "nasal",
        "woodwind",
        "female",
    ]:
        for one in leaned(word).values():
            assert set(one.families) <= set(FAMILIES), word
            assert {*one.towards, *one.away} <= set(QUALITIES) and not set(one.towards) & set(one.away), word

"""What producers' words lean to where they settle nothing: the table, and what a query leaves open."""

from __future__ import annotations

import pytest

from catalog.leanings import LEANING_TABLE, Leaning, leanings
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
        ("cowbell", "cencerro"),
        ("woodblock", "caja china"),
        ("winds", "vientos"),
        ("woodwinds", "vientos de madera"),
        ("saw wave", "onda de sierra"),
        ("baritone", "barítono"),
        ("falsetto", "falsete"),
    ],
)
def test_both_languages_lean_alike(english: str, spanish: str) -> None:
    (one,), (other,) = leaned(english).values(), leaned(spanish).values()
    assert (one.families, one.towards, one.away) == (other.families, other.towards, other.away)


@pytest.mark.parametrize(
    ("text", "families"),
    [("gong", "mallet"), ("phonk cowbell", "mallet"), ("agogo", "mallet"), ("wood block tonal", "mallet")]
    + [("log drum amapiano", "mallet bass"), ("col legno", "string"), ("soprano", "vocal"), ("beatbox", "vocal")]
    + [("falsetto", "vocal"), ("yodel", "vocal"), ("talk box", "vocal"), ("mellotron", "keyboard string flute vocal")]
    + [("detuned saw", "synth_lead bass"), ("winds", "flute reed brass"), ("vientos de madera", "flute reed")]
    + [("tenor sax", ""), ("soprano saxophone", ""), ("soprano recorder", ""), ("tenor trombone", ""), ("saw lead", "")]
    + [("mellotron strings", ""), ("vientos de metal", ""), ("baritone guitar", "")],
)
def test_words_lean_to_families_where_nothing_names_one(text: str, families: str) -> None:
    assert " ".join(family for one in leaned(text).values() for family in one.families) == families


def test_warm_is_not_distorted_unless_it_is_said() -> None:
    for text in ("warm guitar", "mellow guitar", "guitarra cálida", "bajos cálidos"):
        assert [one.away for one in leaned(text).values()] == [("distortion",)], text
    assert leaned("warm distorted guitar") == leaned("warm guitar, no distortion") == {}
    assert not any(one.opposite for one in leaned("warm pad").values())  # a dark guitar is no pad for being undistorted


def test_a_bowed_bass_is_not_plucked() -> None:
    for text in ("bowed bass", "arco bass", "bajo con arco", "bajo frotado"):
        assert leaned(text)[text] == Leaning(text, weak=True, away=("fast_decay", "percussive"))


@pytest.mark.parametrize("text", ["kick drum", "snare", "hihat", "bass", "zorbish", "tremolo", ""])
def test_most_words_lean_to_nothing(text: str) -> None:
    assert leaned(text) == {}


def table() -> list[list[str]]:
    """The lines of the table: words, families, qualities leant to, qualities leant away from."""
    lines = LEANING_TABLE.replace("\n" + 8 * " ", " ").split("\n")
    return [[part.strip() for part in line.split(";")] for line in lines if line.strip()]


def test_leanings_name_only_what_nsynth_knows() -> None:
    assert len(table()) > 40
    for words, families, towards, away in table():
        assert set(families.removeprefix("~").split()) <= set(FAMILIES), words
        assert {*towards.split(), *away.split()} <= set(QUALITIES), words
        assert not set(towards.split()) & set(away.split()), words
        assert families or towards or away, words


def test_every_word_of_the_table_leans() -> None:
    said = [word for words, *_ in table() for word in words.replace(" ", "_").replace(",_", " ").split()]
    forms = [form for word in said for form in ((word[:-2], word[:-3] + "a") if word.endswith("o/a") else (word,))]
    assert len(forms) == len(set(forms)) > 200
    for form in forms:
        told = understand(form.replace("_", " "))
        # A word that names a quality or instrument as well may leave nothing open.
        assert leanings(told) or told.qualities or told.families, form
        if not (told.qualities or told.families):
            assert leaned(form.replace("_", " "))[form.replace("_", " ")], form

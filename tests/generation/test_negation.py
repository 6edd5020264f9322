"""What a sentence denies: the words that deny, how far each reaches, and what is left that is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.prompts import thesaurus
from generation.prompts.negation import NEGATIONS
from generation.prompts.notes import plain_notes
from generation.prompts.timbre import THINGS
from generation.prompts.vocabulary import understand

DENIED = [
    # text, families named, families denied, what is left of the text
    ("pad without bass", (), ("bass",), "pad"), ("pad sin bajo", (), ("bass",), "pad"),
    ("synth no vocal", (), ("vocal",), "synth"), ("sin voces", (), ("vocal",), "sin voces"),
    ("not a bass, dark", (), ("bass",), "dark"), ("no bass", (), ("bass",), "no bass"),
    ("anything but bass", (), ("bass",), "anything but bass"),
    ("todo menos bajo, oscuro", (), ("bass",), "oscuro"),
    ("strings, not a guitar", ("string",), ("guitar",), "strings"),
    ("neither bass nor guitar, dark", (), ("bass", "guitar"), "dark"),
    ("dark except bass", (), ("bass",), "dark"), ("oscuro salvo bajo", (), ("bass",), "oscuro"),
    ("oscuro excepto el bajo", (), ("bass",), "oscuro"),
    ("tampoco guitarra, órgano", ("organ",), ("guitar",), "órgano"),
    ("organ, isn't a flute", ("organ",), ("flute",), "organ"),
    ("organ, doesn’t have voices", ("organ",), ("vocal",), "organ"),
    ("dont want bass, warm", (), ("bass",), "warm"), ("pad, no bass and vocals", (), ("bass", "vocal"), "pad"),
    ("guitar instead of bass", ("guitar",), ("bass",), "guitar"),
    ("pad, no human voice", (), ("vocal",), "pad"), ("me falta un bajo", ("bass",), (), "me falta un bajo"),
    # named as well as denied
    ("bass, no bass", ("bass",), (), "bass"), ("nothing but bass", ("bass",), (), "nothing but bass"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named", "denied", "wanted"), DENIED, ids=[row[0] for row in DENIED])
def test_what_is_denied_is_not_asked_for(
    text: str, named: tuple[str, ...], denied: tuple[str, ...], wanted: str
) -> None:
    told = understand(text)
    assert (told.families, told.families_excluded, told.wanted) == (named, denied, wanted)
    assert told.family == (named[0] if named else None)
    assert not {word for word in told.words_used if understand(word).family in denied}


@pytest.mark.parametrize(
    "text",
    [
        "I don't want anything bright, just a bass",
        "ausencia de brillo en un bajo",
        "lack of brightness in a bass",
        "bass, nothing bright",
        "bajo, falta de brillo",
    ],
)
def test_qualities_are_denied_in_many_ways(text: str) -> None:
    told = understand(text)
    assert (told.family, told.qualities, told.qualities_excluded) == ("bass", (), ("bright",))
    assert "bri" not in told.wanted


def test_denied_instruments_sources_words_and_notes() -> None:
    assert understand("keys, no rhodes").instruments_excluded == ("rhodes",)
    assert understand("keys, no rhodes").families_excluded == ()
    assert understand("guitar, no synths").sources_excluded == ("synthetic",)
    told = understand("organ, no kick drum, not zorbish")
    assert (told.words_excluded, told.words_unknown) == (("kick drum", "zorbish"), ())
    assert understand("bass, not A2").note is None


@pytest.mark.parametrize(
    "text",
    ["dark but warm", "not bright but dark", "más o menos oscuro", "not only dark", "no, dark", "oscuro, al menos"],
)
def test_what_only_looks_like_a_denial_denies_nothing_dark(text: str) -> None:
    told = understand(text)
    assert told.qualities == ("dark",) and "dark" not in told.qualities_excluded


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["no", "café", "ﬁn", "bajo", "♯", "e\u0301", "sin", "A sharp 2", ",", "zorg"]), max_size=8)
)
def test_a_text_without_its_denials_is_a_part_of_it(words: list[str]) -> None:
    text = " ".join(words)
    told = understand(text)
    left = iter(plain_notes(text))
    assert told.wanted == text or all(character in left for character in told.wanted.replace(" ", ""))


@pytest.mark.parametrize("words", NEGATIONS, ids=" ".join)
def test_every_denying_word_denies_and_every_look_alike_does_not(words: tuple[str, ...]) -> None:
    told = understand(f"organ, {' '.join(words)} reverb")
    found = (told.qualities, told.qualities_excluded)
    assert found == (((), ("reverb",)) if NEGATIONS[words] else (("reverb",), ()))
    assert told.family == "organ" and not told.words_unknown


REACH = [
    # text, families asked for, qualities asked for, what is denied, what is left of the text.
    # A thing is denied with all that is said of it, known or not.
    ("bass without excessive reverb", "bass", "", "reverb", "bass"),
    ("bass with no audible reverb", "bass", "", "reverb", "bass"),
    ("sin demasiada reverb, bajo", "bass", "", "reverb", "bajo"),
    ("no harsh distortion, bass", "bass", "", "distortion", "bass"),
    ("without long reverb pad", "", "", "reverb", "pad"),
    ("no loud vocals, pad", "", "", "vocal", "pad"),
    ("pad, no loud vocals", "", "", "vocal", "pad"),
    ("pad, no harsh and very loud vocals", "", "", "vocal", "pad"),
    ("no acoustic vocals, pad", "", "", "vocal", "pad"),
    ("no more bass", "", "", "bass", "no more bass"),
    ("without any hint of reverb, bass", "bass", "", "reverb", "bass"),
    ("sin rastro de eco, bajo", "bass", "", "reverb", "bajo"),
    ("I do not like harsh vocals, organ", "organ", "", "vocal", "I, organ"),
    ("pad that does not contain vocals", "", "", "vocal", "pad that"),
    # A denied bass is denied, however it is; how it is, only where the bass is asked for too.
    ("no deep bass", "", "", "bass", "no deep bass"),
    ("no bright guitar", "", "", "guitar", "no bright guitar"),
    ("bass, no deep bass", "bass", "", "deep", "bass"),
    ("bass, no bright bass", "bass", "", "bright", "bass"),
    ("reverb organ, no long reverb", "organ", "reverb", "long_release", "reverb organ"),
    ("pad, no dark pad", "", "", "dark", "pad"),
    ("strings, not a bright guitar", "string", "", "guitar", "strings"),
    # Where no thing follows, how it is.
    ("string no bright", "string", "", "bright", "string"),
    ("bass no bright A2", "bass", "", "bright", "bass A2"),
    ("nothing bright just a bass", "bass", "", "bright", "just a bass"),
    ("bass, no zorbish", "bass", "", "zorbish", "bass"),
    ("no long notes, flute", "flute", "", "long_release", "notes, flute"),
    # A thing ends it.
    ("no distortion guitar", "guitar", "", "distortion", "guitar"),
    ("no drums dark bass", "bass", "dark", "drums", "dark bass"),
    ("guitar no synths dark", "guitar", "dark", "synthetic", "guitar dark"),
    ("no vibrato flute", "flute", "", "vibrato", "flute"),
    ("bajo sin brillo largo", "bass", "long_release", "bright", "bajo largo"),
    # "Not" and "less" deny how it is, unless it is a thing that sounds have.
    ("not overly bright bass", "bass", "", "bright", "bass"),
    ("never ever bright bass", "bass", "", "bright", "bass"),
    ("less bright bass", "bass", "", "bright", "bass"),
    ("not squelchy bass", "bass", "", "squelchy", "bass"),
    ("not a very dark or bright bass", "bass", "", "bright dark", "bass"),
    ("neither dark nor bright bass", "bass", "", "bright dark", "bass"),
    ("less harsh distortion bass", "bass", "", "distortion", "bass"),
    ("a deep sub bass less reverb", "bass", "", "reverb", "a deep sub bass"),
    ("bass, hardly any reverb", "bass", "", "reverb", "bass"),
    ("menos brillo bajo", "bass", "", "bright", "bajo"),
    # Lists.
    ("dark bass, no reverb and distortion", "bass", "dark", "distortion reverb", "dark bass"),
    ("no reverb, distortion or vocals bass", "bass", "", "vocal distortion reverb", "bass"),
    ("no reverb, distortion and delay, organ", "organ", "", "distortion reverb delay", "organ"),
    ("no reverb & delay dark pad", "", "dark", "reverb delay", "dark pad"),
    ("sin reverb ni voces fuertes", "", "", "vocal reverb", "fuertes"),
    ("no reverb and dark bass", "bass", "dark", "reverb", "dark bass"),
    ("no reverb, dark bass", "bass", "dark", "reverb", "dark bass"),
    ("no bass, guitar", "guitar", "", "bass", "guitar"),
    ("no bass, guitar or organ, pad", "", "", "bass guitar organ", "pad"),
    ("no vocals and deep bass, pad", "", "", "vocal bass", "pad"),
    ("bass, not bright and short", "bass", "", "bright fast_decay", "bass"),
    ("not bright and dark bass", "bass", "dark", "bright", "dark bass"),
    ("bass and no reverb", "bass", "", "reverb", "bass"),
    ("nothing bright and a bass", "bass", "", "bright", "a bass"),
    ("dark organ y sin reverb", "organ", "dark", "reverb", "dark organ"),
    # Things of percussion and Spanish notes.
    ("no cowbell dark pad", "", "dark", "cowbell", "dark pad"),
    ("sin cencerro, bajo", "bass", "", "cencerro", "bajo"),
    ("flauta, sin notas altas", "flute", "", "altas", "flauta"),
    ("pad sin vientos de madera", "", "", "vientos de madera", "pad"),
    # A number is no denial.
    ("Bass No 5 bright", "bass", "bright", "", "Bass No 5 bright"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "families", "qualities", "denied", "wanted"), REACH, ids=[row[0] for row in REACH])
def test_how_far_a_denial_reaches(text: str, families: str, qualities: str, denied: str, wanted: str) -> None:
    told = understand(text)
    assert (" ".join(told.families), " ".join(told.qualities)) == (families, qualities)
    excluded = (told.families_excluded, told.sources_excluded, told.qualities_excluded, told.words_excluded)
    assert " ".join(word for words in excluded for word in words) == denied
    assert told.wanted == wanted and not told.instruments_excluded


@pytest.mark.parametrize("quality", ["reverb", "distortion", "bright", "dark", "long", "reverberación", "brillante"])
@pytest.mark.parametrize("before", ["no {}", "without {}", "sin {}", "not {}", "less {}", "never {}"])
@pytest.mark.parametrize("manner", ["", "zorbish ", "harsh ", "too ", "muy "])
def test_what_is_denied_is_never_asked_for(quality: str, before: str, manner: str) -> None:
    named = understand(quality).qualities
    for text in (f"organ, {before.format(manner + quality)}", f"{before.format(manner + quality)}, organ"):
        told = understand(text)
        assert told.family == "organ" and not told.qualities, text
        assert told.qualities_excluded == named or manner == "harsh ", text


def test_things_are_words_of_the_tables() -> None:
    known = thesaurus.lookup()
    assert [words for words in THINGS.split(",") if thesaurus.phrase(words) not in known] == []
    assert all(known[thesaurus.phrase(words)].thing for words in ("reverb", "distorsión", "oboe", "long tail", "pad"))
    assert not any(known[thesaurus.phrase(words)].thing for words in ("bright", "larga", "synth", "deep", "moog"))

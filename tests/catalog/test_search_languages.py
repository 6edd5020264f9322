"""The same search in Spanish and in English: what the ear hears, and the same list."""

from __future__ import annotations

import pytest

from catalog.leanings import ADJECTIVES, LEANING_TABLE, leanings
from catalog.library import Library
from catalog.query import parse_query
from catalog.search import search
from generation.prompts import thesaurus
from generation.prompts.vocabulary import in_english, understand
from tests.catalog.toy_shelf import EMBEDDER

PAIRS = [
    ("bajo oscuro", "dark bass"),
    ("flauta suave", "soft flute"),
    ("violín", "violin"),
    ("guitarra acústica", "acoustic guitar"),
    ("órgano", "organ"),
    ("saxofón oscuro", "dark saxophone"),
    ("sintetizador agresivo", "aggressive synth"),
    ("trompeta con reverberación", "trumpet with reverb"),
    ("coros cálidos", "warm choirs"),
    ("piano eléctrico brillante", "bright electric piano"),
    ("un bajo muy oscuro y cálido, la#1", "a very dark and warm bass, A#1"),
    ("bajo sintetizador gordo", "fat synth bass"),
    ("bajos o guitarras limpias", "basses or clean guitars"),
    ("pad oscuro de cuerdas", "dark strings pad"),
    ("sonido de órgano", "organ sound"),
    ("voces etéreas con mucho eco", "ethereal voices with much echo"),
    ("BAJO zórbish", "zórbish bass"),
    ("lead agresivo", "aggressive lead"),
    ("pad largo", "long pad"),
    ("flautas y tambores", "flutes and drums"),
    ("dos violines", "dos violins"),
    ("guitarras acústicas", "acoustic guitars"),
    ("metales", "brass"),
    ("saxos y contrabajos oscuros", "saxes and dark double basses"),
    ("guitarra en la menor", "guitar in A minor"),
    ("violín si bemol", "B flat violin"),
    ("flauta en fa sostenido mayor", "flute in F sharp major"),
    ("piano en Do mayor", "piano in C major"),
    ("la mayor parte del bajo", "the mayor parte of bass"),
    ("caja de ritmos", "drum machine"),
    ("cajas de ritmos antiguas", "vintage drum machines"),
    ("flauta (suave)", "flute (soft)"),
    ("¡¡bajo oscuro!!!", "¡¡dark bass!!!"),
    ("bajo oscuro… flauta; voz/coro", "dark bass… flute; voice/choir"),
    ("bajo œuvre", "œuvre bass"),
    ("bajo 日本", "日本 bass"),
    ("bajo hip-hop", "hip-hop bass"),
    ("bajo in-house", "in-house bass"),
    ("bajo lab", "lab bass"),
    ("bajo en sib menor, la#2", "bass in B flat minor, A#2"),
    ("bajo (suave) - 'oscuro' & limpio", "bass (soft) - 'dark' & clean"),
    ("bajo-oscuro 2.0", "dark bass 2.0"),
    ("flauta ½ suave", "flute ½ soft"),
    ("pad for Mona Lisa oscuro", "pad for Mona Lisa dark"),
    ("Bajo Oscuro", "dark bass"),
    ("guitarra y Flauta suave", "guitar and soft flute"),
    ("órgano de la iglesia oscuro", "dark church organ"),
    ("órganos de las iglesias", "church organs"),
    ("órgano del teatro", "theatre organ"),
    ("flauta, notas altas", "flute, high notes"),
    ("bajo con notas bajas", "bass with low notes"),
    ("notas altas de flauta", "high notes of flute"),
    ("flauta transversal suave", "soft concert flute"),
    ("guitarrón", "nylon guitar"),
    ("tres cubano", "cuban tres"),
    ("campanitas brillantes", "bright bells"),
    ("campanas digitales", "digital bells"),
    ("bajo de onda cuadrada", "square bass"),
    ("bajo con arco", "bowed bass"),
    ("bajo con púa", "picked bass"),
    ("vientos de madera", "woodwinds"),
    ("vientos de metal", "brass"),
    ("vientos suaves", "soft winds"),
    ("cencerro", "cowbell"),
    ("onda de sierra", "saw wave"),
    ("órgano elecrtico", "electric organ"),
]


@pytest.mark.parametrize(("spanish", "english"), PAIRS)
def test_spanish_is_heard_in_english(spanish: str, english: str) -> None:
    assert in_english(spanish) == english
    assert parse_query(spanish).heard == parse_query(english).heard


@pytest.mark.parametrize(
    "text",
    ["a soft wooden flute", "piano", "Rhodes C#3", "dark -ish  bass", "solo viola", "no sé", "de", "zórbish", ""]
    + ["Mona Lisa bass", "Clara Schumann piano", "solo violin, dark", "metal guitar solo"]
    + ["warm coral bass", "largo of the strings", "dark grave organ", "a suave, warm choir"],
)
def test_what_is_not_spanish_is_left_alone(text: str) -> None:
    assert in_english(text) == text


@pytest.mark.parametrize(
    ("spanish", "english"),
    [("bajo oscuro", "dark bass"), ("bajo cálido", "warm bass"), ("flauta suave", "soft flute")]
    + [
        ("órgano", "organ"),
        ("brillante, sin bajo", "bright, no bass"),
        ("clavecín", "harpsichord"),
        ("-bajo", "-bass"),
        ("órgano de la iglesia", "church organ"),
        ("bajo, notas bajas", "bass, low notes"),
        ("bajo de onda cuadrada", "square bass"),
        ("vientos de madera", "woodwinds"),
    ],
)
def test_both_languages_find_the_same(spanish: str, english: str, stocked: Library, shelf: dict[str, int]) -> None:
    for fulltext in (True, False):
        found, wanted = (search(stocked, EMBEDDER, text, k=10, fulltext=fulltext) for text in (spanish, english))
        assert [(hit.sample.id, hit.similarity) for hit in found] == [(hit.sample.id, hit.similarity) for hit in wanted]


def test_every_spanish_word_of_the_tables_keeps_its_meaning() -> None:
    spanish = {form: entry for entry in thesaurus.entries() for forms in entry.spanish for form in forms}
    spanish |= {form: entry for entry in thesaurus.entries() for form in entry.spanish_phrases}
    spanish |= {form: entry for entry in thesaurus.entries() for form in entry.searched_spanish}
    assert len(spanish) > 250
    for word in spanish:
        told, meant = understand(word), understand(in_english(word))
        assert (meant.families, meant.qualities, meant.source) == (told.families, told.qualities, told.source), word


def test_every_leaning_keeps_its_direction() -> None:
    words = [line.partition(";")[0] for line in LEANING_TABLE.replace("\n" + 8 * " ", " ").split("\n")]
    said = [form for line in words for forms in thesaurus.genders(line) for form in forms]
    translated = [word for word in said if in_english(word) != word]
    assert len(translated) > 100
    for word in translated:
        (one,), (other,) = leanings(understand(word)), leanings(understand(in_english(word)))
        assert (one.families, one.towards, one.away) == (other.families, other.towards, other.away), word
    leant = {quality for line in LEANING_TABLE.split("\n") if line.count(";") for quality in line.split(";")[2:3]}
    assert {quality for words in leant for quality in words.split()} <= set(ADJECTIVES)

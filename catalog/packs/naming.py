"""File names that a producer can read: words first, the measured note last, as in warm_dark_bass_A1.wav.

The words are the qualities and the instrument that were asked for and facts that were measured, all from
closed lists, so that no brand, artist or stray word of a prompt gets into a file name. Characters are A-Z a-z
0-9 _ - #. Sounds of one pack never share a name, also not on a disk that ignores case: where words are equal,
more words tell them apart, first true ones, then names of trees, stones and colours that claim nothing about
the sound. Numbers other than the note's octave are never used: in a file name they mean a tempo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, product

from catalog.records import SampleRecord
from generation.prompts.vocabulary import OPPOSITE, understand

MAX_QUALITIES, MAX_EXTRAS = 3, 3  # longer names are cut off in a sampler's list

# Adjectives that the thesaurus understands as the quality; the first names it, the others tell equals apart.
QUALITY_WORDS: dict[str, tuple[str, ...]] = {
    "bright": ("bright", "crisp", "glassy", "shiny"),
    "dark": ("dark", "warm", "mellow", "round"),
    "distortion": ("distorted", "gritty", "fuzzy", "crunchy"),
    "fast_decay": ("plucked", "snappy", "plucky", "staccato"),
    "long_release": ("long", "ringing", "lingering"),
    "multiphonic": ("chordal", "polyphonic"),
    "nonlinear_env": ("evolving", "swelling", "morphing"),
    "percussive": ("punchy", "percussive", "clicky"),
    "reverb": ("roomy", "spacious", "ambient"),
    "tempo-synced": ("pulsing", "rhythmic", "wobbling"),
}
FAMILY_WORDS = {
    "bass": "bass",
    "brass": "brass",
    "flute": "flute",
    "guitar": "guitar",
    "keyboard": "keys",
    "mallet": "mallet",
    "organ": "organ",
    "reed": "reed",
    "string": "strings",
    "synth_lead": "lead",
    "vocal": "vocal",
}
SOURCE_WORDS = {"acoustic": "acoustic", "electronic": "electric", "synthetic": "synth"}

# What a trade mark or a number in an instrument's name is called instead.
PLAIN_INSTRUMENTS = {
    "rhodes": "electric_piano",
    "wurlitzer": "electric_piano",
    "pianet": "electric_piano",
    "clavinet": "electric_clavichord",
    "hammond organ": "drawbar_organ",
    "808 bass": "sub_bass",
    "12 string guitar": "twelve_string_guitar",
}
BRANDS = frozenset(
    {"buchla", "casio", "farfisa", "fender", "gibson", "hammond", "hohner", "juno", "korg", "lowrey"}
    | {"mellotron", "minimoog", "moog", "oberheim", "prophet", "rhodes", "rickenbacker", "roland", "simmons"}
    | {"steinway", "stratocaster", "telecaster", "wurlitzer", "yamaha"}
)

# Words that say nothing about a sound: the last means to tell two sounds apart.
NEUTRAL_WORDS = (
    ("amber", "aspen", "birch", "cedar", "clover", "copper", "coral", "cypress", "dune", "elm", "ember")
    + ("fern", "fjord", "garnet", "granite", "grove", "harbor", "hazel", "heath", "indigo", "iris", "jade")
    + ("juniper", "lagoon", "larch", "linden", "lotus", "maple", "marble", "meadow", "moss", "oak", "ochre")
    + ("olive", "pebble", "pine", "plum", "poppy", "quartz", "raven", "ridge", "rowan", "saffron", "sage")
    + ("sienna", "slate", "spruce", "thistle", "topaz", "tulip", "umber", "walnut", "willow", "yarrow")
)


def name_sounds(samples: Sequence[SampleRecord]) -> dict[int, str]:
    """Return a file name without ending for every sound, by id; the same sounds always get the same names."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for sample in sorted(samples, key=lambda sample: sample.id):
        name = next(name for name in _candidates(sample) if name.casefold() not in taken)
        taken.add(name.casefold())
        names[sample.id] = name
    return names


def instrument_word(sample: SampleRecord) -> str:
    """Return the noun of a name: the one instrument that the prompt names, else the family, never a brand."""
    named = understand(sample.prompt).instruments
    word = FAMILY_WORDS.get(sample.family, _clean(sample.family))
    if len(named) != 1:
        return word
    plain = PLAIN_INSTRUMENTS.get(named[0], _clean(named[0]))
    parts = plain.split("_")
    if BRANDS.intersection(parts) or any(character.isdigit() for character in plain):
        return word
    return plain


def measured_words(sample: SampleRecord) -> tuple[str, ...]:
    """Return adjectives that the sound's measured facts bear out and its qualities do not contradict."""
    opposed = {OPPOSITE.get(quality) for quality in sample.qualities}

    def below(value: float | None, limit: float) -> bool:
        return value is not None and value < limit

    def above(value: float | None, limit: float) -> bool:
        return value is not None and value > limit

    facts = (
        (below(sample.duration_s, 0.5), "short", "fast_decay"),
        (above(sample.duration_s, 2.5), "long", "long_release"),
        (above(sample.attack_s, 0.25), "slow", "nonlinear_env"),
        (above(sample.attack_s, 0.06) and not above(sample.attack_s, 0.25), "soft", "nonlinear_env"),
        (below(sample.attack_s, 0.005), "sharp", "percussive"),
        (below(sample.centroid_hz, 500.0), "deep", "dark"),
        (above(sample.bandwidth_hz, 7_000.0), "airy", "bright"),
        (below(sample.bandwidth_hz, 1_500.0), "covered", "dark"),
    )
    return tuple(word for holds, word, quality in facts if holds and quality not in opposed)


def _candidates(sample: SampleRecord) -> Iterator[str]:
    """Yield names for a sound, the plainest first, without end."""
    said = set(re.findall(r"[a-z]+", sample.prompt.casefold()))
    asked = sample.qualities[:MAX_QUALITIES]
    choices = [_said_first(QUALITY_WORDS.get(quality, ()), said) for quality in asked]
    qualities = [words[0] for words in choices if words]
    source = (SOURCE_WORDS[sample.source],) if sample.source in SOURCE_WORDS else ()
    noun = instrument_word(sample)
    true = [*source, *measured_words(sample), *(word for words in choices for word in words[1:])]
    used = {*qualities, *noun.split("_")}
    extras = list(dict.fromkeys(word for word in true if word not in used))
    fewest = 0 if qualities or not extras else 1  # a bare "bass_A1" says too little
    note = (sample.note,) if sample.note else ()
    counts = range(fewest, min(MAX_EXTRAS, len(extras)) + 1)
    for words in chain.from_iterable(combinations(extras, count) for count in counts):
        colour = [word for word in words if word not in source]
        kind = [word for word in words if word in source]  # "warm_acoustic_guitar", not the other way round
        yield "_".join((*colour, *qualities, *kind, noun, *note))
    base = (*qualities, noun, *note)
    for count in range(1, len(NEUTRAL_WORDS)):
        for words in product(NEUTRAL_WORDS, repeat=count):
            yield "_".join((*words, *base))


def _said_first(words: tuple[str, ...], said: set[str]) -> tuple[str, ...]:
    """Put the word that the prompt itself uses first."""
    return tuple(sorted(words, key=lambda word: word not in said))


def _clean(text: str) -> str:
    """Keep letters, digits and - of a name, everything else becomes one underscore."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_").lower()

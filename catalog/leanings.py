"""What producers' words lean to where they settle nothing: a pad is no instrument, and yet no plucked guitar.

Only search uses these: captions, labels and the gate know what the thesaurus says for certain, and a leaning is
never certain. One line (continued by deeper indented ones) is one leaning: words in English and Spanish, without
accents ("seco/a" stands for both genders); families; qualities it leans to; qualities it leans away from. Families
behind a "~" hold only where no other word leans to families (a deep pad is a pad).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from catalog.records import SampleRecord
from generation.prompts.vocabulary import OPPOSITE, Understood, genders, understand

LEANING = 0.75
"""What a leaning is worth beside a named quality or family (of what query.py gives them)."""

ADJECTIVES = {
    "bright": "bright", "dark": "dark", "distortion": "distorted", "fast_decay": "short", "long_release": "long",
    "percussive": "percussive", "reverb": "reverberant",
}  # fmt: skip
"""How a quality that words lean to is said before a noun."""

LEANING_TABLE = """
    pad, colchon; string synth_lead organ vocal; long_release reverb; fast_decay percussive
    drone, zumbido; string synth_lead organ; long_release; fast_decay percussive
    atmosphere, atmospheric, ambient, ambience, soundscape, texture, cinematic, spacey, floating, atmosfera,
        atmosferico/a, ambiental, ambiente, textura, espacial, flotante; ~string synth_lead organ vocal;
        long_release reverb; fast_decay percussive
    ethereal, heavenly, celestial, angelic, etereo/a, angelical; ; long_release reverb; distortion percussive
        fast_decay
    dreamy, dreamlike, dream, hazy, sonador, sonadora, onirico/a, brumoso/a; ; reverb long_release;
        distortion percussive fast_decay
    lush, exuberante, envolvente; ; long_release reverb; distortion fast_decay
    airy, aereo/a; ; reverb; distortion percussive
    epic, huge, massive, epico/a, enorme, gigante; ; reverb long_release;
    soft, softly, gentle, gently, delicate, tender, calm, relaxed, relaxing, peaceful, chill, quiet, suave,
        suavemente, delicado/a, tierno/a, tranquilo/a, relajado/a, blando/a; ; dark; distortion percussive bright
    smooth, silky, liso/a, sedoso/a; ; dark; distortion percussive
    sweet, dulce; ; ; distortion
    aggressive, angry, brutal, fierce, nasty, gnarly, savage, vicious, agresivo/a,
        furioso/a, salvaje; ; distortion percussive; dark
    harsh, abrasive, abrasivo/a; ; distortion bright; dark
    rough, raspy, raw, aspero/a, rasposo/a, crudo/a; ; distortion;
    hard, duro/a; ; percussive distortion;
    heavy, pesado/a; ; distortion dark;
    growl, growling, growly, grunido; ~bass; distortion;
    noisy, ruidoso/a; ; distortion;
    buzzy, buzzing; ; bright distortion;
    clean, pure, limpio/a, puro/a; ; ; distortion
    dry, seco/a; ; ; reverb
    tight, apretado/a, cenido/a; ; fast_decay; long_release reverb
    sustained, sustain, sustaining, held, legato, sostenido/a, mantenido/a, ligado/a; ; long_release; fast_decay
        percussive
    bowed, arco, bowed bass, arco bass, frotado/a, bajo frotado, bajo con arco; ~string; ; fast_decay percussive
    supersaw, hypersaw; synth_lead; bright;
    arcade, gaming; ~synth_lead; bright;
    metallic, metalico/a; ~mallet; bright;
    twinkle, twinkling, twinkly, centelleante; ~mallet; bright;
    shimmer; ; bright reverb;
    icy, cold, frio/a, helado/a; ; bright; dark
    thin, delgado/a; ; bright; dark
    sharp, crispy, afilado/a; ; bright; dark
    deep, profundo/a; ~bass; dark; bright
    sub, sub bass, subbass, subgrave, sub bajo; ; dark; bright
    boomy, retumbante; ~bass; dark; bright
    lo fi, lofi; ; dark; bright
    underwater, submarino/a; ; dark; bright
    sad, melancholic, moody, triste, melancolico/a; ; dark; bright
    happy, cheerful, alegre; ; bright; dark
    eerie, spooky, misterioso/a; ; dark reverb;
    hollow, hueco/a; ~reed flute; ;
    nasal; ~reed; ;
    breathy, blown, soplado/a; ~flute reed; ;
    woodwind, woodwinds, viento madera, vientos madera, viento de madera, vientos de madera, maderas; flute reed; ;
    wind, winds, viento, vientos; ~flute reed brass; ;
    orchestral, orchestra, orquestal, orquesta; ~string brass flute reed; ;
    strummed, rasgueado/a, picked, fingerstyle; ~guitar; ;
    percussion, percusion; ~mallet; percussive;
    gong, cowbell, cencerro, agogo, woodblock, wood block, caja china, bloque de madera; ~mallet; percussive;
    log drum; ~mallet bass; percussive;
    col legno; ~string; percussive;
    soprano, tenor, baritone, baritono, contralto, falsetto, falsete, yodel, talkbox, talk box, beatbox; ~vocal; ;
    mellotron; ~keyboard string flute vocal; ;
    saw, sawtooth, saw wave, diente de sierra, onda de sierra; ~synth_lead bass; ;
    mellow, warm, calido/a; ; dark; distortion
    vibes; mallet; ;
    male, female, men, women, boys, masculino, femenino; ~vocal; ;
    """


@dataclass(frozen=True, slots=True)
class Leaning:
    """What one word leans to; said is the word as the query has it, weak whether its families give way.

    opposite: whether the word leans to nothing, so that lacking what it leans away from is what it asks for
    ("clean" of distortion).
    """

    said: str
    families: tuple[str, ...] = ()
    weak: bool = False
    towards: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    opposite: bool = False


@lru_cache(maxsize=256)
def leanings(asked: Understood) -> tuple[Leaning, ...]:
    """The leanings of a query's words that what it names and denies leaves open, in the order of the words.

    Named families settle the family. A named or denied quality is no matter of leaning any more, nor is its
    opposite, and what one word leans to and another away from is left open. A denied word ("not harsh") leans
    away from what it would lean to.
    """
    said = [_leaning(word) for word in (*asked.words_used, *asked.words_unknown)]
    denied = [_leaning(word) for word in asked.words_excluded]
    open_ones = [one for one in said if one is not None]
    open_ones += [Leaning(f"not {one.said}", away=one.towards, opposite=True) for one in denied if one is not None]
    strong = any(one.families and not one.weak for one in open_ones)
    settled = {*asked.qualities, *asked.qualities_excluded, *(OPPOSITE.get(q, "") for q in asked.qualities)}
    settled |= {q for one in open_ones for q in one.towards} & {q for one in open_ones for q in one.away}
    kept = []
    for one in dict.fromkeys(open_ones):
        given_way = bool(asked.families) or (strong and one.weak)
        families = () if given_way else _without(one.families, asked.families_excluded)
        towards, away = _without(one.towards, settled), _without(one.away, settled)
        left = replace(one, families=families, towards=towards, away=away)
        if left.families or left.towards or left.away:
            kept.append(left)
    return tuple(kept)


def balance(open_ones: Sequence[Leaning], sample: SampleRecord) -> tuple[bool, int]:
    """Whether a sound is of a family that leanings lean to, and how many more qualities speak for it than against."""
    towards = {q for one in open_ones for q in one.towards}
    away = {q for one in open_ones for q in one.away}
    opposed = {q for one in open_ones if one.opposite for q in one.away}
    had = set(sample.qualities)
    family = any(sample.family in one.families for one in open_ones)
    return family, len(had & towards) - len(had & away) + len(opposed - had)


def spelled_out(text: str, open_ones: Sequence[Leaning]) -> str:
    """An English text with the quality first leant to in the place of each word that only leans: "distorted synth" for
    an aggressive one. What is a thing itself, as a pad is, or names something besides, stays."""
    for one in open_ones:
        known, told = _leaning(one.said), understand(one.said)
        names = told.families or told.qualities or told.source or known is None or (known.families and not known.weak)
        if one.towards and not names:
            said = re.escape(one.said).replace(r"\ ", r"\W+")
            text = re.sub(rf"(?<!\w){said}(?!\w)", ADJECTIVES[one.towards[0]], text, flags=re.IGNORECASE)
    return text


def _without(words: Iterable[str], settled: Iterable[str]) -> tuple[str, ...]:
    gone = set(settled)
    return tuple(word for word in words if word not in gone)


def _leaning(word: str) -> Leaning | None:
    """The leaning of a word or phrase, in the singular if it is only known so."""
    known = _table()
    found = known.get(word) or known.get(word.removesuffix("s"))
    return replace(found, said=word) if found else None


@cache
def _table() -> dict[str, Leaning]:
    found: dict[str, Leaning] = {}
    for line in LEANING_TABLE.replace("\n" + 8 * " ", " ").split("\n"):
        if line.strip():
            words, families, towards, away = line.split(";")
            weak = families.strip().startswith("~")
            named = tuple(families.replace("~", "").split())
            opposite = not (named or towards.split())
            leaning = Leaning("", named, weak, tuple(towards.split()), tuple(away.split()), opposite)
            found.update((word, leaning) for forms in genders(words) for word in forms)
    return found

"""A producer's Spanish said in English, so that an ear that reads English hears both languages alike.

`in_english("flauta suave con eco")` is "soft flute with echo". Adjectives go before their noun, "de" compounds turn
round, and words that nobody knows stay as they are. A text without a Spanish word is left alone. The table holds
English words and phrases, each with the Spanish ones that it stands for, singular as a rule ("oscuro/a" are both
genders); instruments that it leaves out have the first name of their line in instruments.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from generation.prompts import thesaurus
from generation.prompts.notes import plain_notes
from generation.prompts.phrases import Item, items

ENGLISH_TABLE = """
    acoustic: acústico/a; unplugged: desenchufado/a; electric: eléctrico/a; electronic: electrónico/a
    amplified: amplificado/a; synth: sintetizador, sinte; synths: sintetizadores, sintes; synthetic: sintético/a
    synthesized: sintetizado/a; wavetable: tabla de ondas; square wave: onda cuadrada; sine wave: onda sinusoidal
    sawtooth: diente de sierra
    bright: brillante, claro/a, luminoso/a, resplandeciente; crystalline: cristalino/a; shrill: chillón, chillona
    glassy: vidrioso/a; brightness: brillo; plenty of sparkle: mucho brillo
    dark: oscuro/a, obscuro/a, sombrío/a; warm: cálido/a; muffled: apagado/a, opaco/a; velvety: aterciopelado/a
    round: redondo/a; warmth: calidez; plenty of warmth: mucha calidez; mellow: suave y oscuro/a
    distorted: distorsionado/a; saturated: saturado/a, sobresaturado/a; dirty: sucio/a; crunchy: crujiente
    distortion: distorsión; saturation: saturación; with fuzz: con fuzz
    short: corto/a, breve; plucked: punteado/a, pulsado/a, pinzado/a; pluck: puntear
    fast decay: decaimiento rápido, caída rápida; short decay: decaimiento corto
    long: largo/a; lingering: prolongado/a; endless: interminable; slowly fading: que se desvanece
    long tail: cola larga; long release: liberación larga, release largo; slow decay: caída lenta
    polyphonic: polifónico/a; multiphonic: multifónico/a; chord: acorde; chords: acordes; chordal: en acorde
    harmonized: armonizado/a; several notes at once: varias notas a la vez
    evolving: evolutivo/a; morphing: cambiante; swelling: creciente; nonlinear envelope: envolvente no lineal
    filter sweep: barrido de filtro; sweep: barrido; slow attack: ataque lento; reversed: invertido/a, al revés
    percussive: percusivo/a, percutido/a; punchy: contundente; struck: golpeado/a; slapped: palmeado/a
    plenty of punch: mucha pegada; punch: pegada; strong attack: ataque fuerte; hit: golpe; with a hit: con golpe
    reverberant: reverberante; reverberated: reverberado/a; spacious: espacioso/a; wet: mojado/a, húmedo/a
    reverb: reverberación; echo: eco; echoes: ecos; in a room: con sala, de sala; ambient: ambiental
    pulsing: pulsante; throbbing: palpitante; rhythmic: rítmico/a; arpeggiated: arpegiado/a; wobbling: oscilante
    rhythmic pulse: pulso rítmico; arpeggio: arpegio; arpeggios: arpegios
    synced to tempo: sincronizado/a, sincronizado al tempo, sincronizada al tempo
    dry: seco/a; soft: suave, blando/a; softly: suavemente; delicate: delicado/a; tender: tierno/a; calm: tranquilo/a
    relaxed: relajado/a; smooth: liso/a; silky: sedoso/a; sweet: dulce; hard: duro/a; low: grave; high: agudo/a
    fat: gordo/a; fine: fino/a; thin: delgado/a; big: grande; huge: gigante, enorme; epic: épico/a; happy: alegre
    sad: triste; melancholic: melancólico/a; eerie: misterioso/a; aggressive: agresivo/a; angry: furioso/a
    savage: salvaje; abrasive: abrasivo/a; rough: áspero/a; raspy: rasposo/a; raw: crudo/a; heavy: pesado/a
    growl: gruñido; noisy: ruidoso/a; powerful: potente; clean: limpio/a; pure: puro/a; tight: apretado/a, ceñido/a
    modern: moderno/a; vintage: antiguo/a; analog: analógico/a; metallic: metálico/a; slow: lento/a; fast: rápido/a
    sustained: sostenido/a; held: mantenido/a; legato: ligado/a; bowed: frotado/a; strummed: rasgueado/a
    blown: soplado/a; hollow: hueco/a; airy: aéreo/a; ethereal: etéreo/a; angelic: angelical; dreamy: onírico/a
    lush: exuberante, envolvente; dreamlike: soñador, soñadora; hazy: brumoso/a; spacey: espacial; floating: flotante
    deep: profundo/a; boomy: retumbante; underwater: submarino/a; cold: frío/a; icy: helado/a; sharp: afilado/a
    twinkling: centelleante; atmospheric: atmosférico/a; orchestral: orquestal; male: masculino/a
    female: femenino/a; pad: colchón; drone: zumbido; atmosphere: atmósfera, ambiente; texture: textura
    orchestra: orquesta; percussion: percusión; wind: viento; woodwind: viento madera; woodwinds: maderas; mute: sordina
    with mute: con sordina; drum: tambor; drums: batería; kick: bombo; snare: caja; cymbal: platillo
    voice: voz; voices: voces; vocals: vocales; choirs: coros; strings: cuerdas; string section: sección de cuerdas
    orchestral strings: cuerdas orquestales; horn section: sección de metales; keys: teclas; bells: campanas
    sax: saxo; double bass: contrabajo; bass guitar: guitarra bajo; pipe organ: órgano de tubos
    spanish guitar: guitarra española; classical guitar: guitarra clásica; flamenco guitar: guitarra flamenca
    a: un, una; the: el, la, los, las; very: muy; more: más; much: mucho/a; little: poco/a
    sound: sonido; sounds: sonidos; note: nota
    notes: notas; tone: tono; with: con; and: y, e; or: o, u; of: de, del; in: en; for: para; like: como
    """
_SMALL = frozenset("a the and or of in with for like no".split())
_ADVERBS = frozenset("very more much little".split())
_NOUNS = frozenset("sound sounds note notes tone".split())
_SYNTH = frozenset(("synth", "synths"))
"""A noun by itself, and what stands before another one: "sintetizador oscuro", "bajo sintetizador"."""


def in_english(text: str) -> str:
    """Return a text with its Spanish words in English, as English puts them; any other text as it is."""
    shown = plain_notes(text)
    row = items(thesaurus.plain(shown).replace("’", "'"))
    words = [_english(item) for item in row]
    if not any(word is not None and word not in _SMALL | _ADVERBS | _NOUNS for word in words):
        return text
    places = [at for at, character in enumerate(shown) for _ in thesaurus.plain(character)]
    sentence = _Sentence()
    for item, word in zip(row, words, strict=True):
        said = word or ("no" if item.denies else shown[places[item.start] : places[item.end - 1] + 1])
        sentence.add(said, item)
    return sentence.text()


def _english(item: Item) -> str | None:
    """The English of a Spanish item, None for one that is not Spanish."""
    if item.denies or item.note is not None:
        return None
    forms = (item.said, item.word, item.said.removesuffix("s"), item.said.removesuffix("es"))
    return next((_table()[form] for form in forms if form in _table()), None)


@cache
def _table() -> dict[str, str]:
    """Spanish words and phrases in plain letters -> English; none that is an English word of the thesaurus too."""
    found: dict[str, str] = {}
    for entry in ENGLISH_TABLE.replace("\n", ";").split(";"):
        english, _, spanish = entry.partition(":")
        found.update((thesaurus.plain(form), english.strip()) for forms in thesaurus.genders(spanish) for form in forms)
    english_words = {word for entry in thesaurus.entries() for word in (*entry.english, *entry.other)}
    for instrument in thesaurus.entries():
        if instrument.meaning.family:
            for form in {form for forms in instrument.spanish for form in forms} - english_words:
                found.setdefault(thesaurus.plain(form), instrument.english[0])
    return found


@dataclass
class _NounPhrase:
    """A noun with what is said of it before, and the noun that it belongs to behind ("cuerdas" of "pad de cuerdas")."""

    before: list[str]
    noun: str
    behind: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (*self.before, self.noun, self.behind)))


@dataclass
class _Sentence:
    """English as it is put together, word after word of a Spanish text.

    said: what is finished. noun: the phrase that adjectives behind it still belong to. waiting: adjectives, and an
    "and" between them, of which it is not known yet where they belong. of: whether noun and "de" were said last.
    """

    said: list[str | _NounPhrase] = field(default_factory=list)
    noun: _NounPhrase | None = None
    waiting: list[str] = field(default_factory=list)
    of: bool = False

    def add(self, word: str, item: Item) -> None:
        """Say one more word: English, of this item."""
        names = item.meaning is not None and item.meaning.thing
        if self.noun and word in _SYNTH and not self.of:
            self.noun.noun = f"{word} {self.noun.noun}"
        elif names or word in _NOUNS | _SYNTH:
            self._name(word)
        elif word == "of" and self.noun:
            self.of = True
        elif word == "and" and self.noun and self.noun.before and not self.of:
            self.waiting.append(word)
        elif word not in _SMALL and (item.meaning is not None or item.unknown or word in _ADVERBS):
            self._describe(word)
        else:
            self._close()
            self.said.append(word)

    def _name(self, word: str) -> None:
        """A noun: the one behind "de" goes before the one that it belongs to."""
        if self.of and self.noun:
            self.noun = _NounPhrase(
                [*self.noun.before, *self.waiting], word, f"{self.noun.noun} {self.noun.behind}".strip()
            )
            self.said[-1], self.waiting, self.of = self.noun, [], False
            return
        waiting, self.waiting = self.waiting, []
        self._close()
        if waiting[:1] == ["and"]:
            self.said.append(waiting.pop(0))
        self.noun = _NounPhrase(waiting, word)
        self.said.append(self.noun)

    def _describe(self, word: str) -> None:
        """An adjective or adverb: of the noun before it, or of the one that comes."""
        if self.noun and not self.of:
            self.noun.before += [*self.waiting, word]
            self.waiting = []
        else:
            self.waiting.append(word)

    def _close(self) -> None:
        """Nothing more belongs to the noun."""
        self.said += [*(["of"] if self.of else []), *self.waiting]
        self.noun, self.waiting, self.of = None, [], False

    def text(self) -> str:
        """All that was said."""
        self._close()
        return " ".join(map(str, self.said)).replace(" ,", ",")

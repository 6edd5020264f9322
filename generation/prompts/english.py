"""A producer's Spanish said in English, so that an ear that reads English hears both languages alike.

`in_english("flauta suave con eco")` is "soft flute with echo". Adjectives go before their noun, "de" compounds turn
round, and words that nobody knows, names ("Mona Lisa") and signs stay as they are. A text without a Spanish word is
left alone, and so is "largo" in a text that is mostly English. The table holds English words and phrases, each with
the Spanish ones that it stands for, singular as a rule ("oscuro/a" are both genders); instruments that it leaves out
have the first name of their line in instruments.py. The plural of a noun is that of its English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from generation.prompts import thesaurus
from generation.prompts.notes import plain_notes
from generation.prompts.phrases import Item, items

ENGLISH_TABLE = """
    acoustic: acústico/a; unplugged: desenchufado/a; electric: eléctrico/a, elecrtico/a; electronic: electrónico/a
    amplified: amplificado/a; synth: sintetizador, sinte; synths: sintetizadores, sintes; synthetic: sintético/a
    synthesized: sintetizado/a; wavetable: tabla de ondas; square wave: onda cuadrada; sine wave: onda sinusoidal
    sawtooth: diente de sierra; saw wave: onda de sierra
    bright: brillante, brilante, claro/a, luminoso/a, resplandeciente; crystalline: cristalino/a
    shrill: chillón, chillona; glassy: vidrioso/a; brightness: brillo; plenty of sparkle: mucho brillo
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
    orchestra: orquesta; percussion: percusión; mute: sordina
    wind: viento; woodwind: viento madera, viento de madera; woodwinds: maderas, vientos madera, vientos de madera
    drum machine: caja de ritmos; drum machines: cajas de ritmos; with mute: con sordina; drum: tambor; drums: batería
    kick: bombo; snare: caja; cymbal: platillo; cowbell: cencerro; woodblock: caja china, bloque de madera
    baritone: barítono; falsetto: falsete
    voice: voz; voices: voces; vocals: vocales; choirs: coros; strings: cuerdas; string section: sección de cuerdas
    orchestral strings: cuerdas orquestales; horn section: sección de metales; keys: teclas; bells: campanas
    sax: saxo; double bass: contrabajo; bass guitar: guitarra bajo; pipe organ: órgano de tubos
    bowed bass: bajo frotado, bajo con arco; picked bass: bajo con púa; finger bass: bajo con dedos
    square bass: bajo cuadrado, bajo de onda cuadrada; sine bass: bajo sinusoidal, bajo de onda sinusoidal
    saw bass: bajo de sierra, bajo de diente de sierra, bajo de onda de sierra; analog bass: bajo analógico
    triangle bass: bajo triangular, bajo de onda triangular; analog lead: lead analógico
    digital bell: campana digital; digital bells: campanas digitales; cuban tres: tres cubano
    spanish guitar: guitarra española; classical guitar: guitarra clásica; flamenco guitar: guitarra flamenca
    a: un, una; the: el, la, los, las; very: muy; more: más; much: mucho/a; little: poco/a
    sound: sonido; sounds: sonidos; note: nota
    high note: nota alta; high notes: notas altas; low note: nota baja; low notes: notas bajas
    notes: notas; tone: tono; with: con; and: y, e; or: o, u; of: de, del; in: en; for: para; like: como
    """
_SMALL = frozenset("a the and or of in with for like no".split())
_ENGLISH_SMALL = _SMALL - {"a", "no"}
_ADVERBS = frozenset("very more much little".split())
_NOUNS = frozenset("sound sounds note notes tone".split())
_SYNTH = frozenset(("synth", "synths"))
"""A noun by itself, and what stands before another one: "sintetizador oscuro", "bajo sintetizador"."""
_ALSO_ENGLISH = frozenset("largo lento grave breve coral canto suave angelical laud".split())
"""Spanish words of the tables that are English words with another meaning."""
_KEY = re.compile(
    r"""(?<![a-z0-9#'])(?P<note>do|re|mi|fa|sol|la|si)
    (?:(?P<sign>\#|b(?=[ ]mayor|[ ]menor))|[ -](?P<word>bemol|sostenido))?
    (?:[ ](?P<mode>mayor|menor))?(?![a-z0-9#']|[ ]parte)""",
    re.VERBOSE,
)
"""A note without its octave, as keys and tunings have it; "la" alone is an article, and a "lab" no A flat."""
_NOTES = {"do": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_SIGNS = {"#": " sharp", "sostenido": " sharp", "b": " flat", "bemol": " flat"}
_MODES = {"mayor": " major", "menor": " minor"}
_LONGEST = 3  # words in a phrase of the table that the thesaurus does not know
_RUN = re.compile(r"[^\W_]+|(?:[^\w\s]|_)+")
"""What the items of a text leave out: letters that are not a to z, or signs."""
_JOINTS = frozenset("-_'")


class _Piece(NamedTuple):
    """A word, phrase or run of signs: where it stands, as written, its English (None where it stays as it is).

    before and after: whether a space stands there.
    """

    item: Item
    said: str
    english: str | None
    before: bool
    after: bool

    @property
    def sign(self) -> bool:
        """Whether no letter or digit is in it."""
        return not any(character.isalnum() for character in self.said)

    @property
    def told(self) -> bool:
        """Whether it is a word that settles the language of a text."""
        return not self.sign and self.item.note is None and self.english not in _SMALL | _ADVERBS | _NOUNS

    @property
    def spanish(self) -> bool:
        """Whether it is Spanish and not English too, as "piano" is."""
        return self.english is not None and self.english != self.said.casefold()

    def __str__(self) -> str:
        return self.said


def in_english(text: str) -> str:
    """Return a text with its Spanish words in English, as English puts them; any other text as it is."""
    shown = plain_notes(text)
    pieces = _without_names(_pieces(shown))
    known = [piece for piece in pieces if piece.spanish or _is_english(piece)]
    if 2 * sum(map(_is_english, known)) > len(known):
        pieces = [_as_it_is(piece) if piece.item.said in _ALSO_ENGLISH else piece for piece in pieces]
    if not any(piece.spanish and piece.told for piece in pieces):
        return text
    sentence = _Sentence()
    for piece in pieces:
        sentence.add(piece)
    return sentence.text()


def _pieces(shown: str) -> list[_Piece]:
    """All of a text but its spaces, in order; words that nobody knows and that a hyphen joins are one."""
    plain = thesaurus.plain(shown).replace("’", "'")
    places = [at for at, character in enumerate(shown) for _ in thesaurus.plain(character)]
    pieces: list[_Piece] = []
    end = 0  # a character of its own may be several plain ones
    for item, english in _joined(plain, _phrases(_complete(plain))):
        start, end = max(places[item.start], end), max(places[item.end - 1] + 1, end)
        before, after = item.start == 0 or plain[item.start - 1].isspace(), plain[item.end : item.end + 1].isspace()
        if start < end:
            said = "no" if item.denies else shown[start:end]
            pieces.append(_Piece(item, said, english, before, after or item.end == len(plain)))
    return pieces


def _complete(plain: str) -> Iterator[tuple[Item, str | None]]:
    """The items of a plain text and what they leave out, keys as one, each with its English."""
    at = 0
    for key in (*_KEY.finditer(plain), None):
        if key is not None and not (key["sign"] or key["word"] or key["mode"]):
            continue
        for item in items(plain[at : key.start() if key else None]):
            moved = item._replace(start=item.start + at, end=item.end + at)
            yield moved, _english(moved)
        if key is not None:
            sign, mode = _SIGNS.get(key["sign"] or key["word"], ""), _MODES.get(key["mode"], "")
            yield Item(key[0], key[0], key.start(), key.end()), f"{_NOTES[key['note']]}{sign}{mode}"
            at = key.end()


def _phrases(row: Iterable[tuple[Item, str | None]]) -> Iterator[tuple[Item, str | None]]:
    """The same with the phrases of the table as one, that items reads as several."""
    told = list(row)
    while told:
        for length in range(min(_LONGEST, len(told)), 1, -1):
            parts = [item for item, _ in told[:length]]
            english = _table().get(" ".join(item.said for item in parts))
            if english:
                yield parts[0]._replace(said=" ".join(item.said for item in parts), end=parts[-1].end), english
                break
        else:
            length = 1
            yield told[0]
        del told[:length]


def _joined(plain: str, row: Iterable[tuple[Item, str | None]]) -> list[tuple[Item, str | None]]:
    """The same with what stands between items, runs of signs and words with a hyphen each as one."""
    told: list[tuple[Item, str | None]] = []
    at = 0
    for item, english in (*row, (None, None)):
        gap = plain[at : item.start if item else None]
        runs = [(Item(run[0], run[0], at + run.start(), at + run.end()), None) for run in _RUN.finditer(gap)]
        if told and item and gap in _JOINTS:
            runs = []  # a hyphen between two words is a space
        for new in (*runs, *([(item, english)] if item else [])):
            if told and _one(told[-1], new, plain):
                old = told.pop()[0]
                said = plain[old.start : new[0].end]
                new = (Item(said, said, old.start, new[0].end, new[0].meaning or old.meaning), None)
            told.append(new)
        at = item.end if item else at
    return told


def _one(old: tuple[Item, str | None], new: tuple[Item, str | None], plain: str) -> bool:
    """Whether two items that touch are one: both signs, or both words that stay as they are."""
    between = plain[old[0].end : new[0].start]
    if between and between not in _JOINTS:
        return False
    signs = [not any(character.isalnum() for character in item.said) for item, _ in (old, new)]
    if any(signs):
        return all(signs) and not between
    return all(english is None and item.denies is None and item.note is None for item, english in (old, new))


def _without_names(pieces: list[_Piece]) -> list[_Piece]:
    """The same with names left as they are: words with a capital inside a text that has others without, and the
    first word before such a one that nobody knows."""
    words = [piece for piece in pieces if piece.told]
    if all(piece.said[:1].isupper() for piece in words):
        return pieces
    kept = []
    for at, piece in enumerate(pieces):
        behind = pieces[at + 1] if at + 1 < len(pieces) else None
        first = at == 0 or (pieces[at - 1].sign and pieces[at - 1].said[-1] in ".!?:¡¿\n")
        before_name = behind is not None and behind.item.unknown and behind.said.istitle()
        instrument = piece.item.meaning is not None and piece.item.meaning.family
        key = piece.item.meaning is None and _KEY.fullmatch(piece.item.said)
        named = piece.said.istitle() and (not first or before_name) and not (instrument or key)
        kept.append(_as_it_is(piece) if named else piece)
    return kept


def _as_it_is(piece: _Piece) -> _Piece:
    return piece._replace(english=None)


def _is_english(piece: _Piece) -> bool:
    """Whether a piece is English that is known, and not Spanish too."""
    said = piece.item.said
    return piece.english is None and (piece.item.meaning is not None or said in _ENGLISH_SMALL)


def _english(item: Item) -> str | None:
    """The English of a Spanish item, None for one that is not Spanish."""
    if item.denies is not None or item.note is not None:
        return None
    table = _table()
    if item.said in table:
        return table[item.said]
    forms = (item.word, item.said.removesuffix("s"), item.said.removesuffix("es"))
    english = next((table[form] for form in forms if form in table), None)
    noun = item.meaning is not None and item.meaning.thing
    return _plural(english) if english and noun and item.said.split()[0].endswith("s") else english


def _plural(noun: str) -> str:
    if noun.endswith("brass") or (noun.endswith("s") and not noun.endswith("ss")):
        return noun
    return noun + ("es" if noun.endswith(("ss", "x", "ch", "sh")) else "s")


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
            named = {*(form for forms in instrument.spanish for form in forms), *instrument.searched_spanish}
            for form in named - english_words:
                plural = form.split()[0].endswith("s")
                name = _plural(instrument.english[0]) if plural else instrument.english[0]
                found.setdefault(thesaurus.plain(form), name)
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

    said: list[str | _NounPhrase | _Piece] = field(default_factory=list)
    noun: _NounPhrase | None = None
    waiting: list[str] = field(default_factory=list)
    of: bool = False

    def add(self, piece: _Piece) -> None:
        """Say one more word in English, or a sign."""
        word, item = piece.english or piece.said, piece.item
        names = item.meaning is not None and item.meaning.thing
        if piece.sign:
            self._close()
            self.said.append(piece)
        elif self.noun and word in _SYNTH and not self.of:
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
        """All that was said, with the signs as near to the words as they stood."""
        self._close()
        text, apart = "", False
        for part in self.said:
            sign = part if isinstance(part, _Piece) else None
            text += f"{' ' if apart and (sign is None or sign.before) else ''}{part}"
            apart = sign is None or sign.after
        return text

"""Which General MIDI (and GS variation) presets stand for which NSynth source and family.

One row is one instrument of the rendered corpus: a preset of a SoundFont, played in the range where the real
instrument lives. Presets that General MIDI lacks come from generation.corpus.voices (our own synthesis) or from a
documented process over another preset (generation.corpus.effects): the column `process` names it.

NSynth's sources (Engel et al. 2017, section 4.1): acoustic and electronic instruments are recorded, synthetic ones
come out of a synthesiser. A preset that imitates a synthesiser is therefore "synthetic" where that cell exists, and
"electronic" (an electrified or electronic instrument) where NSynth has no synthetic cell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """One SoundFont preset as an instrument: where it is found, what it is called, and where it sounds right.

    `low` and `high` are MIDI notes. `nature` holds the NSynth qualities that the preset has by construction
    (a distortion guitar is distorted whatever is played on it). `process` names an effect of
    generation.corpus.effects.PROCESSES that turns the preset into something else, or "".
    """

    bank: int
    preset: int
    source: str
    family: str
    name: str
    low: int
    high: int
    nature: tuple[str, ...] = ()
    process: str = ""

    @property
    def identity(self) -> str:
        """What makes two rows the same instrument for the split: equal presets of two SoundFonts share samples."""
        return f"{self.bank}:{self.preset}:{self.process}"


def _rows(source: str, family: str, low: int, high: int, *presets: tuple) -> list[Program]:
    """Rows of one cell; a preset is (bank, preset, name[, low, high[, nature[, process]]])."""
    out = []
    for bank, preset, name, *rest in presets:
        lo, hi = (rest[0], rest[1]) if len(rest) >= 2 else (low, high)
        nature = rest[2] if len(rest) >= 3 else ()
        process = rest[3] if len(rest) >= 4 else ""
        out.append(Program(bank, preset, source, family, name, lo, hi, tuple(nature), process))
    return out


PROGRAMS: tuple[Program, ...] = tuple(
    # fmt: off
    _rows(
        "acoustic",
        "bass",
        24,
        60,
        (0, 32, "upright bass"),
        (0, 43, "bowed double bass", 24, 55),
        (50, 45, "pizzicato double bass", 24, 57),
        (50, 49, "double bass section", 24, 55),
        (50, 48, "double basses", 24, 55),
        (50, 44, "tremolo double basses", 24, 55),
        (0, 32, "damped upright bass", 24, 60, (), "damped"),
    )
    + _rows(
        "electronic",
        "bass",
        24,
        60,
        (0, 33, "fingered electric bass"),
        (0, 34, "picked electric bass"),
        (0, 35, "fretless bass"),
        (0, 36, "slap bass"),
        (0, 37, "popped bass"),
        (0, 33, "amped electric bass", 24, 60, (), "amp"),
        (0, 34, "muted electric bass", 24, 60, (), "damped"),
    )
    + _rows(
        "synthetic",
        "bass",
        24,
        60,
        (0, 38, "synth bass"),
        (0, 39, "synth bass two"),
        (8, 38, "acid bass"),
        (8, 39, "rubber synth bass"),
        (0, 87, "bass and lead"),
    )
    + _rows(
        "acoustic",
        "brass",
        40,
        82,
        (0, 56, "trumpet", 52, 86),
        (0, 57, "trombone", 40, 72),
        (0, 58, "tuba", 28, 60),
        (0, 59, "muted trumpet", 54, 84),
        (0, 60, "french horn", 41, 77),
        (0, 61, "brass section", 40, 80),
        (8, 61, "brass ensemble", 40, 80),
        (0, 57, "mellow trombone", 40, 70, (), "mellow"),
        (0, 60, "stopped horn", 45, 74, (), "damped"),
    )
    + _rows(
        "electronic",
        "brass",
        40,
        84,
        (0, 62, "synth brass"),
        (0, 63, "soft synth brass"),
        (8, 62, "bright synth brass"),
        (8, 63, "analog brass"),
        (0, 61, "tape brass", 40, 80, (), "tape"),
        (0, 56, "amped trumpet", 52, 84, (), "amp"),
    )
    + _rows(
        "acoustic",
        "flute",
        60,
        96,
        (0, 73, "flute"),
        (0, 72, "piccolo", 74, 104),
        (0, 74, "recorder", 60, 91),
        (0, 75, "pan flute", 60, 91),
        (0, 76, "blown bottle", 48, 84),
        (0, 77, "shakuhachi", 55, 86),
        (0, 78, "whistle", 67, 100),
        (0, 79, "ocarina", 60, 91),
    )
    + _rows(
        "electronic",
        "flute",
        55,
        93,
        (0, 73, "tape flute", 55, 91, (), "tape"),
        (0, 75, "tape pan flute", 55, 88, (), "tape"),
        (0, 74, "amped recorder", 60, 88, (), "amp"),
        (0, 82, "calliope"),
        (0, 79, "chorus ocarina", 57, 88, (), "chorus"),
    )
    + _rows(
        "acoustic",
        "guitar",
        40,
        82,
        (0, 24, "nylon guitar"),
        (0, 25, "steel string guitar"),
        (8, 24, "ukulele", 60, 84),
        (8, 25, "twelve string guitar"),
        (16, 25, "mandolin", 55, 88),
        (0, 104, "sitar", 45, 79),
        (0, 105, "banjo", 48, 84),
        (0, 106, "shamisen", 50, 79),
        (0, 107, "koto", 48, 84),
        (8, 107, "taisho koto", 50, 84),
        (0, 24, "muted nylon guitar", 40, 79, (), "damped"),
    )
    + _rows(
        "electronic",
        "guitar",
        40,
        84,
        (0, 26, "jazz guitar"),
        (0, 27, "clean electric guitar"),
        (0, 28, "palm muted guitar"),
        (0, 29, "overdriven guitar", 40, 79, ("distortion",)),
        (0, 30, "distortion guitar", 40, 79, ("distortion",)),
        (0, 31, "guitar harmonics", 52, 88),
        (8, 26, "hawaiian guitar"),
        (8, 28, "funk guitar"),
        (8, 30, "feedback guitar", 40, 76, ("distortion",)),
        (0, 27, "amped electric guitar", 40, 80, (), "amp"),
        (0, 26, "tremolo electric guitar", 40, 80, (), "chorus"),
    )
    + _rows(
        "acoustic",
        "keyboard",
        24,
        100,
        (0, 0, "grand piano"),
        (0, 1, "bright piano"),
        (0, 3, "honky tonk piano"),
        (0, 6, "harpsichord", 36, 88),
        (8, 0, "mellow piano"),
        (8, 6, "coupled harpsichord", 36, 86),
        (0, 0, "felt piano", 28, 90, (), "mellow"),
        (0, 1, "upright piano", 28, 96, (), "box"),
    )
    + _rows(
        "electronic",
        "keyboard",
        28,
        96,
        (0, 2, "electric grand piano"),
        (0, 4, "electric piano"),
        (0, 5, "fm electric piano"),
        (0, 7, "clavinet", 36, 88),
        (8, 4, "detuned electric piano"),
        (8, 5, "detuned fm piano"),
        (0, 4, "amped electric piano", 28, 92, (), "amp"),
        (0, 2, "stage piano", 28, 96, (), "chorus"),
    )
    + _rows(
        "acoustic",
        "mallet",
        48,
        100,
        (0, 9, "glockenspiel", 72, 108),
        (0, 10, "music box", 60, 96),
        (0, 11, "vibraphone", 53, 89),
        (0, 12, "marimba", 45, 89),
        (0, 13, "xylophone", 60, 100),
        (0, 14, "tubular bells", 55, 84),
        (0, 15, "hammered dulcimer", 48, 86),
        (0, 108, "kalimba", 50, 88),
        (0, 114, "steel drum", 48, 84),
        (8, 14, "church bell", 48, 79),
        (0, 8, "celesta", 60, 100),
        (0, 12, "soft marimba", 45, 86, (), "mellow"),
    )
    + _rows(
        "electronic",
        "mallet",
        48,
        96,
        (0, 11, "amped vibraphone", 53, 89, (), "amp"),
        (0, 98, "crystal bells", 55, 93),
        (0, 9, "tape bells", 67, 96, (), "tape"),
        (0, 8, "electric celesta", 60, 94, (), "chorus"),
        (0, 108, "amped kalimba", 50, 84, (), "amp"),
        (0, 112, "tinkle bell", 60, 96),
    )
    + _rows(
        "acoustic",
        "organ",
        36,
        90,
        (0, 19, "church organ"),
        (8, 19, "pipe organ"),
        (0, 20, "reed organ", 36, 88),
        (0, 20, "harmonium", 40, 84, (), "mellow"),
        (0, 19, "chamber organ", 40, 90, (), "mellow"),
        (0, 21, "accordion", 48, 88),
    )
    + _rows(
        "electronic",
        "organ",
        36,
        92,
        (0, 16, "drawbar organ"),
        (0, 17, "percussive organ"),
        (0, 18, "rock organ"),
        (8, 16, "detuned organ"),
        (8, 17, "detuned percussive organ"),
        (0, 16, "rotary organ", 36, 90, (), "chorus"),
        (0, 18, "overdriven organ", 36, 84, ("distortion",), "drive"),
    )
    + _rows(
        "acoustic",
        "reed",
        46,
        82,
        (0, 64, "soprano sax", 56, 86),
        (0, 65, "alto sax", 49, 80),
        (0, 66, "tenor sax", 44, 76),
        (0, 67, "baritone sax", 36, 69),
        (0, 68, "oboe", 58, 91),
        (0, 69, "english horn", 52, 81),
        (0, 70, "bassoon", 34, 75),
        (0, 71, "clarinet", 50, 91),
        (0, 109, "bagpipe", 55, 81),
        (0, 111, "shenai", 55, 84),
        (0, 22, "harmonica", 55, 88),
        (0, 65, "mellow alto sax", 49, 78, (), "mellow"),
    )
    + _rows(
        "electronic",
        "reed",
        45,
        84,
        (0, 65, "tape saxophone", 49, 78, (), "tape"),
        (0, 71, "tape clarinet", 50, 86, (), "tape"),
        (0, 66, "amped tenor sax", 44, 74, (), "amp"),
        (0, 68, "chorus oboe", 58, 86, (), "chorus"),
        (0, 70, "amped bassoon", 36, 72, (), "amp"),
    )
    + _rows(
        "acoustic",
        "string",
        36,
        90,
        (0, 40, "violin", 55, 96),
        (0, 41, "viola", 48, 86),
        (0, 42, "cello", 36, 76),
        (0, 44, "tremolo strings", 40, 88),
        (0, 45, "pizzicato strings", 40, 88),
        (0, 46, "harp", 30, 96),
        (0, 48, "string ensemble"),
        (0, 49, "slow strings"),
        (0, 110, "fiddle", 55, 91),
        (8, 40, "slow violin", 55, 93),
        (20, 44, "tremolo violins", 55, 91),
        (20, 45, "pizzicato violins", 55, 91),
        (20, 48, "violin section", 55, 93),
        (30, 49, "viola section", 48, 84),
        (40, 44, "tremolo cellos", 36, 76),
        (40, 45, "pizzicato cellos", 36, 76),
        (40, 48, "cello section", 36, 76),
    )
    + _rows(
        "electronic",
        "string",
        36,
        90,
        (0, 50, "synth strings"),
        (0, 51, "string machine"),
        (8, 50, "analog strings"),
        (0, 48, "tape strings", 36, 86, (), "tape"),
        (0, 40, "electric violin", 55, 91, (), "amp"),
        (0, 42, "electric cello", 36, 74, (), "amp"),
    )
    + _rows(
        "synthetic",
        "synth_lead",
        45,
        90,
        (0, 80, "square lead"),
        (0, 81, "saw lead"),
        (0, 83, "chiff lead"),
        (0, 84, "charang lead"),
        (0, 86, "fifths lead", 45, 84, ("multiphonic",)),
        (0, 90, "polysynth"),
        (8, 80, "sine lead"),
    )
    + _rows(
        "acoustic",
        "vocal",
        48,
        84,
        (0, 52, "choir aahs"),
        (0, 53, "voice oohs"),
        (0, 53, "humming choir", 48, 80, (), "mellow"),
        (0, 52, "distant choir", 48, 84, (), "box"),
    )
    + _rows(
        "electronic",
        "vocal",
        48,
        84,
        (0, 54, "synth voice"),
        (0, 85, "solo vox"),
        (0, 91, "space voice"),
        (0, 52, "tape choir", 48, 81, (), "tape"),
        (0, 53, "chorus voices", 48, 81, (), "chorus"),
    )
    # fmt: on
)

# Instruments kept out of training, by preset: every row that plays one of these (processed or not, in any SoundFont)
# is held out, so that no held-out note shares its recording with a training note.
HELD_OUT: frozenset[tuple[int, int]] = frozenset({
    (0, 43), (0, 35), (8, 39), (0, 60), (0, 63), (0, 74), (0, 78), (0, 105), (8, 25), (8, 28), (8, 26), (0, 3),
    (8, 6), (8, 4), (8, 5), (0, 13), (0, 15), (0, 112), (8, 19), (8, 17), (0, 69), (0, 67), (0, 66), (0, 41),
    (40, 48), (8, 50), (0, 84), (0, 53),
})  # fmt: skip

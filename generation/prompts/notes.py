"""Note names: MIDI numbers and back, and the notes inside a text as people write them, English and Spanish."""

from __future__ import annotations

import re

from generation.errors import ConfigError
from generation.prompts import thesaurus

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NOTE = re.compile(r"([a-g])(#|b)?(-1|[0-9])")
# The same inside a text as somebody wrote it.
_WRITTEN_NOTE = re.compile(r"(?<![a-z0-9#'])[a-g][#b]?(?:-1|[0-9])(?![a-z0-9#'])", re.IGNORECASE)
_PLAIN_SIGNS = str.maketrans("♯♭", "#b")
# Notes as people also write them: "A sharp 2", "A# 2", "midi 46", and in Spanish "la#2", "la sostenido 2". Without
# the word "note", a number behind "midi" is one only within a piano's keys: "midi 2.0" and "midi 2 synth" are none.
_SOLFEGE = {"do": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_PIANO = range(21, 109)
_SPELLED_SIGNS = {"sharp": "#", "sostenido": "#", "flat": "b", "bemol": "b"}
_SPELLED_NOTE = re.compile(
    rf"""(?<![a-z0-9#'])(?:
    midi[ ]?(?P<note>(?:note|nota)[ ]?)?[:#]?[ ]?(?P<number>[0-9]{{1,3}})(?![.][0-9]|[ -]?bits?\b(?![ -]?crush))
    | (?P<letter>[a-g]|{"|".join(_SOLFEGE)})[ -]?(?P<word>{"|".join(_SPELLED_SIGNS)})[ -]?(?P<octave>-1|[0-9])
    | (?P<syllable>{"|".join(_SOLFEGE)})(?P<sign>[#b]?)(?P<height>-1|[0-9])
    | (?P<sharp>[a-g])[#][ ](?P<apart>[0-9])
    )(?![a-z0-9#'])""",
    re.IGNORECASE | re.VERBOSE,
)


def note_name(midi: int) -> str:
    """Name of a MIDI note, 0 to 127: 33 is "A1", 34 "A#1", 60 "C4". Raises ConfigError beyond."""
    if not 0 <= midi <= 127:
        raise ConfigError(f"MIDI note {midi} does not exist; a whole number from 0 to 127 is needed")
    return f"{_NAMES[midi % 12]}{midi // 12 - 1}"


def parse_note(text: str) -> int:
    """MIDI number of a note name such as "A1", "c#4", "Bb2", "B flat 2", "sib2" or "C-1" (C4 is 60).

    Raises ConfigError for any other text.
    """
    midi = midi_number(thesaurus.plain(plain_notes(text.strip())))
    if midi is None:
        raise ConfigError(
            f"{text!r} is no note name; write a letter A to G, # or b if needed, and an octave: A1, C#4, Bb2"
        )
    return midi


def plain_notes(text: str) -> str:
    """A text with its notes as captions write them: "A#2" for A♯2, A sharp 2, la#2 and midi 46."""
    return _SPELLED_NOTE.sub(_as_captions, text.translate(_PLAIN_SIGNS))


def renamed_notes(text: str, name: str) -> str:
    """A text with `name` in the place of every note that it names; its other words stay as they are."""
    return _WRITTEN_NOTE.sub(name, plain_notes(text))


def midi_number(token: str) -> int | None:
    """MIDI number of a plain token such as "a#1" or "c-1"; None when it names no MIDI note."""
    match = _NOTE.fullmatch(token)
    if match is None:
        return None
    letter, accidental, octave = match.groups()
    midi = 12 * (int(octave) + 1) + _LETTERS[letter] + {"#": 1, "b": -1, None: 0}[accidental]
    return midi if 0 <= midi <= 127 else None


def _as_captions(match: re.Match[str]) -> str:
    said = match.groupdict()
    if said["number"]:
        midi = int(said["number"])
        return note_name(midi) if midi in _PIANO or (said["note"] and midi <= 127) else match[0]
    if said["sharp"]:
        return f"{said['sharp'].upper()}#{said['apart']}"
    letter = (said["letter"] or said["syllable"]).lower()
    sign = _SPELLED_SIGNS[said["word"].lower()] if said["word"] else said["sign"].lower()
    return f"{_SOLFEGE.get(letter, letter.upper())}{sign}{said['octave'] or said['height']}"

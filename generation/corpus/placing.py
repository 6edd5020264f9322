"""Where a user's sound belongs: source, family, qualities, pitch and instrument, from a manifest or from its names.

Nothing is guessed: a sound whose family or source neither its manifest row nor its names settle is refused with
the reason, and only its pitch may still be measured.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from generation.errors import ConfigError, CorpusError
from generation.prompts.vocabulary import (
    FAMILIES,
    HIGHEST_NOTE,
    LOWEST_NOTE,
    QUALITIES,
    SOURCES,
    Understood,
    exclusive_pair,
    in_order,
    note_name,
    parse_note,
    understand,
)

MANIFEST = "manifest.csv"
_NEEDED_COLUMNS = ("file", "family", "source")
_NOTE = re.compile(r"[a-g][#b]?-?\d")
# Names are split before digits, so that "take2" arrives as "take" and "2".
_TAKE = re.compile(r"(?:v|vel|rr|take)?\d*")
_DRUMS = frozenset(
    "kick,kick drum,bass drum,snare,snare drum,hi hat,hihat,hat,clap,tom,cymbal,crash,drum,shaker,tambourine,"
    "woodblock,bongo,conga".split(",")
)


class NotPlacedError(Exception):
    """A sound cannot be placed; the text is the reason listed for the user."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of one sound before it is heard.

    pitch is a MIDI number, None when it must be measured. kit holds the words that the takes of one instrument
    share; sounds of the same source, family and kit are one instrument. instrument_name is what people call it,
    None when its words name no instrument.
    """

    source: str
    family: str
    qualities: tuple[str, ...]
    pitch: int | None
    kit: str
    instrument_name: str | None


def read_manifest(folder: Path) -> dict[str, Mapping[str, str]] | None:
    """Rows of manifest.csv by file (relative, with "/"), None when the folder has none.

    Raises CorpusError when it is not UTF-8 CSV with the columns file, family and source, or names a file twice.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    rows: dict[str, Mapping[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            missing = [name for name in _NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise CorpusError(
                    f"{path}: has no column {', '.join(missing)}; "
                    "its first line names file, family, source, instrument, midi_pitch, qualities"
                )
            for row in reader:
                # A short line leaves its last columns None, a long one collects the rest under None.
                words = {name: (row[name] or "").strip() for name in reader.fieldnames or ()}
                if not any(words.values()):
                    continue  # spreadsheets end in lines of commas alone
                if not words["file"]:
                    raise CorpusError(f"{path}, line {reader.line_num}: names no file; fill in the column file")
                file = PurePosixPath(words["file"].replace("\\", "/")).as_posix()
                if file in rows:
                    raise CorpusError(f"{path}, line {reader.line_num}: {file} stands twice; name it once")
                rows[file] = {**words, "file": file}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as UTF-8 CSV ({error}); export it again") from error
    return rows


def place_by_row(row: Mapping[str, str]) -> Place:
    """Place a sound by its manifest row; an empty midi_pitch is looked for in the file's name.

    Raises NotPlacedError for words that are not NSynth's, a pitch outside A0 to C8, exclusive qualities.
    """
    family = _word("family", row["family"], FAMILIES)
    source = _word("source", row["source"], SOURCES)
    qualities = [word for word in re.split(r"[;,|\s]+", row.get("qualities", "")) if word]
    file = PurePosixPath(row["file"])
    asked = row.get("midi_pitch", "")
    kit = row.get("instrument", "") or _kit([*file.parent.parts, file.stem])
    return Place(
        source=source,
        family=family,
        qualities=_consistent([_word("quality", word, QUALITIES) for word in qualities]),
        pitch=_in_range(_midi(asked) if asked else understand(_spaced(file.stem)).note),
        kit=kit,
        instrument_name=_instrument(understand(_spaced(kit)), family),
    )


def place_by_names(folder: Path, file: PurePosixPath) -> Place:
    """Place a sound by what its folders and its name say; the most specific name decides its family.

    Raises NotPlacedError when they name no family or several, or leave the source open.
    """
    # The folder given is the least specific name: "808 bass/C1.wav" may be given as the folder "808 bass".
    parts = [folder.resolve().name, *file.parent.parts, file.stem]
    told = [understand(_spaced(part)) for part in parts]
    family = _family(told)
    agreeing = [part for part, said in zip(parts, told, strict=True) if said.family in (None, family)]
    whole = understand(" ".join(_spaced(part) for part in agreeing))
    if whole.source is None:
        raise NotPlacedError(
            f"its names do not say whether the {family} is acoustic, electronic or synthetic; "
            f"say it in a folder's name or in {MANIFEST}"
        )
    named = next((name for said in reversed(told) if (name := _instrument(said, family))), None)
    return Place(
        source=whole.source,
        family=family,
        qualities=_consistent(whole.qualities),
        pitch=_in_range(told[-1].note),
        kit=_kit([*file.parent.parts, file.stem]),
        instrument_name=named,
    )


def _family(told: list[Understood]) -> str:
    for said in reversed(told):
        drum = next((word for word in said.words_used if word.removesuffix("s") in _DRUMS), None)
        if drum:  # "808 kick" means the machine, not its bass
            raise NotPlacedError(f"its name says {drum}, which belongs to no family of NSynth; say one in {MANIFEST}")
        if said.family:
            return said.family
        if said.families:
            raise NotPlacedError(f"its name says {' and '.join(said.families)}; say one in {MANIFEST}")
    raise NotPlacedError(f"its names say no instrument family of NSynth; say it in {MANIFEST}")


def _spaced(name: str) -> str:
    """Take a file name apart: "PalmMuted_Guitar01-E2" reads "Palm Muted Guitar 01 E2"."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))
    return re.sub(r"(?<=[A-Za-z]{3})(?=\d)", " ", name)


def _kit(names: list[str]) -> str:
    """Words of the names without notes, numbers and takes: what the sounds of one instrument share."""
    return " ".join(dict.fromkeys(word for name in names for word in _kit_words(name)))


def _kit_words(name: str) -> Iterator[str]:
    for word in re.split(r"[\s.,()\[\]-]+", _spaced(name).casefold()):
        if word and not _NOTE.fullmatch(word) and not _TAKE.fullmatch(word):
            yield word


def _instrument(said: Understood, family: str) -> str | None:
    return said.instruments[-1] if said.instruments and said.family == family else None


def _word(what: str, word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise NotPlacedError(f"{MANIFEST} gives {what} {word!r}; one of {', '.join(known)} is needed")
    return word


def _midi(text: str) -> int:
    try:
        return int(text) if text.isdecimal() else parse_note(text)
    except ConfigError as error:
        raise NotPlacedError(f"{MANIFEST} gives midi_pitch {text!r}; a MIDI number is needed") from error


def _in_range(pitch: int | None) -> int | None:
    if pitch is not None and not LOWEST_NOTE <= pitch <= HIGHEST_NOTE:
        name = note_name(pitch) if 0 <= pitch <= 127 else str(pitch)
        raise NotPlacedError(f"its pitch {name} is outside A0 to C8")
    return pitch


def _consistent(qualities: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    pair = exclusive_pair(qualities)
    if pair:
        raise NotPlacedError(f"it is called {pair[0]} and {pair[1]}, which exclude each other")
    return in_order(qualities)

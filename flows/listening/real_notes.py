"""Real notes for a listening test: from a folder in NSynth's format, or from sound files with captions.csv.

A real note is finished like a made sound (DC out, trimmed, faded), and its words are as many and of the same kind as
those of a made one, so that neither silence nor the wording tells it apart. A note of fewer quality words than any
made sound is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import ListeningError
from catalog.listening.choice import shuffled
from catalog.listening.records import Candidate
from catalog.records import SampleRecord
from generation.audio import Clip, read_clip
from generation.corpus.nsynth import Note, clip_of, read_corpus
from generation.finish import finish
from generation.prompts.captions import tag_caption
from generation.prompts.vocabulary import QUALITIES

CAPTIONS = "captions.csv"


@dataclass(frozen=True)
class RealNote:
    """A candidate and how its sound is read; `read` raises AudioError or CorpusError."""

    candidate: Candidate
    read: Callable[[], Clip]


def real_notes(folder: Path, made: Sequence[SampleRecord], seed: int) -> list[RealNote]:
    """The real notes of a folder; the words of each follow the pattern of a sound among `made`, drawn by seed.

    Raises ListeningError for a folder with neither examples.json nor captions.csv, captions that name no file, and a
    corpus whose notes cannot be asked for in words like those of the made sounds; CorpusError for a corpus that is not
    what it promises.
    """
    if (folder / "examples.json").is_file():
        return _worded_alike(folder, made, seed)
    if (folder / CAPTIONS).is_file():
        return _captioned(folder)
    raise ListeningError(
        f"{folder}: holds no real notes; a folder in NSynth's format (examples.json, audio/), or sound files and a "
        f"{CAPTIONS} with the columns file, caption and, if you like, family is needed"
    )


def _worded_alike(folder: Path, made: Sequence[SampleRecord], seed: int) -> list[RealNote]:
    """The notes of a corpus that can be asked for in words like those of a made sound."""
    tagged = [
        one for one in made if one.prompt == tag_caption(one.source, one.qualities, one.family or "", one.note_asked)
    ]
    if not tagged:
        raise ListeningError(
            f"{folder}: has tags alone, and no sound was asked for in tags, so the words would tell the notes apart; "
            f"name sound files with a {CAPTIONS} worded like the prompts"
        )
    fitting = {count: [one for one in tagged if len(one.qualities) <= count] for count in range(len(QUALITIES) + 1)}
    by_name = {note.note_str: note for note in read_corpus(folder).notes}
    found = []
    for row, name in enumerate(shuffled(by_name, seed, "wording")):
        note = by_name[name]
        if like := fitting[len(note.qualities)]:
            found.append(_of_corpus(note, like[row % len(like)]))
    if not found:
        raise ListeningError(
            f"{folder}: no real note has as many quality words as the sounds were asked for with, so the words would "
            "tell it apart; name other notes"
        )
    return found


def _of_corpus(note: Note, like: SampleRecord) -> RealNote:
    qualities = note.qualities[: len(like.qualities)]
    source = note.source if like.source is not None else None
    caption = tag_caption(source, qualities, note.family, note.pitch if like.note_asked is not None else None)
    candidate = Candidate(note.note_str, None, None, note.family, caption)

    def read() -> Clip:
        return finish(clip_of(note))

    return RealNote(candidate, read)


def _captioned(folder: Path) -> list[RealNote]:
    path = folder / CAPTIONS
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListeningError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from error
    found: dict[str, RealNote] = {}
    for number, row in enumerate(rows, start=2):
        name, caption = ((row.get(key) or "").strip() for key in ("file", "caption"))
        if not name or not caption:
            raise ListeningError(f"{path}, line {number}: the columns file and caption must both say something")
        if not (folder / name).is_file():
            raise ListeningError(f"{path}, line {number}: there is no file {folder / name}")
        if name in found:
            raise ListeningError(f"{path}, line {number}: {name} stands twice; keep one")
        candidate = Candidate(name, None, None, (row.get("family") or "").strip() or None, caption)
        found[name] = RealNote(candidate, lambda sound=folder / name: finish(read_clip(sound)))  # type: ignore[misc]
    if not found:
        raise ListeningError(f"{path}: names no file; a line for each sound is needed")
    return list(found.values())

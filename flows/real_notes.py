"""Real notes of a corpus folder as the other side of scores: finished like sounds of the library, heard once, kept.

What an extractor hears in a few thousand notes takes minutes, so it is kept beside the library's other files that can
be made again: LIBRARY/index/reference-*.safetensors, one for each extractor, folder, length and way of finishing. A
folder that changes is heard anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from catalog.errors import ScoreError
from catalog.scores.extractors import Extractor
from catalog.scores.reference import Cell, Reference, build_reference
from flows.progress import Bar, progress
from generation.audio import Clip, file_sha256
from generation.corpus.nsynth import Corpus, Note, clip_of
from generation.errors import AudioError
from generation.finish import FinishSettings, finish

logger = logging.getLogger(__name__)


def real_notes(
    corpus: Corpus, extractor: Extractor, finishing: FinishSettings, length_s: float | None, kept_in: Path | None = None
) -> Reference:
    """What an extractor hears in the notes of a corpus, each finished as sounds are.

    length_s: what every note is cut or zero-padded to after its finish, None leaves it as it is. kept_in: folder in
    which it is kept and found again. Silent notes, and cells where fewer than two are left, are named in the log.
    Raises ScoreError when no cell is left or a note is too short for the extractor.
    """
    path = kept_in / f"reference-{_key(corpus, extractor, finishing, length_s)}.safetensors" if kept_in else None
    if path is not None and path.exists():
        try:
            return Reference.load(path)
        except ScoreError as error:
            logger.warning("%s; its notes are heard again", error)
    by_cell: dict[Cell, list[Note]] = defaultdict(list)
    for note in corpus.notes:
        by_cell[note.source, note.family].append(note)
    with progress("real notes", sum(map(len, by_cell.values()))) as bar:
        clips: Mapping[Cell, Iterator[Clip]] = {
            cell: _finished(notes, finishing, bar) for cell, notes in by_cell.items()
        }
        made = build_reference(extractor, clips, f"{corpus.info.name}, {corpus.folder.resolve().name}", length_s)
    if path is not None:
        made.save(path)
    return made


def _finished(notes: Sequence[Note], finishing: FinishSettings, bar: Bar) -> Iterator[Clip]:
    """Notes one by one, trimmed and levelled as the sounds of a library are."""
    for note in notes:
        bar.advance()
        try:
            yield finish(clip_of(note), finishing)
        except AudioError as error:
            logger.warning("%s: left out: %s", note.path, error)


def _key(corpus: Corpus, extractor: Extractor, finishing: FinishSettings, length_s: float | None) -> str:
    """What a kept reference is found by, 16 hex digits: other sounds, extractor or preparation give another one."""
    sounds = [(note.note_str, note.path.stat().st_size, note.path.stat().st_mtime_ns) for note in corpus.notes]
    told = [
        extractor.id, extractor.protocol, length_s, finishing.model_dump(mode="json"), corpus.info.name,
        corpus.folder.resolve().name, file_sha256(corpus.folder / "examples.json"), sounds,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

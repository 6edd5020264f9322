"""New sound or copy: banks of training notes, and the comparison of a library's sounds with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from catalog.embedders import Embedder
from catalog.fingerprint import fingerprint
from catalog.library import Library
from catalog.novelty import STARTER_BANK, NoveltyBank, make_bank
from catalog.records import Kinship
from flows.place import newest_config
from flows.progress import progress
from flows.settings import DEFAULT_BANKS
from generation.audio import Clip, read_clip
from generation.corpus.nsynth import Corpus, Note, clip_of
from generation.errors import AudioError
from generation.finish import finish

logger = logging.getLogger(__name__)

STARTER = "starter"
"""The name of the shipped bank."""
AT_ONCE = 32


def read_banks(names: Sequence[str], folder: Path) -> list[NoveltyBank]:
    """Read novelty banks: "starter", or files relative to `folder`. Raises NoveltyError for one that is not there."""
    return [NoveltyBank.load(STARTER_BANK if name == STARTER else folder / name) for name in names]


def banks_of_library(library: Library) -> list[NoveltyBank]:
    """The banks of a library's newest night, else the shipped one. Raises NoveltyError for a file that moved."""
    return read_banks(newest_config(library).get("novelty", DEFAULT_BANKS), Path())


def banks_id(banks: Sequence[NoveltyBank]) -> str:
    """Which banks were asked, as one line."""
    return " ".join(bank.id for bank in banks)


def flag_copies(library: Library, embedder: Embedder, banks: Sequence[NoveltyBank]) -> int:
    """Compare every accepted sound that these banks have not seen yet; how many were compared.

    With several banks the most alike note of any is kept, and a sound is a copy when it is one in any. A damaged
    master is named in the log and left out.
    """
    asked = banks_id(banks)
    missing = library.missing_kinships(asked) if banks else []
    if not missing:
        return 0
    vectors = _vectors(library, embedder)
    compared = 0
    with progress("compare", len(missing)) as bar:
        for start in range(0, len(missing), AT_ONCE):
            found: dict[int, Kinship] = {}
            for sample in missing[start : start + AT_ONCE]:
                try:
                    clip = read_clip(library.audio_path(sample))
                except AudioError as error:
                    logger.warning("not compared: %s; `nightcrate verify` lists what is damaged", error)
                    continue
                found[sample.id] = nearest_of(banks, clip, vectors.get(sample.id), embedder.id)
            library.add_kinships(asked, found)
            compared += len(found)
            bar.advance(AT_ONCE)
    return compared


def nearest_of(banks: Sequence[NoveltyBank], clip: Clip, vector: np.ndarray | None, embedder: str) -> Kinship:
    """How a finished clip stands to the notes of one or more banks; a copy by any bank goes before one that is not."""
    return max(
        (bank.kinship(clip, vector, embedder) for bank in banks),
        key=lambda kinship: (kinship.is_copy, kinship.likeness),
    )


def fingerprint_corpus(
    corpus: Corpus, embedder: Embedder, progress: Callable[[int, int], None] | None = None
) -> NoveltyBank:
    """Make the bank of a corpus: every note finished as the product finishes sounds, then fingerprinted and heard.

    A note that is digital silence is left out. Raises CorpusError for a sound that cannot be read, NoveltyError when
    nothing is left.
    """
    names: list[str] = []
    prints: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    for start in range(0, len(corpus.notes), AT_ONCE):
        clips: list[Clip] = []
        for note in corpus.notes[start : start + AT_ONCE]:
            try:
                clips.append(finished(note))
            except AudioError:
                continue
            names.append(note.note_str)
        prints += [fingerprint(clip).levels for clip in clips]
        vectors.append(embedder.embed_audio(clips))
        if progress is not None:
            progress(min(start + AT_ONCE, len(corpus.notes)), len(corpus.notes))
    origin = {"name": corpus.info.name, "licence": corpus.info.licence, "attribution": corpus.info.attribution}
    stacked = np.stack(prints) if prints else np.zeros((0, 0, 0), np.uint8)
    return make_bank(names, stacked, np.concatenate(vectors), embedder.id, origin)


def finished(note: Note) -> Clip:
    """A training note as a one-shot of the product; AudioError when it is digital silence."""
    return finish(clip_of(note))


def _vectors(library: Library, embedder: Embedder) -> dict[int, np.ndarray]:
    ids, vectors = library.embeddings(embedder.id)
    return dict(zip(ids.tolist(), vectors, strict=True))

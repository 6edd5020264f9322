"""What follows the making, as plain functions on a library: vectors, scores, index, league."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from catalog.embedders import Embedder
from catalog.errors import CatalogError, EmbedderError, LibraryError, NoveltyError
from catalog.index import VectorIndex
from catalog.library import Library
from catalog.novelty import NoveltyBank
from catalog.records import SampleFilter
from catalog.scores.extractors import Extractor
from catalog.search import sample_scores
from flows.judging import gate_of, read_judging
from flows.novelty import banks_of_library, flag_copies
from flows.place import newest_config
from flows.progress import progress
from flows.settings import DEFAULT_BANKS
from generation.audio import Clip, read_clip
from generation.corpus.nsynth import Corpus
from generation.errors import AudioError

logger = logging.getLogger(__name__)

EMBED_AT_ONCE = 32
_ANY = SampleFilter(statuses=())


def embed_missing(library: Library, embedder: Embedder) -> int:
    """Give every accepted sound without a vector one; how many got one.

    Kept in small steps, so that a kill costs little. A damaged master is named in the log and left out.
    """
    missing = library.missing_embeddings(embedder.id)
    embedded = 0
    with progress("embed", len(missing)) as bar:
        for start in range(0, len(missing), EMBED_AT_ONCE):
            ids: list[int] = []
            clips: list[Clip] = []
            for sample in missing[start : start + EMBED_AT_ONCE]:
                try:
                    clips.append(read_clip(library.audio_path(sample)))
                except AudioError as error:
                    logger.warning("not embedded: %s; `nightcrate verify` lists what is damaged", error)
                    continue
                ids.append(sample.id)
            if ids:
                library.add_embeddings(embedder.id, ids, embedder.embed_audio(clips))
            embedded += len(ids)
            bar.advance(EMBED_AT_ONCE)
    return embedded


def score_sounds(library: Library, embedder: Embedder) -> int:
    """Score every accepted sound against its prompt, within its family; how many have a score now."""
    return len(sample_scores(library, embedder))


def build_index(library: Library, embedder: Embedder) -> int:
    """Bring the vector index up to date; how many sounds it holds."""
    return len(VectorIndex.open(library, embedder.id)) if library.count() else 0


def score_models(library: Library, device: str = "cpu", infinity: bool = False) -> str | None:
    """Score every model of the library with the starter judge; the reason when that is not possible.

    What the judge took each sound for is kept as well, as a score of that sound (catalog/scores/heard_as.py).
    `infinity` adds the FAD of infinitely many sounds, which takes some seconds for each model.
    """
    from catalog.embedders.judge import Judge
    from catalog.scores.league import LeagueSettings, heard_families, league
    from catalog.scores.reference import STARTER_REFERENCE, Reference

    if not library.count(_ANY):
        return "the library holds no sound"
    try:
        judge = Judge(device=device)
        reference = Reference.load(STARTER_REFERENCE)
        scores = league(library, judge, reference, LeagueSettings(infinity=infinity))
        scores += heard_families(library, judge, reference)
    except CatalogError as cause:  # a night without scores is a night: its sounds are made and found
        return str(cause)
    library.replace_model_scores(scores, judge.id)
    return None


def score_against(
    library: Library,
    extractors: Sequence[Extractor],
    embedder: Embedder,
    corpus: Corpus,
    length_s: float,
    infinity: bool = False,
    kept_in: Path | None = None,
) -> None:
    """Score every model against the real notes of a corpus: by these extractors, and by the library's own vectors.

    Sounds and notes are cut or zero-padded to length_s for the extractors; vectors are of sounds as they are. The
    notes are finished as the library's newest night finished its sounds; what is heard in them is kept in kept_in,
    None for the library's index. Raises LibraryError for a library without a sound, and ScoreError for notes that are
    no reference.
    """
    from catalog.scores.extractors import ClapExtractor
    from catalog.scores.league import LeagueSettings, league
    from flows.real_notes import real_notes

    if not library.count(_ANY):
        raise LibraryError(f"{library.path}: holds no sound, so there is nothing to score")
    settings = LeagueSettings(infinity=infinity)
    finishing = read_judging(gate_of(library)).finish
    kept_in = kept_in or library.path / "index"
    for extractor in extractors:
        reference = real_notes(corpus, extractor, finishing, length_s, kept_in)
        library.replace_model_scores(league(library, extractor, reference, settings), extractor.id)
    embed_missing(library, embedder)
    reference = real_notes(corpus, ClapExtractor(embedder), finishing, None, kept_in)
    scores = league(library, ClapExtractor(embedder), reference, settings, from_vectors=True)
    library.replace_model_scores(scores, embedder.id)


def make_usable(library: Library, embedder: Embedder, banks: Sequence[NoveltyBank]) -> None:
    """Give accepted sounds that came in by another way than a night what search and packs need."""
    embed_missing(library, embedder)
    flag_copies(library, embedder, banks)
    score_sounds(library, embedder)
    build_index(library, embedder)


def catch_up(library: Library, embedder: Embedder, device: str, banks: Sequence[NoveltyBank] = ()) -> None:
    """Make what a library lacks beside sounds, for a night that has nothing left to generate."""
    embedded = embed_missing(library, embedder)
    flag_copies(library, embedder, banks)
    if embedded or any(sample.score is None for sample in library.samples()):
        score_sounds(library, embedder)
    build_index(library, embedder)
    if embedded:
        score_models(library, device)


def finish_what_was_left(library: Library, load_embedder: Callable[[], Embedder]) -> bool:
    """Make usable what a killed night left behind, where that is possible; whether copies matter in this library.

    They do not where the newest night compares with no bank. A library that another process works on, that is only
    read, or whose ear or banks are not on this machine is left as it is, and the log says why.
    """
    if not newest_config(library).get("novelty", DEFAULT_BANKS):
        return False
    if library.read_only or not library.missing_kinships(None):
        return True
    try:
        library.lock()
        make_usable(library, load_embedder(), banks_of_library(library))
    except (EmbedderError, LibraryError, NoveltyError) as cause:
        logger.warning("not compared with training notes: %s", cause)
    return True

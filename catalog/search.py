"""Find sounds by words or by example: the ear of the embedder, the words of the library and measured facts.

A search ranks by the sum of five opinions:

- the ear: how many standard deviations the CLAP similarity of a sound lies above the mean of all accepted
  sounds for this query in English (raw cosines share no scale between queries);
- the tags: what family, instrument, source, qualities and, within the named family, measured note are worth where
  they are what the words mean (catalog/query.py). Prompts are known, so a sound of the wrong family has to lie three
  standard deviations nearer before it is shown first;
- the leanings of words that settle nothing ("pad", "soft"; catalog/leanings.py), which are worth less;
- where it stands among such sounds by its note for "low" and "high", by its length for "long" and "short"
  (catalog/places.py);
- the words: up to WORD_WEIGHT for the best full-text match, which finds what no thesaurus holds.

Without full text the ear alone ranks. Filters, minus words and denials decide beforehand which sounds take part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from catalog.embedders import Embedder
from catalog.errors import SearchError
from catalog.index import VectorIndex
from catalog.leanings import leanings
from catalog.places import Place, length_places, note_places
from catalog.query import NEAR_NOTE, Query, agreement, contradicts, excluder, filter_text, parse_query
from catalog.records import KEEP, SampleFilter, SampleRecord
from catalog.scores.percentile import percentiles
from generation.audio import Clip
from generation.descriptors import NO_SOUND_DBFS, raw_facts

if TYPE_CHECKING:
    from catalog.library import Library

WORD_WEIGHT = 1.0

SHORTEST_COMPARED_S = 0.05
"""What sounds shorter is no sound to the gate either (min_duration_s in configs/gate); it is a click to an ear."""
_TAIL_DB = -60.0  # where a sound has ended, below its peak, as finishing cuts it

POOL = 1_000
"""Sounds that each opinion proposes, or k if that is more; a smaller library is ranked as a whole."""


@dataclass(frozen=True)
class Hit:
    """One sound that was found.

    similarity: cosine with the query, -1..1. percentile: rank of that similarity among all accepted sounds
    for this query, in (0, 100], whatever the filters. why: what speaks for the sound, strongest first.
    """

    sample: SampleRecord
    similarity: float
    percentile: float
    why: tuple[str, ...]


def search(
    library: Library,
    embedder: Embedder,
    query: str,
    filters: SampleFilter | None = None,
    k: int = 10,
    fulltext: bool = True,
) -> list[Hit]:
    """Return up to k sounds for a query, best first; equal ones by id.

    Sounds that a reviewer dropped do not take part unless `filters.reviews` asks for them. A query without
    words is answered from the words of its filters, and one that only excludes ("-bass") like a denial ("no
    bass"). Raises SearchError when there is nothing to look for or nothing to search in.
    """
    where = _without_dropped(filters or SampleFilter())
    parsed = _with_words(parse_query(query), where)
    heard = _listen(library, embedder, _text_vector(embedder, parsed.heard), k)

    def having(phrase: str) -> set[int]:
        return {id for id, _ in library.fulltext([phrase])}

    allowed = set(library.sample_ids(where)).intersection(*map(having, parsed.required))
    worded = dict(library.fulltext(parsed.words)) if fulltext else {}
    places = _places(library, parsed, where, allowed) if fulltext else []
    size = max(POOL, k)
    candidates = _Candidates(library, excluder(parsed, having))
    pool = candidates.first(heard.among(allowed), size)
    if fulltext and len(allowed) > size:
        placed = [sorted(each, key=lambda id: -each[id][0]) for each in places]
        for proposed in (*_proposed(library, parsed, where, worded), *placed):
            pool |= candidates.first([id for id in proposed if id in allowed], POOL)
    records = list(pool.values())
    ear = heard.deviations()
    best_word = max((worded[s.id] for s in records if s.id in worded), default=0.0)

    ranked = []
    for sample in records:
        total = ear[sample.id]
        why: tuple[str, ...] = (heard.sentence(sample.id),)
        if fulltext:
            agreed, reasons = agreement(parsed, sample)
            word = worded.get(sample.id, 0.0) / best_word if best_word > 0 else 0.0
            taken = [each[sample.id] for each in places if sample.id in each]
            total += agreed + sum(worth for worth, _ in taken) + WORD_WEIGHT * word
            why = (*reasons, *(told for worth, told in taken if worth > 0), *why)
        ranked.append((-total, sample.id, heard.hit(sample, why)))
    ranked.sort(key=lambda entry: entry[:2])
    return [hit for _, _, hit in ranked[:k]]


def nothing_known(library: Library, query: str) -> str | None:
    """Say that no word of a query means anything here, so that the ear alone answers it; None when one does.

    A word that leans to something, or that a prompt or tag of the library says, means something.
    """
    parsed = parse_query(query)
    if not parsed.text or parsed.settles or library.fulltext(parsed.words, limit=1):
        return None
    return f"no word of {parsed.text!r} is known as an instrument, source, quality or note, and no prompt says it"


def not_searchable(library: Library, embedder_id: str) -> str | None:
    """Say how many accepted sounds have no vector of this embedder yet, so that no search shows them; None if all have.

    A night gives its sounds theirs at its end: a kill leaves them without.
    """
    count = len(library.missing_embeddings(embedder_id))
    if not count:
        return None
    told = "1 accepted sound is" if count == 1 else f"{count} accepted sounds are"
    vectors = "its vector" if count == 1 else "their vectors"
    return f"{told} not searchable yet; `nightcrate rebuild` or the end of the night makes {vectors}"


def fitting(library: Library, embedder: Embedder, query: str, filters: SampleFilter | None = None) -> list[Hit]:
    """Return all sounds for a query, best first, without those that contradict it.

    Where `search` ends with what is nearest, this ends with the last sound that can be meant: of the family, the
    source and the note that the query names, without the opposite of a quality, and with what words like "pad" lean
    to (query.contradicts), and for "low" and "high" on that side of the middle of what is left. Raises SearchError as
    `search` does, and for a query of which no word means anything here.
    """
    unknown = nothing_known(library, query)
    if unknown:
        raise SearchError(
            f"{unknown}, so nothing here is known to fit; say it in other words, or leave the words out and choose "
            "by --family, --source or --quality"
        )
    parsed = parse_query(query)
    contradicting = contradicts(parsed)
    hits = search(library, embedder, query, filters, max(library.count(), 1))
    fit = [hit for hit in hits if not contradicting(hit.sample)]
    if not parsed.register:
        return fit
    places = note_places(parsed, [hit.sample for hit in fit])
    return [hit for hit in fit if hit.sample.id in places and places[hit.sample.id][0] >= 0]


def similar(
    library: Library,
    embedder: Embedder,
    example: int | Clip,
    filters: SampleFilter | None = None,
    k: int = 10,
) -> list[Hit]:
    """Return up to k sounds that sound like a sound of the library (by id; itself left out) or like a clip.

    Dropped sounds do not take part unless `filters.reviews` asks for them. Raises SearchError when there is
    nothing to search in or the clip holds nothing to compare, LibraryError when the id has no vector.
    """
    where = _without_dropped(filters or SampleFilter())
    if isinstance(example, Clip):
        vector = embedder.embed_audio([_heard_part(example)])[0]
        heard = _listen(library, embedder, vector, k)
    else:
        _, vectors = library.embeddings(embedder.id, [example])
        heard = _listen(library, embedder, vectors[0], k, without=example)
    nearest = heard.among(set(library.sample_ids(where)))[:k]
    return [heard.hit(sample, (heard.sentence(sample.id),)) for sample in _records(library, nearest)]


def sample_scores(library: Library, embedder: Embedder) -> dict[int, float]:
    """Score every accepted sound and store the scores in the library: sample id -> percentile.

    The score is the percentile rank within its family of the cosine between the CLAP text vector of its
    prompt and its CLAP audio vector, in (0, 100], equal cosines at their average rank. Sounds without a
    vector are left as they are.
    """
    ids, vectors = library.embeddings(embedder.id)
    rows = {int(id): row for row, id in enumerate(ids)}
    samples = [sample for sample in library.samples() if sample.id in rows]
    if not samples:
        return {}
    prompts = list(dict.fromkeys(sample.prompt for sample in samples))
    texts = dict(zip(prompts, embedder.embed_text(prompts), strict=True))
    cosines = np.array([float(texts[s.prompt] @ vectors[rows[s.id]]) for s in samples])
    families = np.array([sample.family for sample in samples])
    scores = np.zeros(len(samples))
    for family in np.unique(families):
        scores[families == family] = percentiles(cosines[families == family])
    by_id = {sample.id: float(score) for sample, score in zip(samples, scores, strict=True)}
    library.set_sample_scores(by_id)
    return by_id


@dataclass(frozen=True, eq=False)
class _Heard:
    """All accepted sounds against one vector: ids int64 [n], cosines and percentiles [n], nearest first."""

    ids: np.ndarray
    cosines: np.ndarray
    percentiles: np.ndarray
    row: dict[int, int]

    def among(self, wanted: set[int]) -> list[int]:
        """Those of the ids that are wanted, nearest first."""
        return [id for id in self.ids.tolist() if id in wanted]

    def deviations(self) -> dict[int, float]:
        """Standard deviations above the mean by id; all 0 when all sounds are equally near."""
        spread = float(self.cosines.std())
        if spread < 1e-9:
            return dict.fromkeys(self.ids.tolist(), 0.0)
        scaled = (self.cosines - self.cosines.mean()) / spread
        return dict(zip(self.ids.tolist(), scaled.tolist(), strict=True))

    def sentence(self, sample_id: int) -> str:
        """Say in words how near a sound is."""
        return f"sounds nearer than {self.percentiles[self.row[sample_id]]:.0f} % of the library"

    def hit(self, sample: SampleRecord, why: tuple[str, ...]) -> Hit:
        """Make the hit of a sound."""
        row = self.row[sample.id]
        return Hit(sample, float(self.cosines[row]), float(self.percentiles[row]), why)


def _listen(library: Library, embedder: Embedder, vector: np.ndarray, k: int, without: int | None = None) -> _Heard:
    """Compare a vector with every accepted sound that has one."""
    if k < 1:
        raise SearchError(f"{k} results were asked for; at least 1 is needed")
    accepted = [id for id in library.sample_ids() if id != without]
    if not accepted:
        raise SearchError(f"{library.path}: holds no accepted sound to search; `nightcrate night` makes some")
    if library.embedding_state(embedder.id).count == 0:
        raise SearchError(
            f"{library.path}: no sound has a vector of {embedder.id}; a night gives its sounds theirs at "
            "its end, and `nightcrate rebuild` does it now"
        )
    ids, cosines = VectorIndex.open(library, embedder.id).search(vector, among=accepted)
    order = np.lexsort((ids, -cosines))  # equal cosines by id, so that two searches agree
    ids, cosines = ids[order], cosines[order].astype(np.float64)
    return _Heard(ids, cosines, percentiles(cosines), {int(id): row for row, id in enumerate(ids)})


def _text_vector(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    """The direction, float32 [d] of length 1, of texts that say the same in other words (Radford et al. 2021,
    arXiv 2103.00020, section 3.1.4: the mean of their vectors)."""
    mean = embedder.embed_text(texts).mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return (mean / length).astype(np.float32)


def _heard_part(clip: Clip) -> Clip:
    """An example from where it begins to sound to where it ends, as the sounds of a library were cut.

    Raises SearchError where nothing can be heard: an embedder turns it to full level and hears dither.
    """
    samples = clip.samples.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        centred = samples - samples.mean(axis=1, keepdims=True)  # a constant voltage sounds like nothing
    facts = raw_facts(replace(clip, samples=centred.astype(np.float32)))
    if not facts.finite:
        raise SearchError("the example holds no sound that can be compared: NaN or infinite samples")
    if facts.silent:
        level = "digital silence" if facts.peak_dbfs is None else f"its peak is {facts.peak_dbfs:.0f} dBFS"
        raise SearchError(
            f"the example holds no sound that can be compared: silent ({level}, {NO_SOUND_DBFS:.0f} dBFS is needed)"
        )
    height = np.abs(centred).max(axis=0)
    sounding = np.flatnonzero(height >= 10 ** (_TAIL_DB / 20) * height.max())
    first, end = int(sounding[0]), int(sounding[-1]) + 1
    duration_s = (end - first) / clip.sample_rate_hz
    if duration_s < SHORTEST_COMPARED_S:
        raise SearchError(
            f"the example holds no sound that can be compared: it sounds for {1000 * duration_s:.0f} ms, at least "
            f"{1000 * SHORTEST_COMPARED_S:.0f} ms are needed"
        )
    return replace(clip, samples=clip.samples[:, first:end])


def _without_dropped(where: SampleFilter) -> SampleFilter:
    """Leave out what reviewers dropped, unless the filter speaks of reviews itself."""
    return where if where.reviews else replace(where, reviews=(KEEP, None))


def _with_words(query: Query, where: SampleFilter) -> Query:
    """Give a query without wanted words those of its filters, or else a denial of what it excludes."""
    if query.text:
        return query
    text = filter_text(where)
    if not text and query.excluded:
        return replace(query, text=", ".join(f"no {word}" for word in query.excluded))
    if not text:
        raise SearchError("nothing to look for: give words, as in dark plucked bass, or --family bass")
    return replace(parse_query(text), excluded=query.excluded)


def _places(library: Library, query: Query, where: SampleFilter, allowed: set[int]) -> list[dict[int, Place]]:
    """Where the allowed sounds that the query can mean stand by their notes and by their lengths, as it asks."""
    if not query.register and not query.length:
        return []
    contradicting = contradicts(query)
    families = where.families or query.understood.families
    meant = [s for s in library.samples(replace(where, families=families)) if s.id in allowed and not contradicting(s)]
    return [note_places(query, meant), length_places(query, meant)]


def _proposed(library: Library, query: Query, where: SampleFilter, worded: Iterable[int]) -> Iterator[Iterable[int]]:
    """Sounds that words, leanings or the measured note propose in a library too large to rank as a whole."""
    yield worded
    leaned = [word for one in leanings(query.understood) for word in (*one.families, *one.towards)]
    yield [id for id, _ in library.fulltext(leaned)]
    note = query.understood.note
    if note is not None and not where.midi_notes:
        families = query.understood.families or where.families
        for notes in ((note,), tuple(note + step * sign for step in NEAR_NOTE for sign in (1, -1))):
            yield library.sample_ids(replace(where, midi_notes=notes, families=families))


@dataclass
class _Candidates:
    """The sounds of a library that a query does not exclude; what was judged once is not read again."""

    library: Library
    excluded: Callable[[SampleRecord], bool]
    judged: dict[int, SampleRecord | None] = field(default_factory=dict)

    def first(self, ids: Sequence[int], size: int) -> dict[int, SampleRecord]:
        """The first `size` of these sounds that are not excluded, by id. Reads `size` at a time: few are excluded,
        as a rule, but all that lie nearest may be."""
        kept: dict[int, SampleRecord] = {}
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            for sample in _records(self.library, [id for id in some if id not in self.judged]):
                self.judged[sample.id] = None if self.excluded(sample) else sample
            taken = [record for id in some if (record := self.judged.get(id))]
            kept |= {record.id: record for record in taken[: size - len(kept)]}
            if len(kept) == size:
                break
        return kept


def _records(library: Library, ids: Sequence[int]) -> list[SampleRecord]:
    """The records of these sounds in this order, each once."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    found = {sample.id: sample for sample in library.samples(SampleFilter(ids=tuple(wanted)))}
    return [found[id] for id in wanted if id in found]

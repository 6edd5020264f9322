"""Whether sounds are what they were asked to be: family, source, quality words and note.

Families and sources are named by the starter judge and, independently, by an embedder that reads words (zero-shot);
words by the measurement that the training corpus was labelled with; notes by the pitch meter. A sound that cannot be
heard is a miss everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from catalog.embedders import Embedder
from catalog.embedders.judge import Judge
from catalog.library import Library
from catalog.records import SampleFilter, SampleRecord
from flows.evaluation.making import EVERY
from flows.evaluation.shares import Share
from flows.judging import read_judging
from flows.stages import embed_missing
from generation.audio import AudioError, Clip, read_clip, resample
from generation.corpus.qualities import measure, words
from generation.prompts.vocabulary import FAMILIES, SOURCES
from generation.tuning import finish_in_tune

logger = logging.getLogger(__name__)

NEAR_CENTS = 50.0
FAMILY_SENTENCES = ("a {} sound", "{}", "a single note of a {}", "the sound of a {}")
SOURCE_SENTENCES = ("{} sound", "{}", "a note of an {} instrument", "the sound of an {} instrument")
NEEDED_S = {"bright": 0.0, "dark": 0.0, "percussive": 0.0, "fast_decay": 1.6, "long_release": 3.9}
"""Words that generation.corpus.qualities measures, and the length of the untrimmed sound that each one needs."""

_MEASURED_AT_HZ = 16_000  # the rate of the corpus that the words' thresholds were chosen on
_SHUFFLE_SEED = 1


@dataclass(frozen=True)
class Obedience:
    """What one model's sounds are, counted.

    family_shuffled, family_clap_shuffled: the same answers held against the same prompts in another order, the level
    of guessing. words: quality -> share of the sounds that have it where it was asked for; words_unasked: where it was
    not. near_tuned: after tuning as the default gate does.
    """

    family: Share = field(default_factory=Share)
    family_clap: Share = field(default_factory=Share)
    family_shuffled: Share = field(default_factory=Share)
    family_clap_shuffled: Share = field(default_factory=Share)
    source: Share = field(default_factory=Share)
    source_clap: Share = field(default_factory=Share)
    words: dict[str, Share] = field(default_factory=dict)
    words_unasked: dict[str, Share] = field(default_factory=dict)
    pitched: Share = field(default_factory=Share)
    near: Share = field(default_factory=Share)
    near_tuned: Share = field(default_factory=Share)

    @property
    def obeyed(self) -> Share:
        """All measured words together where they were asked for."""
        return _together(self.words)

    @property
    def unasked(self) -> Share:
        """All measured words together where they were not."""
        return _together(self.words_unasked)


def obedience(library: Library, model: str, judge: Judge, embedder: Embedder) -> Obedience:
    """Count what a model's sounds in a library are; its vectors are made where they are missing.

    A damaged sound is named in the log and left out, as in the league.
    """
    everything = library.samples(SampleFilter(models=(model,), statuses=EVERY.statuses))
    heard, clips = _readable(library, [one for one in everything if one.status == "accepted"])
    silent = [one for one in everything if one.status != "accepted"]
    of = len(heard) + len(silent)
    if not of:
        return Obedience()
    posteriors, _ = judge.posteriors(clips)
    embed_missing(library, embedder)
    vectors = _vectors(library, embedder, heard)
    answers = {
        "family": _named(posteriors["family"], FAMILIES),
        "family_clap": _named(vectors @ _sentences(embedder, FAMILIES, FAMILY_SENTENCES).T, FAMILIES),
        "source": _named(posteriors["source"], SOURCES),
        "source_clap": _named(vectors @ _sentences(embedder, SOURCES, SOURCE_SENTENCES).T, SOURCES),
    }
    families = [sample.family for sample in heard]
    shuffled = [families[i] for i in np.random.default_rng(_SHUFFLE_SEED).permutation(len(families))]
    with_source = [i for i, sample in enumerate(heard) if sample.source is not None]
    sourceless = sum(sample.source is None for sample in silent)

    def right(name: str, truth: Sequence[str | None]) -> Share:
        return Share(sum(a == b for a, b in zip(answers[name], truth, strict=True)), of)

    def right_source(name: str) -> Share:
        hits = sum(answers[name][i] == heard[i].source for i in with_source)
        return Share(hits, len(with_source) + len(silent) - sourceless)

    asked, unasked = _words(library, heard, clips, silent)
    pitched, near, near_tuned = _notes(heard, clips, silent)
    return Obedience(
        family=right("family", families),
        family_clap=right("family_clap", families),
        family_shuffled=right("family", shuffled),
        family_clap_shuffled=right("family_clap", shuffled),
        source=right_source("source"),
        source_clap=right_source("source_clap"),
        words=asked,
        words_unasked=unasked,
        pitched=pitched,
        near=near,
        near_tuned=near_tuned,
    )


def _readable(library: Library, samples: Sequence[SampleRecord]) -> tuple[list[SampleRecord], list[Clip]]:
    """The sounds whose files can be read, in the order of their jobs' keys, and their clips."""
    readable: list[SampleRecord] = []
    clips: list[Clip] = []
    for sample in sorted(samples, key=lambda one: one.job_key):
        try:
            clips.append(read_clip(library.audio_path(sample)))
        except AudioError as error:
            logger.warning("not counted: %s; `nightcrate verify` lists what is damaged", error)
            continue
        readable.append(sample)
    return readable, clips


def _named(scores: np.ndarray, names: Sequence[str]) -> list[str]:
    """The name of the highest score of each row [n, names]."""
    return [names[best] for best in np.argmax(scores, axis=1)] if len(scores) else []


def _sentences(embedder: Embedder, names: Sequence[str], sentences: Sequence[str]) -> np.ndarray:
    """One direction for each name, the mean of its sentences: float32 [names, d] of length 1."""
    told = [sentence.format(name.replace("_", " ")) for name in names for sentence in sentences]
    means = embedder.embed_text(told).reshape(len(names), len(sentences), -1).mean(axis=1)
    directions: np.ndarray = means / np.linalg.norm(means, axis=1, keepdims=True)
    return directions


def _vectors(library: Library, embedder: Embedder, samples: Sequence[SampleRecord]) -> np.ndarray:
    """The library's vectors of these sounds [n, d]."""
    if not samples:
        return np.zeros((0, embedder.dim), np.float32)
    ids, kept = library.embeddings(embedder.id, [sample.id for sample in samples])
    row_of = {int(id): row for row, id in enumerate(ids)}
    return kept[[row_of[sample.id] for sample in samples]]


def _words(
    library: Library, heard: Sequence[SampleRecord], clips: Sequence[Clip], silent: Sequence[SampleRecord]
) -> tuple[dict[str, Share], dict[str, Share]]:
    """Of each measured word the share of sounds that have it, where it was asked for and where not."""
    raw_s = {sound.id: sound.raw.duration_s for sound in library.gated_sounds()}
    counted = {word: {True: [0, 0], False: [0, 0]} for word in NEEDED_S}
    for sample, clip in zip(heard, clips, strict=True):
        wave = resample(clip, _MEASURED_AT_HZ).samples.mean(axis=0)
        held = words(measure(wave, _MEASURED_AT_HZ), (), ())
        for word, needed_s in NEEDED_S.items():
            if raw_s[sample.id] >= needed_s:
                count = counted[word][word in sample.qualities]
                count[0] += word in held
                count[1] += 1
    for sample in silent:
        for word in set(sample.qualities) & set(NEEDED_S):
            if raw_s[sample.id] >= NEEDED_S[word]:
                counted[word][True][1] += 1
    asked, unasked = ({word: Share(*counted[word][flag]) for word in NEEDED_S} for flag in (True, False))
    return {word: share for word, share in asked.items() if share.of}, unasked


def _notes(
    heard: Sequence[SampleRecord], clips: Sequence[Clip], silent: Sequence[SampleRecord]
) -> tuple[Share, Share, Share]:
    """Shares with a clear pitch, and near the note that was asked for, as generated and after tuning."""
    tuning = read_judging("default").finish
    asked = sum(sample.note_asked is not None for sample in (*heard, *silent))
    near = near_tuned = 0
    for sample, clip in zip(heard, clips, strict=True):
        if sample.note_asked is None or sample.midi_note is None:
            continue
        near += _is_near(sample.note_asked, sample.midi_note, sample.cents)
        facts = finish_in_tune(clip, tuning, sample.note_asked)[1]
        near_tuned += _is_near(sample.note_asked, facts.midi_note, facts.cents)
    pitched = sum(sample.midi_note is not None for sample in heard)
    return Share(pitched, len(heard) + len(silent)), Share(near, asked), Share(near_tuned, asked)


def _is_near(asked: int, midi_note: int | None, cents: float | None) -> bool:
    return midi_note is not None and abs(100 * (midi_note - asked) + (cents or 0.0)) <= NEAR_CENTS


def _together(shares: dict[str, Share]) -> Share:
    return Share(sum(share.hits for share in shares.values()), sum(share.of for share in shares.values()))

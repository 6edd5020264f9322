"""The one door to what listens for scores of sets: VGGish, Cnn14, a CLAP and the starter judge, all alike.

An extractor takes clips of any rate and length and gives features, and where it is a classifier what it takes them
for; the numbers follow from `frechet.py`, `kl.py` and `inception.py`. VGGish and Cnn14 are fed exactly as the copy of
audioldm_eval inside TANGO (34ecd38) feeds them, so that figures of whole clips are those of published tables:

- VGGish (FAD): nothing is removed, padded or levelled; every whole 0.96 s of every clip is a row, and a clip shorter
  than 0.975 s gives none.
- Cnn14 (FD, KL, inception score): the mean is subtracted, clips shorter than 2 s get zeros at their end; one row and
  527 logits for every clip.

Departures: channels are averaged before either (that copy takes the first one for Cnn14), and other rates than 16 kHz
are resampled with an anti-aliasing filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from catalog.embedders.waveforms import SAMPLE_RATE_HZ, TANGO_VENDORED, prepare_as_vendored_tango
from catalog.errors import EmbedderError
from catalog.scores.kl import joint_posterior, softmax
from generation.audio import Clip, resample

if TYPE_CHECKING:
    from catalog.embedders import Embedder
    from catalog.embedders.panns import Cnn14
    from catalog.embedders.published_weights import PublishedFile
    from catalog.embedders.vggish import VGGish

EXTRACTORS = {"vggish": "catalog.embedders.vggish", "cnn14": "catalog.embedders.panns"}
"""Kinds that `load_extractor` loads, and their modules."""
BATCH = 32
"""Clips that an extractor gets at once."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What was heard in n clips.

    features: float32 [rows, d], the rows of the first clip first. counts: int64 [n], how many rows each clip gave (0:
    too short to be heard). posteriors: float64 [n, classes], rows that sum to 1, and logits: float32 [n, classes]
    before any softmax; None where the listener is no classifier, or keeps its logits to itself. families: float32
    [n, 11], the probabilities of NSynth's families in its order; None where the listener knows no families.
    """

    features: np.ndarray
    counts: np.ndarray
    posteriors: np.ndarray | None = None
    logits: np.ndarray | None = None
    families: np.ndarray | None = None


class Extractor(Protocol):
    """Whatever hears clips for a score of a set."""

    @property
    def name(self) -> str:
        """What stands in the brackets of a figure: "VGGish", "Cnn14", "starter"."""

    @property
    def id(self) -> str:
        """Name and revision or hash of the weights, `name@revision`: equal only for equal features."""

    @property
    def distance(self) -> Literal["FAD", "FD"]:
        """What the Frechet distance of these features is called in the literature."""

    @property
    def protocol(self) -> str:
        """How clips are prepared, in words, for the settings of a score."""

    def embed(self, clips: Sequence[Clip]) -> Heard:
        """Hear clips of any rate, channels and length, each as it is. Raises EmbedderError for NaN or infinity."""


@runtime_checkable
class Judge(Protocol):
    """A classifier of source, family and qualities that also embeds."""

    @property
    def id(self) -> str:
        """Name and revision or fingerprint, `name@revision`."""

    def posteriors(self, clips: Sequence[Clip]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return {source [n, 3], family [n, 11], qualities [n, 10]} in NSynth's order, embeddings [n, d]."""


class JudgeExtractor:
    """The starter judge, or any classifier of source and family that also embeds: one row a clip."""

    distance: Literal["FAD", "FD"] = "FAD"
    protocol = "16 kHz mono, the first 4 s at peak 1"

    def __init__(self, judge: Judge) -> None:
        """Take a judge; its posteriors of source and family become one joint posterior (source varies slowest)."""
        self._judge = judge
        self.id = judge.id
        self.name = judge.id.split("@")[0]

    def embed(self, clips: Sequence[Clip]) -> Heard:
        """See `Extractor.embed`."""
        heads, embedding = self._judge.posteriors(clips)
        features = np.asarray(embedding, dtype=np.float32)
        joint = joint_posterior([heads["source"], heads["family"]])
        families = np.asarray(heads["family"], dtype=np.float32)
        return Heard(features, np.ones(len(features), np.int64), joint, families=families)


class ClapExtractor:
    """An embedder of sounds and words: one row of length 1 a clip, the very vectors that a catalogue keeps."""

    distance: Literal["FAD", "FD"] = "FD"
    protocol = "as the catalogue embeds its sounds, at their own length"

    def __init__(self, embedder: Embedder) -> None:
        """Take an embedder as `load_embedder` gives it."""
        self._embedder = embedder
        self.id = embedder.id
        self.name = embedder.id.split("@")[0]

    def embed(self, clips: Sequence[Clip]) -> Heard:
        """See `Extractor.embed`."""
        return Heard(self._embedder.embed_audio(clips), np.ones(len(clips), np.int64))


class VGGishExtractor:
    """VGGish: 128-d rows, one for each whole 0.96 s of a clip (1 s gives 1, 4 s give 4)."""

    name = "VGGish"
    distance: Literal["FAD", "FD"] = "FAD"
    protocol = f"{TANGO_VENDORED}: 16 kHz mono, rows of 0.96 s pooled over sounds, no PCA, last ReLU off"

    def __init__(self, net: VGGish) -> None:
        """Take a network that has its weights."""
        self._net = net
        self.id = net.id

    def embed(self, clips: Sequence[Clip]) -> Heard:
        """See `Extractor.embed`."""
        from catalog.embedders.vggish import DIM, SHORTEST

        waves = [_wave_16k(clip) for clip in clips]
        rows: list[np.ndarray] = [np.zeros((0, DIM), np.float32)] * len(waves)
        for members, batch in _of_equal_length(waves):
            if batch.shape[1] >= SHORTEST:
                for i, frames in zip(members, self._net.embed_batch(batch), strict=True):
                    rows[i] = frames
        counts = np.array([len(frames) for frames in rows], np.int64)
        return Heard(np.concatenate([np.zeros((0, DIM), np.float32), *rows]), counts)


class Cnn14Extractor:
    """Cnn14 at 16 kHz: one 2048-d row and 527 AudioSet logits a clip."""

    name = "Cnn14"
    distance: Literal["FAD", "FD"] = "FD"
    protocol = f"{TANGO_VENDORED}: 16 kHz mono, DC removed, zero-padded to 2 s, features after their ReLU"

    def __init__(self, net: Cnn14) -> None:
        """Take a network that has its weights."""
        self._net = net
        self.id = net.id

    def embed(self, clips: Sequence[Clip]) -> Heard:
        """See `Extractor.embed`."""
        from catalog.embedders.panns import CLASSES, DIM

        waves = [prepare_as_vendored_tango(_wave_16k(clip)) for clip in clips]
        features = np.zeros((len(waves), DIM), np.float32)
        logits = np.zeros((len(waves), CLASSES), np.float32)
        for members, batch in _of_equal_length(waves):
            features[members], logits[members] = self._net.embed_batch(batch)
        return Heard(features, np.ones(len(waves), np.int64), softmax(logits), logits)


def load_extractor(kind: str, file: str | Path, device: str = "cpu") -> Extractor:
    """Load "vggish" or "cnn14" with its published weights: the .pth file, its safetensors form, or their folder.

    Nothing is downloaded here. Raises EmbedderError, one line, that says which file is needed, what it must hold and
    how to get it, and for any file that is not the published one.
    """
    from catalog.embedders.published_weights import find_published

    path = find_published(Path(file), published_file(kind))
    if kind == "vggish":
        from catalog.embedders.vggish import VGGish

        return VGGishExtractor(VGGish().load_weights(path).to(device))
    from catalog.embedders.panns import Cnn14

    return Cnn14Extractor(Cnn14().load_weights(path).to(device))


def published_file(kind: str) -> PublishedFile:
    """The file of weights that `load_extractor` needs. Raises EmbedderError for a kind that is not known."""
    if kind not in EXTRACTORS:
        raise EmbedderError(f"extractor '{kind}' is not known; use {' or '.join(EXTRACTORS)}")
    published: PublishedFile = import_module(EXTRACTORS[kind]).PUBLISHED
    return published


def as_extractor(listener: Judge | Extractor) -> Extractor:
    """A judge of the starter's kind as the extractor it is; an extractor as it came."""
    return JudgeExtractor(listener) if isinstance(listener, Judge) else listener


def hear(listener: Judge | Extractor, clips: Iterable[Clip], length_s: float | None = None) -> Heard:
    """Listen to clips, BATCH at a time: each cut or zero-padded to length_s, or None as it is.

    No clip at all gives zero rows of no dimension, without posteriors.
    """
    extractor = as_extractor(listener)
    parts: list[Heard] = []
    batch: list[Clip] = []
    for clip in clips:
        batch.append(clip if length_s is None else cut(clip, length_s))
        if len(batch) == BATCH:
            parts.append(extractor.embed(batch))
            batch = []
    if batch:
        parts.append(extractor.embed(batch))
    if not parts:
        return Heard(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    return Heard(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.counts for part in parts]),
        _joined([part.posteriors for part in parts]),
        _joined([part.logits for part in parts]),
        _joined([part.families for part in parts]),
    )


def cut(clip: Clip, length_s: float) -> Clip:
    """Return exactly length_s of a clip from its start, zero-padded at the end when it is shorter."""
    wanted = round(length_s * clip.sample_rate_hz)
    samples = clip.samples[:, :wanted]
    samples = np.pad(samples, ((0, 0), (0, wanted - samples.shape[1])))
    return Clip(samples, clip.sample_rate_hz, clip.sources)


def _joined(tables: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The tables of all batches as one; None where there are none."""
    there = [table for table in tables if table is not None]
    return np.concatenate(there) if there else None


def _wave_16k(clip: Clip) -> np.ndarray:
    """A clip as float32 [samples] at 16 kHz, channels averaged."""
    return (clip if clip.sample_rate_hz == SAMPLE_RATE_HZ else resample(clip, SAMPLE_RATE_HZ)).mono()


def _of_equal_length(waves: Sequence[np.ndarray]) -> Iterator[tuple[list[int], np.ndarray]]:
    """Waves by length, as (their places, float32 [k, samples]): padding would change what is heard."""
    places: dict[int, list[int]] = {}
    for place, wave in enumerate(waves):
        places.setdefault(len(wave), []).append(place)
    for members in places.values():
        yield members, np.stack([waves[i] for i in members])

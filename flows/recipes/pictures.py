"""A corpus as log-mel pictures and labels in memory, as the judge's and the CLAP's recipes need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from catalog.embedders.frontend import HOP, SAMPLE_RATE_HZ, listening_wave, log_mel
from generation.audio import Clip
from generation.corpus.nsynth import Note, read_audio, read_corpus
from generation.errors import CorpusError
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES
from generation.training.mel_augment import augment
from generation.training.sampling import step_rng

FRAME_S = HOP / SAMPLE_RATE_HZ
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Pictures:
    """A split of the corpus `name`: its notes and what is heard in them.

    log_mel: float16 [n, frames, mels] in dB. source, family: indices int64 [n]; qualities: 0 or 1, float32 [n, 10].
    weights: how often each note is drawn, float32 [n], any scale.
    """

    name: str
    notes: tuple[Note, ...]
    log_mel: torch.Tensor
    source: torch.Tensor
    family: torch.Tensor
    qualities: torch.Tensor
    weights: torch.Tensor

    def draw(self, seed: int, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw `size` notes for one step, rare (source, family) cells more often, and augment their pictures.

        Returns indices int64 [size] and float32 [size, frames, mels]; equal for equal (seed, step).
        """
        rng = torch.Generator().manual_seed(int(step_rng(seed, step).integers(2**62)))
        chosen = torch.multinomial(self.weights, size, generator=rng)
        return chosen, augment(self.log_mel[chosen].float(), rng, FRAME_S)


def read_pictures(folder: Path, balance: float = 0.7) -> Pictures:
    """Read a split of a corpus (folder with examples.json).

    `balance` is the power by which rare cells are drawn more often (0: as they come, 1: all cells alike).
    Raises CorpusError when nothing is left to learn from.
    """
    corpus = read_corpus(folder)
    if not corpus.notes:
        raise CorpusError(f"{folder} holds no usable note; render or import a corpus first")
    notes = corpus.notes
    parts = [_hear(notes[start : start + _CHUNK]) for start in range(0, len(notes), _CHUNK)]
    source = torch.tensor([SOURCES.index(note.source) for note in notes])
    family = torch.tensor([FAMILIES.index(note.family) for note in notes])
    cell = source * len(FAMILIES) + family
    count = torch.bincount(cell, minlength=len(SOURCES) * len(FAMILIES)).float()
    words = torch.tensor([[float(q in note.qualities) for q in QUALITIES] for note in notes])
    return Pictures(corpus.info.name, notes, torch.cat(parts), source, family, words, count[cell] ** -balance)


def clip_of(note: Note) -> Clip:
    """A note's recording as a clip."""
    return Clip(np.asarray(read_audio(note), np.float32)[None], SAMPLE_RATE_HZ)


def _hear(notes: Sequence[Note]) -> torch.Tensor:
    return log_mel([listening_wave(clip_of(note)) for note in notes]).half()


def macro_accuracy(scores: torch.Tensor, labels: torch.Tensor, top: int = 1) -> float:
    """Mean over the classes present of the share of items whose label is among the `top` highest scores."""
    hit = (scores.topk(top, dim=1).indices == labels[:, None]).any(dim=1).float()
    return float(torch.stack([hit[labels == k].mean() for k in labels.unique()]).mean())

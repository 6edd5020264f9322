"""A corpus as log-mel pictures and labels, as the judge's and the CLAP's recipes need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from catalog.embedders.frontend import (
    FLOOR_DB,
    HIGH_HZ,
    HOP,
    LENGTH_S,
    LOW_HZ,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
    WINDOW,
    log_mel_batch,
)
from generation.codecs.waves import to_peak
from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES
from generation.training.corpus_pictures import CorpusPictures, Picturing, read_pictures
from generation.training.mel_augment import augment
from generation.training.sampling import step_rng

FRAME_S = HOP / SAMPLE_RATE_HZ


@dataclass(frozen=True, eq=False)
class Pictures:
    """A split of a corpus: its notes and what is heard in them.

    corpus: the arrays: log_mel, float16 [n, frames, mels] in dB. source, family: indices int64 [n]; qualities: 0 or
    1, float32 [n, 10].
    """

    corpus: CorpusPictures
    notes: tuple[Note, ...]
    source: torch.Tensor
    family: torch.Tensor
    qualities: torch.Tensor

    def take(self, indices: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Log-mel pictures of some notes: float32 [indices, frames, mels] in dB."""
        return self.corpus.take("log_mel", indices).float()

    def draw(self, seed: int, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw `size` different notes for one step, rare (source, family) cells more often, and augment their pictures.

        Returns indices int64 [size] and float32 [size, frames, mels]; equal for equal (seed, step).
        """
        rng = torch.Generator().manual_seed(int(step_rng(seed, step).integers(2**62)))
        chosen = torch.multinomial(torch.from_numpy(self.corpus.weights).float(), size, generator=rng)
        return chosen, augment(self.take(chosen), rng, FRAME_S)


def read_log_mel(folder: Path, balance: float = 0.7) -> Pictures:
    """Read a split of a corpus (folder with examples.json), as generation.training.corpus_pictures does.

    `balance` is the power by which rare cells are drawn more often (0: as they come, 1: all cells alike).
    Raises CorpusError when nothing is left to learn from.
    """
    settings = {
        "window": WINDOW, "hop": HOP, "mel_bands": MEL_BANDS, "low_hz": LOW_HZ, "high_hz": HIGH_HZ,
        "floor_db": FLOOR_DB, "peak": 1.0, "dtype": "float16",
    }  # fmt: skip
    corpus = read_pictures(folder, Picturing("listening", int(LENGTH_S * SAMPLE_RATE_HZ), settings, _hear), balance)
    notes = tuple(note for (note,) in corpus.items)
    source = torch.tensor([SOURCES.index(note.source) for note in notes])
    family = torch.tensor([FAMILIES.index(note.family) for note in notes])
    words = torch.tensor([[float(q in note.qualities) for q in QUALITIES] for note in notes])
    return Pictures(corpus, notes, source, family, words)


def _hear(waves: torch.Tensor) -> dict[str, torch.Tensor]:
    # What catalog.embedders.frontend.listening_wave does to a clip, for sounds that are cut already.
    return {"log_mel": log_mel_batch(to_peak(waves, 1.0)).half()}


def macro_accuracy(scores: torch.Tensor, labels: torch.Tensor, top: int = 1) -> float:
    """Mean over the classes present of the share of items whose label is among the `top` highest scores."""
    hit = (scores.topk(top, dim=1).indices == labels[:, None]).any(dim=1).float()
    return float(torch.stack([hit[labels == k].mean() for k in labels.unique()]).mean())

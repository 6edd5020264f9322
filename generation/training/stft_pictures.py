"""A corpus as ChopAN's pictures in memory: read once, then a training step is indexing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import CorpusInfo, Note, read_audio, read_corpus
from generation.errors import CorpusError
from generation.training.sampling import step_rng

_CHUNK = 64


@dataclass(frozen=True, eq=False)
class StftPictures:
    """Notes, their pictures and how often each is drawn.

    pictures: uint8 [notes, 1, rows, columns], [0, 1] times 255 (steps of 0.3 dB).
    ranges: float32 [notes, 2], smallest and largest dB. weights: float32 [notes], above 0.
    info: origin and licence of the corpus.
    """

    notes: tuple[Note, ...]
    pictures: Tensor
    ranges: Tensor
    weights: Tensor
    info: CorpusInfo

    def __len__(self) -> int:
        """Count the notes."""
        return len(self.notes)

    def take(self, indices: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """Pictures of some notes: float32 [indices, 1, rows, columns] in [0, 1]."""
        return self.pictures[torch.as_tensor(indices)].float() / 255

    def draw(self, seed: int, step: int, size: int) -> np.ndarray:
        """Indices of the notes of a step, int64 [size], drawn by weight; equal for equal (seed, step)."""
        chances = self.weights.double().numpy()
        return step_rng(seed, step).choice(len(self), size, p=chances / chances.sum())


def read_stft_pictures(folder: Path, codec: StftDbCodec, balance: float = 0.0) -> StftPictures:
    """Read one split of a corpus (a folder with examples.json).

    Args:
        folder: the split.
        codec: makes the pictures.
        balance: power by which notes of rare (source, family) cells are drawn more often; 0 draws them as
            they come, 1 draws all cells alike.

    Raises:
        CorpusError: the corpus cannot be read, or holds no usable note.
    """
    corpus = read_corpus(folder)
    notes = corpus.notes
    if not notes:
        raise CorpusError(f"{folder}: holds no usable note; render or import a corpus first")
    parts = [_picture(notes[start : start + _CHUNK], codec) for start in range(0, len(notes), _CHUNK)]
    cells = [(note.source, note.family) for note in notes]
    counts = {cell: cells.count(cell) for cell in set(cells)}
    return StftPictures(
        notes,
        torch.cat([pictures for pictures, _ in parts]),
        torch.cat([ranges for _, ranges in parts]),
        torch.tensor([counts[cell] ** -balance for cell in cells]),
        corpus.info,
    )


def _picture(notes: Sequence[Note], codec: StftDbCodec) -> tuple[Tensor, Tensor]:
    waves = torch.cat([codec.fit(torch.from_numpy(read_audio(note))[None]) for note in notes])
    pictures, ranges = codec.encode(waves)
    return (pictures * 255).round().to(torch.uint8), ranges

"""A corpus as ChopAN's pictures: made once, kept on disk, then a training step is indexing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import CorpusInfo, Note
from generation.training.corpus_pictures import CorpusPictures, Picturing, codec_parameters, read_pictures


@dataclass(frozen=True, eq=False)
class StftPictures:
    """Notes, their pictures and how often each is drawn.

    corpus: the arrays: pictures, uint8 [notes, 1, rows, columns], [0, 1] times 255 (steps of 0.3 dB), and ranges.
    ranges: float32 [notes, 2], smallest and largest dB.
    """

    corpus: CorpusPictures
    notes: tuple[Note, ...]
    ranges: Tensor

    @property
    def info(self) -> CorpusInfo:
        """Origin and licence of the corpus."""
        return self.corpus.info

    def __len__(self) -> int:
        """Count the notes."""
        return len(self.notes)

    def take(self, indices: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """Pictures of some notes: float32 [indices, 1, rows, columns] in [0, 1]."""
        return self.corpus.take("pictures", indices).float() / 255

    def draw(self, seed: int, step: int, size: int) -> np.ndarray:
        """Indices of the notes of a step, int64 [size], drawn by weight; equal for equal (seed, step)."""
        return self.corpus.draw(seed, step, size)


def read_stft_pictures(folder: Path, codec: StftDbCodec, balance: float = 0.0) -> StftPictures:
    """Read one split of a corpus (a folder with examples.json), as generation.training.corpus_pictures does.

    Args:
        folder: the split.
        codec: makes the pictures.
        balance: power by which notes of rare (source, family) cells are drawn more often; 0 draws them as
            they come, 1 draws all cells alike.

    Raises:
        CorpusError: the corpus cannot be read, or holds no usable note.
    """

    def encode(waves: Tensor) -> dict[str, Tensor]:
        pictures, ranges = codec.encode(waves)
        return {"pictures": (pictures * 255).round().to(torch.uint8), "ranges": ranges}

    picturing = Picturing("stft-db", codec.n_samples, codec_parameters(codec), encode)
    corpus = read_pictures(folder, picturing, balance)
    notes = tuple(note for (note,) in corpus.items)
    return StftPictures(corpus, notes, torch.from_numpy(np.array(corpus.arrays["ranges"])))

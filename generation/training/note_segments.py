"""Cut-outs of a corpus for a vocoder: some frames of a note's log-mel picture, and the wave just under them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from generation.codecs.log_mel import LogMelCodec
from generation.codecs.waves import fit_waves
from generation.corpus.nsynth import read_audio
from generation.training.autoencoder_pictures import PICTURES
from generation.training.corpus_pictures import CorpusPictures

# Frames this far below a note's loudest band still sound; the rest is rest.
_SOUNDING_DB = 60.0
# Part of the cut-outs that lie anywhere, silence included: a vocoder has to know that too.
_ANYWHERE = 0.1


@dataclass(frozen=True)
class Segments:
    """Equally long cut-outs: pictures float32 [batch, frames, bands], natural logarithms; waves [batch, samples]."""

    pictures: Tensor
    waves: Tensor


class NoteSegments:
    """Cuts pictures and waves of a corpus at the same places."""

    def __init__(self, corpus: CorpusPictures, codec: LogMelCodec) -> None:
        """Take a corpus pictured by `codec`."""
        self.corpus, self.codec = corpus, codec

    def cut(self, rows: Sequence[int] | np.ndarray, starts: Sequence[int] | np.ndarray, n_frames: int) -> Segments:
        """Cut `n_frames` frames of each row, from its start on.

        Frame t is centred on sample t * hop of the wave as LogMelCodec.prepare leaves it, so a cut-out begins there.

        Raises:
            CorpusError: a sound cannot be read.
        """
        hop_length = self.codec.config["hop_length"]
        pictures, waves = [], []
        for row, start in zip(rows, starts, strict=True):
            pictures.append(self.corpus.take(PICTURES, [row])[0, 0, start : start + n_frames].float())
            waves.append(self.wave(row)[start * hop_length : (start + n_frames) * hop_length])
        return Segments(torch.stack(pictures), torch.stack(waves))

    def wave(self, row: int) -> Tensor:
        """A whole wave as its picture was made of it: float32 [n_samples], peak 0.5."""
        recorded = torch.from_numpy(read_audio(self.corpus.items[row][0]))[None]
        return self.codec.prepare(fit_waves(recorded, self.codec.n_samples))[0]

    def draw_start(self, row: int, n_frames: int, rng: np.random.Generator) -> int:
        """First frame of a cut-out: around a frame that sounds, one time in ten anywhere."""
        last = self.codec.config["n_frames"] - n_frames
        loudest_band = self.corpus.arrays[PICTURES][row, 0].max(axis=1).astype(np.float32)
        sounding = np.flatnonzero(loudest_band >= loudest_band.max() - _SOUNDING_DB * math.log(10.0) / 20.0)
        if rng.random() < _ANYWHERE:
            return int(rng.integers(last + 1))
        return int(np.clip(rng.choice(sounding) - rng.integers(n_frames), 0, last))

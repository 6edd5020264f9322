"""What a text encoder is trained against: a small network that hears pictures of notes, and those pictures.

It keeps the place of every band up to its last layer, since captions name notes; time it sums up. Nothing of it is
exported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from generation.codecs.log_mel import LogMelCodec
from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import FAMILIES, LOWEST_NOTE, QUALITIES, SOURCES
from generation.training.caption_heads import NOTES
from generation.training.corpus_pictures import CorpusPictures, Picturing, codec_parameters, read_pictures
from generation.training.mel_augment import FLOOR_DB, augment

PICTURES = "pictures"
_HOP = 1000
# Bands of 12 Hz up to 1 kHz: the partials of the lowest notes stand apart.
_BANDS, _FRAMES = 256, 64
_FRAME_S = _HOP / 16_000
_DB_OF_LOG = 20 / math.log(10)
_KEPT_CHANNELS = 32


def read_heard(split: Path, balance: float = 0.0) -> CorpusPictures:
    """Picture a split of a corpus: PICTURES, uint8 [notes, frames, bands], dB above FLOOR_DB in steps of 0.4.

    Raises CorpusError when the split cannot be read.
    """
    codec = LogMelCodec(n_mels=_BANDS, n_frames=_FRAMES, hop_length=_HOP, n_fft=2048)

    def encode(waves: Tensor) -> dict[str, Tensor]:
        above_db = codec.encode(waves)[:, 0] * _DB_OF_LOG - FLOOR_DB
        return {PICTURES: (above_db * (255 / -FLOOR_DB)).round().clamp(0, 255).to(torch.uint8)}

    parameters = {**codec_parameters(codec), "dtype": "uint8"}
    return read_pictures(split, Picturing("text-encoder", codec.n_samples, parameters, encode), balance)


def heard(pictures: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Cached pictures as float32 [notes, 1, frames, bands] in [0, 1]; with `rng` as another room would record them.

    Pitch stays what it was: the pictures are not shifted in frequency.
    """
    db = pictures.float() * (-FLOOR_DB / 255) + FLOOR_DB
    if rng is not None:
        db = augment(db, rng, _FRAME_S, shifted_bands=0)
    return (db[:, None] / -FLOOR_DB + 1.0).clamp(0.0, 1.0)


class Listener(nn.Module):
    """Convolutions over frames and bands, then one vector for each sound, and heads that speed up the start."""

    def __init__(self, widths: Sequence[int], size: int) -> None:
        """Build it untrained: `widths` of four stages, each half as fine; `size` of the vector."""
        super().__init__()
        first, second, third, last = widths
        self.stages = nn.Sequential(
            _stage(1, first, 5, (2, 2)),
            _stage(first, second, 3, (2, 2)),
            _stage(second, third, 3, (2, 2)),
            _Residual(third),
            _stage(third, last, 3, (2, 1)),
        )
        self.narrow = nn.Conv1d(2 * last, _KEPT_CHANNELS, 1)
        self.sum_up = nn.Sequential(
            nn.BatchNorm1d(_KEPT_CHANNELS * _BANDS // 8), nn.ReLU(), nn.Linear(_KEPT_CHANNELS * _BANDS // 8, size)
        )
        self.cell = nn.Linear(size, len(SOURCES) * len(FAMILIES))
        self.note = nn.Linear(size, NOTES)
        self.qualities = nn.Linear(size, len(QUALITIES))

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 [notes, 1, frames, bands] in [0, 1] -> float [notes, size]."""
        stages = self.stages(pictures.contiguous(memory_format=torch.channels_last))
        over_time = torch.cat([stages.mean(dim=2), stages.amax(dim=2)], dim=1)
        return self.sum_up(self.narrow(over_time).flatten(1))

    def losses(self, vectors: Tensor, notes: Sequence[Note]) -> dict[str, Tensor]:
        """Cross-entropy of source with family, of the note, and of the qualities (sum of ten binary ones)."""
        device = vectors.device
        cells = [SOURCES.index(note.source) * len(FAMILIES) + FAMILIES.index(note.family) for note in notes]
        pitches = [note.pitch - LOWEST_NOTE for note in notes]
        has = [[float(quality in note.qualities) for quality in QUALITIES] for note in notes]
        quality = functional.binary_cross_entropy_with_logits(
            self.qualities(vectors).float(), torch.tensor(has, device=device)
        )
        return {
            "cell": functional.cross_entropy(self.cell(vectors).float(), torch.tensor(cells, device=device)),
            "pitch": functional.cross_entropy(self.note(vectors).float(), torch.tensor(pitches, device=device)),
            "quality": len(QUALITIES) * quality,
        }


class _Residual(nn.Module):
    """Two convolutions whose answer is added to what came."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_stage(width, width, 3, (1, 1)), _stage(width, width, 3, (1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _stage(inside: int, outside: int, kernel: int, stride: tuple[int, int]) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU())

"""Recipe of the starter CLIP: a small open_clip network over spectrogram pictures and captions.

Contrast in both directions as in Radford et al. 2021 (arXiv 2103.00020, figure 3), with one departure: a
caption can be true of several pictures of the batch, and the target is then spread evenly over them (Khosla
et al. 2020, arXiv 2004.11362, eq. 2). Two linear heads on the picture's embedding speed up the start and
are not exported.

The picture side is open_clip's ResNet: on a corpus of thousands of notes it learns in minutes what its
vision transformer does not.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import Note
from generation.models.clip_tower import ClipTower, embed_texts, token_ids
from generation.models.clip_words import word_tokenizer
from generation.prompts.captions import tag_caption
from generation.prompts.vocabulary import CELLS, FAMILIES, QUALITIES, SOURCES
from generation.training.claims import claim_about, known_texts, single_words, truth
from generation.training.contrast import contrast_loss
from generation.training.sampling import step_rng
from generation.training.settings import TrainSettings
from generation.training.stft_pictures import read_stft_pictures

CLIP_FOLDER, TOKENIZER_FOLDER = "clip", "tokenizer"
_VALIDATED_PICTURES, _CHUNK = 800, 64
# Mean and standard deviation of the pictures of a rendered corpus, measured.
_PICTURE_MEAN, _PICTURE_STD = 0.2, 0.24


class Settings(TrainSettings):
    """Numbers of the starter CLIP beside those of the loop.

    vision_width: of open_clip's ResNet, a multiple of 2 (its last stage is 32 times as wide).
    vision_layers: blocks of its four stages.
    text_width, text_layers: of the text transformer (heads of 32).
    embedding_size: numbers that picture and text share.
    context_length: words of a caption that are read, start and end included.
    head_weight: of the two helping heads against the contrast.
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    """

    vision_width: int = Field(default=24, gt=0)
    vision_layers: tuple[int, int, int, int] = (1, 1, 1, 1)
    text_width: int = Field(default=128, gt=0)
    text_layers: int = Field(default=3, gt=0)
    embedding_size: int = Field(default=128, gt=0)
    context_length: int = Field(default=24, gt=4)
    head_weight: float = Field(default=0.5, ge=0)
    balance: float = Field(default=0.7, ge=0, le=1)


class _Learner(nn.Module):
    """The tower that is exported, and the heads that are not."""

    def __init__(self, tower: ClipTower) -> None:
        super().__init__()
        self.tower = tower
        self.cell = nn.Linear(tower.embedding_size, len(SOURCES) * len(FAMILIES))
        self.qualities = nn.Linear(tower.embedding_size, len(QUALITIES))


@dataclass(frozen=True)
class _Batch:
    pictures: Tensor
    tokens: Tensor
    true: Tensor
    cells: Tensor
    qualities: Tensor


class ClipTask:
    """Pictures, captions, network and loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Read both splits, gather the words, build the untrained tower."""
        self.settings, self.device = settings, device
        codec = StftDbCodec()
        self.train = read_stft_pictures(corpus / "train", codec, settings.balance)
        self.valid = read_stft_pictures(corpus / "valid", codec)
        self.tokenizer = word_tokenizer(known_texts(self.train.notes))
        self.tower = ClipTower(_architecture(settings, len(self.tokenizer)), **_rendering(codec))
        self.module: nn.Module = _Learner(self.tower).to(memory_format=torch.channels_last)

    def batch(self, step: int) -> _Batch:
        """Pictures of drawn notes, one caption for each and a few single words, and what is true of what."""
        indices = self.train.draw(self.settings.seed, step, self.settings.batch_size)
        numbers = step_rng(self.settings.seed + 1, step)
        rng = random.Random(int(numbers.integers(2**62)))
        notes = [self.train.notes[i] for i in indices]
        claims = [claim_about(note, rng) for note in notes] + single_words(rng)
        pictures = jitter(self.train.take(indices), torch.Generator().manual_seed(rng.getrandbits(62)))
        has = [[float(quality in note.qualities) for quality in QUALITIES] for note in notes]
        return _Batch(
            pictures.to(self.device),
            token_ids(self.tower, self.tokenizer, [claim.text for claim in claims]),
            truth(claims, notes).to(self.device),
            torch.tensor([_cell_number(note) for note in notes], device=self.device),
            torch.tensor(has, device=self.device),
        )

    def loss(self, batch: _Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Contrast in both directions, plus the heads."""
        pictures, texts, scale = self.tower(batch.pictures, batch.tokens)
        pictures, texts = pictures.float(), texts.float()
        logits = scale * texts @ pictures.T
        contrast = contrast_loss(logits, batch.true)
        # The embedding has length 1; the heads see it at the length of a typical hidden vector.
        seen = pictures * self.tower.embedding_size**0.5
        cell = functional.cross_entropy(self.module.get_submodule("cell")(seen).float(), batch.cells)
        quality = functional.binary_cross_entropy_with_logits(
            self.module.get_submodule("qualities")(seen).float(), batch.qualities
        )
        total = contrast + self.settings.head_weight * (cell + 2.0 * quality)
        figures = {"contrast": contrast, "cell": cell, "quality": quality}
        return total, {name: float(value.detach()) for name, value in figures.items()}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments: families named from pictures, and notes found from captions.

        family_accuracy: zero-shot, mean over families. found_family, found_source: for "source family" of
        each cell, how many of the five nearest notes have that family, that source.
        """
        indices = np.linspace(0, len(self.valid) - 1, min(_VALIDATED_PICTURES, len(self.valid))).astype(int)
        notes = [self.valid.notes[i] for i in indices]
        parts = np.array_split(indices, -(-len(indices) // _CHUNK))
        pictures = torch.cat([self._pictures(part) for part in parts])
        guesses = (pictures @ self._texts(FAMILIES).T).argmax(dim=1).tolist()
        hits: dict[str, list[bool]] = defaultdict(list)
        for guess, note in zip(guesses, notes, strict=True):
            hits[note.family].append(FAMILIES[guess] == note.family)
        rates = [sum(found) / len(found) for found in hits.values()]
        prompts = self._texts([tag_caption(source, (), family) for source, family in CELLS])
        nearest = (prompts @ pictures.T).topk(min(5, len(notes)), dim=1).indices.tolist()
        pairs = [(cell, notes[i]) for cell, row in zip(CELLS, nearest, strict=True) for i in row]
        return {
            "family_accuracy": sum(rates) / len(rates),
            "found_family": sum(cell[1] == note.family for cell, note in pairs) / len(pairs),
            "found_source": sum(cell[0] == note.source for cell, note in pairs) / len(pairs),
        }

    def export(self, folder: Path, module: nn.Module) -> None:
        """Write the tower in fp16 and its tokenizer, each into a folder of its own."""
        tower: Any = copy.deepcopy(module.get_submodule("tower"))
        tower.half().to(memory_format=torch.contiguous_format).save_pretrained(folder / CLIP_FOLDER)
        self.tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)

    def _pictures(self, indices: np.ndarray) -> Tensor:
        return self.tower.encode_pictures(self.valid.take(indices).to(self.device)).float().cpu()

    def _texts(self, texts: Sequence[str]) -> Tensor:
        return embed_texts(self.tower, self.tokenizer, texts).cpu()


def build(corpus_folder: Path, settings: Settings, device: str) -> ClipTask:
    """Make the task of one run from a corpus with train/ and valid/."""
    return ClipTask(Path(corpus_folder), settings, device)


def jitter(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """What differs between recordings of one sound: start, colour, noise floor.

    Each picture, float32 [batch, 1, rows, columns] in [0, 1], starts up to 3 columns later, is tilted by up
    to 0.08 (6 dB) over its rows, and has its floor raised by up to 0.25 (20 dB).
    """
    batch, _, rows, columns = pictures.shape
    delays = torch.randint(0, 4, (batch, 1, 1, 1), generator=rng)
    places = (torch.arange(columns) - delays).clamp_min(0).expand(batch, 1, rows, columns)
    late = torch.where(torch.arange(columns) >= delays, pictures.gather(3, places), 0.0)
    tilt = 0.16 * (torch.rand((batch, 1, 1, 1), generator=rng) - 0.5)
    tilted = (late + tilt * torch.linspace(-1.0, 1.0, rows).view(1, 1, rows, 1)).where(late > 0, 0.0)
    floor = 0.25 * torch.rand((batch, 1, 1, 1), generator=rng)
    return torch.maximum(tilted, floor * torch.rand(pictures.shape, generator=rng)).clamp(0.0, 1.0)


def _cell_number(note: Note) -> int:
    return SOURCES.index(note.source) * len(FAMILIES) + FAMILIES.index(note.family)


def _architecture(settings: Settings, words: int) -> dict[str, Any]:
    """open_clip's own description of the network."""
    return {
        "embed_dim": settings.embedding_size,
        "vision_cfg": {
            # Only its 4 x 4 final positions count; a 256 x 64 picture has as many (8 x 2).
            "image_size": 128,
            "layers": list(settings.vision_layers),
            "width": settings.vision_width,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": settings.context_length,
            "vocab_size": words,
            "width": settings.text_width,
            "heads": max(1, settings.text_width // 32),
            "layers": settings.text_layers,
        },
    }


def _rendering(codec: StftDbCodec) -> dict[str, Any]:
    return {
        "image_mean": [_PICTURE_MEAN] * 3,
        "image_std": [_PICTURE_STD] * 3,
        "render_size": [codec.n_rows, codec.config["n_frames"]],
    }

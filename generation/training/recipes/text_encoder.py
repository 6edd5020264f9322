"""Recipe of the starter text encoders: a small T5 or CLIP text tower that learns what captions mean by sounds.

Contrast in both directions as in Radford et al. 2021 (arXiv 2103.00020, figure 3), the target spread over all sounds
that a caption is true of (Khosla et al. 2020, arXiv 2004.11362, eq. 2), plus heads that read from the text states
what the caption says. Only the text side and its tokenizer are exported; denoising networks use it frozen.

The empty caption, which guidance compares with, is among the captions of every step: it says nothing and is true of
every sound.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from generation.corpus.nsynth import Note
from generation.models.caption_tokenizer import caption_tokenizer
from generation.models.small_text_encoder import Tower, read_tokens, small_text_encoder, text_summaries
from generation.prompts.captions import tag_caption
from generation.prompts.vocabulary import CELLS, FAMILIES, HIGHEST_NOTE, LOWEST_NOTE
from generation.training.caption_heads import CaptionHeads, Said, said_by
from generation.training.caption_spellings import note_names, notes_alone, typed_claim
from generation.training.claims import Claim, Shares, known_texts, single_words, truth
from generation.training.contrast import contrast_loss
from generation.training.listener import PICTURES, Listener, heard, read_heard
from generation.training.sampling import step_rng
from generation.training.settings import TrainSettings

TEXT_ENCODER_FOLDER, TOKENIZER_FOLDER = "text_encoder", "tokenizer"
_NOTHING = Claim("")
_NOTES_ALONE, _NEAREST, _CHUNK = 12, 5, 64
_ASKED_NOTES, _READ_CAPTIONS = 200, 1000


class Settings(TrainSettings):
    """Numbers of a text encoder beside those of the loop.

    tower: t5 makes a T5EncoderModel (Audio Diffusion, TANGO), clip a CLIPTextModel (Riffusion).
    text_width, text_layers: of the transformer; the width is a multiple of 32.
    max_tokens: longest caption, its end included; of CLIP the number of positions, all of which are always used.
    embedding_size: numbers that text and sound share.
    audio_widths: channels of the four stages of the network that hears.
    captions_per_note: different captions of each note of a step.
    note_share: of the captions that name the note.
    text_weight, audio_weight: of the heads on the text's and on the sound's side, against the contrast.
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    """

    tower: Tower = "t5"
    text_width: int = Field(default=128, gt=0, multiple_of=32)
    text_layers: int = Field(default=3, gt=0)
    max_tokens: int = Field(default=64, ge=8)
    embedding_size: int = Field(default=128, gt=0)
    audio_widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    captions_per_note: int = Field(default=2, gt=0)
    note_share: float = Field(default=0.6, ge=0, le=1)
    text_weight: float = Field(default=0.3, ge=0)
    audio_weight: float = Field(default=0.3, ge=0)
    balance: float = Field(default=0.7, ge=0, le=1)


class _Learner(nn.Module):
    """The text encoder, which is exported, and all that teaches it."""

    def __init__(self, text_encoder: nn.Module, settings: Settings) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.text_projection = nn.Linear(settings.text_width, settings.embedding_size, bias=False)
        self.heads = CaptionHeads(settings.text_width)
        self.listener = Listener(settings.audio_widths, 2 * settings.embedding_size)
        self.audio_projection = nn.Linear(2 * settings.embedding_size, settings.embedding_size, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def texts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """L2-normalised float [texts, embedding_size], and the mean states, float [texts, text_width]."""
        summary, states = text_summaries(self.text_encoder, tokens)
        return functional.normalize(self.text_projection(summary).float(), dim=-1), states

    def sounds(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """L2-normalised float [notes, embedding_size], and what the audio heads see."""
        vectors = self.listener(pictures)
        return functional.normalize(self.audio_projection(vectors).float(), dim=-1), vectors


@dataclass(frozen=True)
class _Batch:
    notes: list[Note]
    pictures: Tensor
    tokens: Tensor
    true: Tensor
    said: Said


class TextEncoderTask:
    """Pictures, captions, networks and loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Picture both splits, gather the words, build the untrained networks."""
        self.settings, self.device = settings, device
        self.shares = Shares(note=settings.note_share)
        self.train = read_heard(corpus / "train", settings.balance)
        self.valid = read_heard(corpus / "valid")
        names = [name for pitch in range(LOWEST_NOTE, HIGHEST_NOTE + 1) for name in note_names(pitch)]
        texts = known_texts([note for (note,) in self.train.items]) + names
        self.tokenizer = caption_tokenizer(texts, settings.max_tokens, start=settings.tower == "clip")
        encoder = small_text_encoder(
            settings.tower, self.tokenizer, settings.text_width, settings.text_layers, settings.max_tokens
        )
        self.learner = _Learner(encoder, settings)
        self.module: nn.Module = self.learner
        held_out = [note for (note,) in self.valid.items]
        rng = random.Random(settings.seed)
        self._asked = _spread(held_out, _ASKED_NOTES)
        self._read = [typed_claim(note, rng, self.shares) for note in _spread(held_out, _READ_CAPTIONS)]

    def batch(self, index: int) -> _Batch:
        """Pictures of drawn notes, captions of each, single words and notes, none, and what is true of what."""
        settings = self.settings
        rows = self.train.draw(settings.seed, index, settings.batch_size)
        rng = random.Random(int(step_rng(settings.seed + 1, index).integers(2**62)))
        notes = [self.train.items[row][0] for row in rows]
        claims = [typed_claim(note, rng, self.shares) for note in notes * settings.captions_per_note]
        claims += [*single_words(rng), *notes_alone(rng, _NOTES_ALONE), _NOTHING]
        room = torch.Generator().manual_seed(rng.getrandbits(62))
        return _Batch(
            notes,
            heard(self.train.take(PICTURES, rows), room).to(self.device),
            self._tokens([claim.text for claim in claims]),
            truth(claims, notes).to(self.device),
            said_by(claims).to(self.device),
        )

    def loss(self, batch: _Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Contrast in both directions, plus the heads of both sides."""
        learner, settings = self.learner, self.settings
        texts, states = learner.texts(batch.tokens)
        sounds, vectors = learner.sounds(batch.pictures)
        contrast = contrast_loss(learner.logit_scale.exp().clamp(max=100.0) * texts @ sounds.T, batch.true)
        said = learner.heads.losses(states, batch.said)
        is_heard = learner.listener.losses(vectors, batch.notes)
        said_total, heard_total = sum(said.values(), torch.zeros(())), sum(is_heard.values(), torch.zeros(()))
        total = contrast + settings.text_weight * said_total + settings.audio_weight * heard_total
        figures = {"contrast": contrast, "said_note": said["note"], "said": said_total, "heard": heard_total}
        return total, {name: float(value.detach()) for name, value in figures.items()}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments: notes found by captions, captions read by the heads, texts kept apart.

        found_family, found_source: for "source family" of each cell, how many of the five nearest notes have that
        family, that source. found_note: for "family, note" of notes that exist, how many of the five nearest are
        within a semitone of it. said_...: see CaptionHeads.accuracies. text_cosine, text_cosine_most: between the
        mean states of two families' names, on average and of the pair that is most alike.
        """
        parts = np.array_split(np.arange(len(self.valid)), -(-len(self.valid) // _CHUNK))
        sounds = torch.cat([self._sounds(part) for part in parts])
        notes = [note for (note,) in self.valid.items]
        cells = [tag_caption(source, (), family) for source, family in CELLS]
        asked = [tag_caption(None, (), note.family, note.pitch) for note in self._asked]
        by_cell = list(zip(CELLS, self._nearest(cells, sounds), strict=True))
        by_note = list(zip(self._asked, self._nearest(asked, sounds), strict=True))
        return {
            "found_family": _share(cell[1] == notes[i].family for cell, found in by_cell for i in found),
            "found_source": _share(cell[0] == notes[i].source for cell, found in by_cell for i in found),
            "found_note": _share(abs(note.pitch - notes[i].pitch) <= 1 for note, found in by_note for i in found),
            **self._said(),
            **self._cosines(),
        }

    def export(self, folder: Path, module: nn.Module) -> None:
        """Write the text encoder in fp16 and its tokenizer, each into a folder of its own."""
        encoder: Any = copy.deepcopy(module.get_submodule("text_encoder"))
        encoder.half().save_pretrained(folder / TEXT_ENCODER_FOLDER)
        self.tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        return read_tokens(self.settings.tower, self.tokenizer, texts, self.settings.max_tokens).to(self.device)

    def _sounds(self, rows: np.ndarray) -> Tensor:
        return self.learner.sounds(heard(self.valid.take(PICTURES, rows)).to(self.device))[0].cpu()

    def _nearest(self, texts: Sequence[str], sounds: Tensor) -> list[list[int]]:
        embedded = self.learner.texts(self._tokens(texts))[0].cpu()
        return (embedded @ sounds.T).topk(min(_NEAREST, len(sounds)), dim=1).indices.tolist()

    def _said(self) -> dict[str, float]:
        states = self.learner.texts(self._tokens([claim.text for claim in self._read]))[1]
        found = self.learner.heads.accuracies(states, said_by(self._read).to(self.device))
        return {f"said_{name}": value for name, value in found.items()}

    def _cosines(self) -> dict[str, float]:
        states = self.learner.texts(self._tokens([family.replace("_", " ") for family in FAMILIES]))[1].float()
        states = functional.normalize(states, dim=-1)
        between = (states @ states.T)[~torch.eye(len(FAMILIES), dtype=torch.bool, device=states.device)]
        return {"text_cosine": float(between.mean()), "text_cosine_most": float(between.max())}


def build(corpus_folder: Path, settings: Settings, device: str) -> TextEncoderTask:
    """Make the task of one run from a corpus with train/ and valid/."""
    return TextEncoderTask(Path(corpus_folder), settings, device)


def _spread(notes: Sequence[Note], count: int) -> list[Note]:
    """At most `count` notes, evenly spaced."""
    places = np.linspace(0, len(notes) - 1, min(count, len(notes))).astype(int)
    return [notes[place] for place in places]


def _share(hits: Any) -> float:
    return float(np.mean(list(hits)))

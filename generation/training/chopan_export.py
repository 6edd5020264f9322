"""From a trained autoencoder and a trained CLIP to ChopAN's complete folder: bank, pipeline, card."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from generation.cards import LicenceLink, ModelCard, Weights
from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import CorpusInfo
from generation.errors import TrainingError
from generation.models.chopan_vae import ChopANVae
from generation.models.clip_tower import ClipTower
from generation.models.clip_words import openai_tokenizer
from generation.pipelines.chopan import ChopANPipeline
from generation.published_parts import OPENAI_CLIP
from generation.training.bank_notes import build_bank, choose_bank_notes
from generation.training.licence_links import corpus_link, parent_links, whole_chain
from generation.training.recipes.clip import CLIP_FOLDER, TOKENIZER_FOLDER
from generation.training.stft_pictures import StftPictures


@dataclass(frozen=True, eq=False)
class TrainedClip:
    """A tower, its tokenizer and the terms of all that stands behind it."""

    tower: ClipTower
    tokenizer: PreTrainedTokenizerBase
    licences: tuple[LicenceLink, ...]


def load_clip(name: str) -> TrainedClip:
    """Take OpenAI's CLIP ("openai"), or one from the folder that `train clip` exported.

    Raises:
        TrainingError: the folder holds no CLIP.
    """
    licences = parent_links("text-to-picture retrieval", name)
    if name == OPENAI_CLIP:
        return TrainedClip(ClipTower.from_open_clip(), openai_tokenizer(), licences)
    folder = Path(name)
    if not (folder / CLIP_FOLDER / "config.json").is_file():
        raise TrainingError(
            f"clip={name}: holds no CLIP; give the model folder of a 'train clip' run, or '{OPENAI_CLIP}'"
        )
    return TrainedClip(
        ClipTower.from_pretrained(folder / CLIP_FOLDER).eval(),
        PreTrainedTokenizerFast.from_pretrained(folder / TOKENIZER_FOLDER),
        licences,
    )


def write_pipeline(
    folder: Path,
    corpus: StftPictures,
    codec: StftDbCodec,
    clip: TrainedClip,
    vae: ChopANVae,
    bank_size: int | None,
    bank_dtype: str,
) -> None:
    """Build the bank from the train split and save the pipeline, networks in fp16.

    Args:
        folder: where to.
        corpus: the train split.
        codec: that made its pictures.
        clip: embeds the bank and, later, the prompts.
        vae: the trained autoencoder.
        bank_size: see choose_bank_notes.
        bank_dtype: see ClipBank.
    """
    # In float32 from fp16 weights, as the loaded pipeline will embed the prompts.
    half = copy.deepcopy(clip.tower).half()
    chosen = choose_bank_notes(corpus.notes, bank_size)
    bank = build_bank(corpus, chosen, copy.deepcopy(half).float(), bank_dtype)
    small: Any = copy.deepcopy(vae).half().to("cpu", memory_format=torch.contiguous_format)
    ChopANPipeline(half, clip.tokenizer, bank, small, codec).save_pretrained(folder)


def own_card(info: CorpusInfo, codec: StftDbCodec, clip: TrainedClip) -> ModelCard:
    """The card of a ChopAN trained on a corpus; its licence chain is the corpus and the CLIP."""
    return ModelCard(
        name="chopan-own",
        technique="chopan",
        description=f"Blends the five notes of {info.name} nearest to the prompt through a spectrogram VAE.",
        tier="own",
        weights=Weights(folder=Path(".")),
        sample_rate_hz=codec.config["sample_rate_hz"],
        length_s=codec.duration_s,
        prompt_style="tags",
        licence_chain=whole_chain((corpus_link("training data and bank", info), *clip.licences)),
    )

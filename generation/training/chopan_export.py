"""From a trained autoencoder and a trained CLIP to ChopAN's complete folder: bank, pipeline, card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from generation.cards import LicenceLink, ModelCard, Weights, commercial_use
from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import CorpusInfo
from generation.errors import TrainingError
from generation.models.chopan_vae import ChopANVae
from generation.models.clip_tower import ClipTower
from generation.models.clip_words import openai_tokenizer
from generation.pipelines.chopan import ChopANPipeline
from generation.training.bank_notes import build_bank, choose_bank_notes
from generation.training.recipes.clip import CLIP_FOLDER, TOKENIZER_FOLDER
from generation.training.record import RECORD
from generation.training.stft_pictures import StftPictures

OPENAI = "openai"
"""In place of a folder: OpenAI's ViT-B/32 through open_clip."""

_OPENAI_LICENCE = LicenceLink(
    part="text-to-picture retrieval",
    name="OpenAI CLIP ViT-B/32",
    licence="MIT",
    commercial="yes",
    attribution="CLIP, Copyright 2021 OpenAI (MIT)",
    url="https://github.com/openai/CLIP",
)


@dataclass(frozen=True, eq=False)
class TrainedClip:
    """A tower, its tokenizer and the terms of what it was trained on."""

    tower: ClipTower
    tokenizer: PreTrainedTokenizerBase
    licence: LicenceLink


def load_clip(name: str) -> TrainedClip:
    """Take OpenAI's CLIP ("openai"), or one from the folder that `train clip` exported.

    Raises:
        TrainingError: the folder holds no CLIP.
    """
    if name == OPENAI:
        return TrainedClip(ClipTower.from_open_clip(), openai_tokenizer(), _OPENAI_LICENCE)
    folder = Path(name)
    if not (folder / CLIP_FOLDER / "config.json").is_file():
        raise TrainingError(f"clip={name}: holds no CLIP; give the model folder of a 'train clip' run, or '{OPENAI}'")
    return TrainedClip(
        ClipTower.from_pretrained(folder / CLIP_FOLDER).eval(),
        PreTrainedTokenizerFast.from_pretrained(folder / TOKENIZER_FOLDER),
        _licence_link("text-to-picture retrieval, trained on", _recorded_corpus(folder)),
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
        licence_chain=(_licence_link("training data and bank", asdict(info)), clip.licence),
    )


def _recorded_corpus(folder: Path) -> dict[str, Any]:
    """What the run that exported a folder says of its corpus; nothing is known without a record."""
    record = folder / RECORD
    facts = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return facts.get("corpus") or {"name": folder.name}


def _licence_link(part: str, corpus: Mapping[str, Any]) -> LicenceLink:
    licence = corpus.get("licence")
    return LicenceLink(
        part=part,
        name=corpus["name"],
        licence=licence,
        commercial=commercial_use(licence),
        attribution=corpus.get("attribution"),
        url=corpus.get("url"),
    )

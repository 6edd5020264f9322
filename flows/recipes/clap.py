"""Recipe of the starter CLAP: transformers' ClapModel at small width, trained on log-mel pictures and captions.

Contrastive as in Wu et al. 2023 (LAION-CLAP, arXiv 2211.06687, eq. 2), with one departure: a caption may be true of
several notes of the batch, and the target is then spread evenly over them (Khosla et al. 2020, arXiv 2004.11362,
eq. 2, for supervised contrast). Each step adds a sentence for every family and every quality by itself, so that
short queries are learned as well as full ones. Two small heads help the audio tower and are not exported.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    PreTrainedTokenizerFast,
)  # fmt: skip

from catalog.embedders.frontend import MEL_BANDS, clap_extractor_settings
from flows.recipes.pictures import Pictures, macro_accuracy, read_log_mel
from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import FAMILIES, QUALITIES
from generation.training.claims import claim_about, known_texts, single_words, styled, truth
from generation.training.contrast import contrast_loss
from generation.training.sampling import step_rng
from generation.training.settings import TrainSettings

_MAX_TOKENS = 48


class Settings(TrainSettings):
    """Numbers of the starter CLAP beside those of the loop.

    audio_width: width of the first of four Swin stages (it doubles three times). audio_depths: blocks a stage.
    text_width, text_layers, vocabulary: size of the text tower. projection: length of the shared vectors.
    head_weight: of the family and quality heads against the contrastive loss. balance: see flows.recipes.pictures.
    """

    audio_width: int = Field(default=32, gt=0)
    audio_depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    text_width: int = Field(default=128, gt=0)
    text_layers: int = Field(default=2, gt=0)
    vocabulary: int = Field(default=2500, gt=300)
    projection: int = Field(default=128, gt=0)
    head_weight: float = Field(default=0.5, ge=0)
    balance: float = Field(default=0.7, ge=0, le=1)


class _Towers(nn.Module):
    """The ClapModel that is exported, and the heads that are not."""

    def __init__(self, config: ClapConfig, width: int) -> None:
        super().__init__()
        self.clap = ClapModel(config)
        self.family = nn.Linear(width, len(FAMILIES))
        self.qualities = nn.Linear(width, len(QUALITIES))
        self.apply(_wake)


def _wake(part: nn.Module) -> None:
    """Start a layer at the scale of its own width (Glorot and Bengio 2010, eq. 16).

    ClapModel's own start is made for towers of 768 channels: at 32 it leaves every branch near zero, and the first
    thousand steps go into growing the weights.
    """
    if isinstance(part, nn.Linear):
        nn.init.xavier_uniform_(part.weight)
        if part.bias is not None:
            nn.init.zeros_(part.bias)
    elif isinstance(part, nn.Conv2d):
        nn.init.kaiming_uniform_(part.weight, a=5**0.5)


class ClapTask:
    """The towers, the notes, their captions and the loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Read both splits, fit the tokenizer on captions, make untrained towers."""
        self.settings, self.device = settings, device
        self.train: Pictures = read_log_mel(corpus / "train", settings.balance)
        self.valid: Pictures = read_log_mel(corpus / "valid")
        self.tokenizer = fit_tokenizer(self.train.notes, settings.vocabulary, settings.seed)
        self.towers = _Towers(clap_config(settings, self.tokenizer), 8 * settings.audio_width)
        self.module: torch.nn.Module = self.towers

    def batch(self, step: int) -> dict[str, Any]:
        """Pictures, token ids of all captions of the step, and which caption is true of which note."""
        chosen, pictures = self.train.draw(self.settings.seed, step, self.settings.batch_size)
        rng = random.Random(int(step_rng(self.settings.seed + 1, step).integers(2**62)))
        notes = [self.train.notes[int(i)] for i in chosen]
        claims = [styled(claim_about(note, rng), note, rng) for note in notes] + single_words(rng)
        tokens = self.tokenizer(
            [c.text for c in claims],
            padding=True,
            truncation=True,
            max_length=_MAX_TOKENS,
            return_tensors="pt",
        )
        parts = {
            "pictures": pictures, "ids": tokens["input_ids"], "mask": tokens["attention_mask"],
            "true": truth(claims, notes), "family": self.train.family[chosen],
            "qualities": self.train.qualities[chosen],
        }  # fmt: skip
        return {key: value.to(self.device) for key, value in parts.items()}

    def loss(self, batch: dict[str, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Contrast in both directions, plus the heads."""
        heard, audio = self._audio(batch["pictures"])
        text = self._text(batch["ids"], batch["mask"])
        scale = self.towers.clap.logit_scale_a.exp().clamp(max=100)
        similarity = scale * text @ audio.T
        contrast = contrast_loss(similarity, batch["true"])
        family = functional.cross_entropy(self.towers.family(heard).float(), batch["family"], label_smoothing=0.05)
        qualities = functional.binary_cross_entropy_with_logits(
            self.towers.qualities(heard).float(), batch["qualities"]
        )
        total = contrast + self.settings.head_weight * (family + 2 * qualities)
        return total, {
            "contrast": float(contrast.detach()),
            "family": float(family.detach()),
            "qualities": float(qualities.detach()),
        }

    def _audio(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        clap = self.towers.clap
        heard = clap.audio_model(input_features=pictures[:, None]).pooler_output
        return heard, functional.normalize(clap.audio_projection(heard).float(), dim=-1)

    def _text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        clap = self.towers.clap
        read = clap.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return functional.normalize(clap.text_projection(read).float(), dim=-1)

    def validate(self) -> dict[str, float]:
        """Zero-shot family accuracy on held-out instruments, from plain sentences, macro-averaged."""
        sentences = [
            f.format(name.replace("_", " ")) for name in FAMILIES for f in ("a {} sound", "{}", "a single note of a {}")
        ]
        tokens = self.tokenizer(
            sentences, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        ).to(self.device)
        text = self._text(tokens["input_ids"], tokens["attention_mask"])
        text = functional.normalize(text.view(len(FAMILIES), 3, -1).mean(dim=1), dim=-1)
        scores = []
        for start in range(0, len(self.valid.notes), 64):
            some = range(start, min(start + 64, len(self.valid.notes)))
            _, audio = self._audio(self.valid.take(some).to(self.device))
            scores.append((audio @ text.T).cpu())
        found = torch.cat(scores)
        cosine = text @ text.T
        return {
            "family_accuracy": macro_accuracy(found, self.valid.family),
            "family_top3": macro_accuracy(found, self.valid.family, top=3),
            "text_cosine": float((cosine.sum() - len(text)) / (len(text) * (len(text) - 1))),
        }

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        """Write ClapModel (fp16), feature extractor and tokenizer as transformers loads them."""
        clap = module.get_submodule("clap")
        if not isinstance(clap, ClapModel):
            raise TypeError(f"a ClapModel is needed, got {type(clap).__name__}")
        half = ClapModel(clap.config)
        half.load_state_dict(clap.state_dict())
        half.half().save_pretrained(folder)
        ClapFeatureExtractor(**clap_extractor_settings()).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def clap_config(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> ClapConfig:
    """ClapModel's configuration at our size: HTSAT on 64 mels x 251 frames (spec_size 128), small RoBERTa."""
    audio = ClapAudioConfig(
        spec_size=128, num_mel_bins=MEL_BANDS, window_size=4, patch_size=8, patch_stride=[4, 4],
        patch_embeds_hidden_size=settings.audio_width, hidden_size=8 * settings.audio_width,
        depths=list(settings.audio_depths), num_hidden_layers=4, num_attention_heads=[2, 4, 8, 16], enable_fusion=False,
        # A few dozen epochs on augmented pictures never overfit at this size: nothing is dropped.
        drop_path_rate=0.0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    text = ClapTextConfig(
        vocab_size=len(tokenizer), hidden_size=settings.text_width, num_hidden_layers=settings.text_layers,
        num_attention_heads=4, intermediate_size=3 * settings.text_width, max_position_embeddings=_MAX_TOKENS + 2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=settings.projection)


def fit_tokenizer(notes: Sequence[Note], vocabulary: int, seed: int) -> PreTrainedTokenizerFast:
    """Byte-pair tokenizer over the thesaurus and captions of the corpus; case and accents do not matter."""
    order = np.random.default_rng(seed).permutation(len(notes))[:4000]
    lines = known_texts([notes[i] for i in order])
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", model_max_length=_MAX_TOKENS,
    )  # fmt: skip


def build(corpus_folder: Path, settings: Settings, device: str) -> ClapTask:
    """Make the task of `nightcrate train clap`."""
    return ClapTask(corpus_folder, settings, device)

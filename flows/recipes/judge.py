"""Recipe of the starter judge: source, family and qualities of a one-shot from its log-mel picture.

Losses: cross-entropy for family (with label smoothing) and source, binary cross-entropy for the ten qualities, as
PANNs does for its tags (Kong et al. 2020, section IV).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch.nn import functional

from catalog.embedders.judge import Judge, save_judge
from catalog.embedders.judge_net import JudgeNet
from catalog.scores.reference import REFERENCE, Cell, build_reference
from flows.recipes.pictures import Pictures, macro_accuracy, read_log_mel
from generation.corpus.nsynth import Note, clip_of
from generation.training.settings import TrainSettings


class Settings(TrainSettings):
    """Numbers of the judge beside those of the loop.

    widths, embedding_dim: size of the network. label_smoothing: of the family loss. source_weight,
    quality_weight: of the other two losses against the family's. balance: see flows.recipes.pictures.
    reference_length_s: what the reference notes are cut to, and with them every sound that is scored.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    embedding_dim: int = Field(default=128, gt=0)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    source_weight: float = Field(default=0.5, ge=0)
    quality_weight: float = Field(default=2.0, ge=0)
    balance: float = Field(default=0.7, ge=0, le=1)
    reference_length_s: float = Field(default=1.0, gt=0)


class JudgeTask:
    """The judge, its notes and its loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Read both splits of the corpus and make an untrained network."""
        self.settings, self.device = settings, device
        self.train: Pictures = read_log_mel(corpus / "train", settings.balance)
        self.valid: Pictures = read_log_mel(corpus / "valid")
        self.module: torch.nn.Module = JudgeNet(settings.widths, settings.embedding_dim)
        self.module.to(memory_format=torch.channels_last)

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Pictures and labels of one step, on the device."""
        chosen, pictures = self.train.draw(self.settings.seed, step, self.settings.batch_size)
        labels = {name: getattr(self.train, name)[chosen] for name in ("source", "family", "qualities")}
        return {key: value.to(self.device) for key, value in {"pictures": pictures, **labels}.items()}

    def loss(self, batch: dict[str, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Weighted sum of the three losses, and each of them."""
        heads, _ = self.module(batch["pictures"])
        settings = self.settings
        family = functional.cross_entropy(
            heads["family"].float(), batch["family"], label_smoothing=settings.label_smoothing
        )
        source = functional.cross_entropy(heads["source"].float(), batch["source"])
        qualities = functional.binary_cross_entropy_with_logits(heads["qualities"].float(), batch["qualities"])
        total = family + settings.source_weight * source + settings.quality_weight * qualities
        return total, {
            "family": float(family.detach()),
            "source": float(source.detach()),
            "qualities": float(qualities.detach()),
        }

    def validate(self) -> dict[str, float]:
        """Accuracy on held-out instruments, macro-averaged, and the family loss."""
        heads = self._heads(self.valid)
        return {
            "family_loss": float(functional.cross_entropy(heads["family"], self.valid.family)),
            "family_accuracy": macro_accuracy(heads["family"], self.valid.family),
            "family_top3": macro_accuracy(heads["family"], self.valid.family, top=3),
            "source_accuracy": macro_accuracy(heads["source"], self.valid.source),
            "quality_agreement": float(((heads["qualities"] > 0) == (self.valid.qualities > 0.5)).float().mean()),
        }

    def _heads(self, pictures: Pictures) -> dict[str, torch.Tensor]:
        parts: list[dict[str, Any]] = []
        for start in range(0, len(pictures.notes), 64):
            some = range(start, min(start + 64, len(pictures.notes)))
            parts.append(self.module(pictures.take(some).to(self.device))[0])
        return {name: torch.cat([part[name].float().cpu() for part in parts]) for name in parts[0]}

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        """Write the judge as catalog.embedders.judge loads it, and what it hears in the held-out notes beside it."""
        if not isinstance(module, JudgeNet):
            raise TypeError(f"a JudgeNet is needed, got {type(module).__name__}")
        save_judge(module, folder)
        by_cell: dict[Cell, list[Note]] = defaultdict(list)
        for note in self.valid.notes:
            by_cell[note.source, note.family].append(note)
        clips = {cell: map(clip_of, notes) for cell, notes in by_cell.items()}
        name = f"held-out instruments of {self.valid.corpus.info.name}"
        build_reference(Judge(folder), clips, name, self.settings.reference_length_s).save(folder / REFERENCE)


def build(corpus_folder: Path, settings: Settings, device: str) -> JudgeTask:
    """Make the task of `nightcrate train judge`."""
    return JudgeTask(corpus_folder, settings, device)

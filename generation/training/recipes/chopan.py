"""Recipe of ChopAN: trains the autoencoder on spectrogram pictures, builds the bank, writes the pipeline.

The loss is that of the published code the thesis follows: 1e6 times the mean squared error plus the KL term
(Kingma and Welling 2014, appendix B). Beyond the thesis, and off in configs/train/chopan-thesis.yaml: part
of the pictures are mixtures of notes of one pitch, and noise is added to what the encoder sees (as in Vincent
et al. 2008, denoising autoencoders), because a mixture with noise is what ChopAN will give it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from generation.cards import write_card
from generation.codecs.stft_db import StftDbCodec
from generation.models.chopan_vae import ChopANVae, vae_loss
from generation.pipelines.chopan_sources import ChopANSettings
from generation.training.batch_norm import settle_batch_norm
from generation.training.chopan_export import TrainedClip, load_clip, own_card, write_pipeline
from generation.training.sampling import step_rng
from generation.training.settings import TrainSettings
from generation.training.stft_pictures import StftPictures, read_stft_pictures

_VALIDATED_PICTURES, _SETTLING_PICTURES, _CHUNK = 512, 512, 32


class Settings(TrainSettings):
    """Numbers of ChopAN beside those of the loop.

    clip: the folder that `train clip` exported (RUN/model), or "openai" for OpenAI's ViT-B/32.
    channels: filters of the encoder's five layers; latent_size: numbers a picture is squeezed into.
    reconstruction_weight, kl_weight: of the two terms of the loss.
    mix_share: part of the pictures that are mixtures as ChopAN makes them, 0 to 1.
    input_noise: standard deviation of the noise added to what the encoder sees, pictures in [0, 1].
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    bank_size: notes in the bank; null takes one for every instrument and set of qualities.
    bank_dtype: how the bank stores its pictures.
    """

    clip: str
    channels: tuple[int, int, int, int, int] = (512, 256, 128, 64, 32)
    latent_size: int = Field(default=128, gt=0)
    reconstruction_weight: float = Field(default=1e6, gt=0)
    kl_weight: float = Field(default=1.0, ge=0)
    mix_share: float = Field(default=0.0, ge=0, le=1)
    input_noise: float = Field(default=0.0, ge=0)
    balance: float = Field(default=0.0, ge=0, le=1)
    bank_size: int | None = Field(default=None, gt=0)
    bank_dtype: Literal["uint8", "float16"] = "float16"


@dataclass(frozen=True)
class _Batch:
    seen: Tensor
    wanted: Tensor


class ChopANTask:
    """Pictures, autoencoder and loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Read both splits and the trained CLIP, so that a missing one is known before the training."""
        self.settings, self.device = settings, device
        self.clip: TrainedClip = load_clip(settings.clip)
        self.codec = StftDbCodec()
        self.train = read_stft_pictures(corpus / "train", self.codec, settings.balance)
        self.valid = read_stft_pictures(corpus / "valid", self.codec)
        self.mixer = Mixer(self.train)
        rows, columns = self.codec.n_rows, self.codec.config["n_frames"]
        vae = ChopANVae(rows, columns, list(settings.channels), latent_size=settings.latent_size)
        # With bf16 autocast three times as fast as float32 in the usual layout, measured on a CPU.
        self.module: nn.Module = vae.to(memory_format=torch.channels_last)

    def batch(self, step: int) -> _Batch:
        """Pictures of drawn notes, some of them mixed with others; `seen` has the noise, `wanted` has not."""
        settings = self.settings
        indices = self.train.draw(settings.seed, step, settings.batch_size)
        rng = step_rng(settings.seed + 1, step)
        wanted = self.train.take(indices)
        for place in np.flatnonzero(rng.random(len(indices)) < settings.mix_share):
            wanted[place] = self.mixer.mixture(int(indices[place]), rng)
        noise = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
        seen = (wanted + settings.input_noise * noise).clamp(0.0, 1.0)
        return _Batch(self._ready(seen), self._ready(wanted))

    def loss(self, batch: _Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted squared error and KL of the batch, worked out in float32."""
        noise = torch.randn(len(batch.seen), self.settings.latent_size, device=self.device)
        rebuilt, mean, log_variance = (part.float() for part in self.module(batch.seen, noise))
        weights = self.settings.reconstruction_weight, self.settings.kl_weight
        total, mse, kl = vae_loss(rebuilt, batch.wanted, mean, log_variance, *weights)
        return total, {"mse": float(mse.detach()), "kl": float(kl.detach())}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments, without latent noise: mse, kl, and the mean error in dB."""
        self._settle()
        indices = np.linspace(0, len(self.valid) - 1, min(_VALIDATED_PICTURES, len(self.valid))).astype(int)
        sums = np.zeros(3)
        for part in np.array_split(indices, -(-len(indices) // _CHUNK)):
            pictures = self._ready(self.valid.take(part))
            noise = torch.zeros(len(part), self.settings.latent_size, device=self.device)
            rebuilt, mean, log_variance = (each.float() for each in self.module(pictures, noise))
            _, mse, kl = vae_loss(rebuilt, pictures, mean, log_variance, 1.0, 1.0)
            span_db = (self.valid.ranges[part, 1] - self.valid.ranges[part, 0]).to(self.device)
            error_db = ((rebuilt - pictures).abs().mean(dim=(1, 2, 3)) * span_db).mean()
            sums += len(part) * np.array([float(mse), float(kl), float(error_db)])
        return dict(zip(("mse", "kl", "error_db"), (sums / len(indices)).tolist(), strict=True))

    def export(self, folder: Path, module: nn.Module) -> None:
        """Build the bank and write the whole pipeline (weights in fp16) with its card."""
        if not isinstance(module, ChopANVae):
            raise TypeError(f"a ChopANVae is needed, got {type(module).__name__}")
        self._settle()
        size, dtype = self.settings.bank_size, self.settings.bank_dtype
        write_pipeline(folder, self.train, self.codec, self.clip, module, size, dtype)
        write_card(folder, own_card(self.train.info, self.codec, self.clip))

    def _settle(self) -> None:
        """Give averaged weights the batch-norm statistics that fit them; others have had their own all along."""
        if self.settings.ema_decay is None:
            return
        silent = torch.zeros(self.settings.batch_size, self.settings.latent_size, device=self.device)
        batches = (self.batch(step).seen for step in range(-(-_SETTLING_PICTURES // self.settings.batch_size)))
        settle_batch_norm(self.module, batches, lambda seen: self.module(seen, silent))

    def _ready(self, pictures: Tensor) -> Tensor:
        return pictures.to(self.device).contiguous(memory_format=torch.channels_last)


class Mixer:
    """Mixtures of notes of one family and pitch, with the weights that ChopAN uses."""

    def __init__(self, corpus: StftPictures) -> None:
        """Gather the notes of each family and pitch."""
        self.corpus = corpus
        self._alike: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, note in enumerate(corpus.notes):
            self._alike[note.family, note.pitch].append(index)
        self._weights = np.array(ChopANSettings().rank_weights)

    def mixture(self, index: int, rng: np.random.Generator) -> Tensor:
        """One mixture with this note as the most similar: float32 [1, rows, columns] in [0, 1]."""
        note = self.corpus.notes[index]
        others = rng.choice(self._alike[note.family, note.pitch], len(self._weights) - 1)
        weights = torch.from_numpy(self._weights / self._weights.sum()).float()
        return torch.einsum("n,nkrc->krc", weights, self.corpus.take([index, *others]))


def build(corpus_folder: Path, settings: Settings, device: str) -> ChopANTask:
    """Make the task of one run from a corpus with train/ and valid/."""
    return ChopANTask(Path(corpus_folder), settings, device)

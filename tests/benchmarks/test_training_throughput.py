"""Items a second of the training loop against a bare PyTorch loop: same network, batch, AdamW, clipping, average.

The loop reads its pictures from the corpus' cache on disk, the bare loop from one tensor in memory. Both run in turns
in one process; the figures are medians over the turns. Run by hand: pytest -m benchmark -s tests/benchmarks
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from generation.codecs.stft_db import StftDbCodec
from generation.models.chopan_vae import ChopANVae, vae_loss
from generation.training.stft_pictures import StftPictures, read_stft_pictures
from generation.training.trainer import Progress, TrainSettings, train
from tests.generation.toy_chopan import write_corpus

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

TURNS, WARM_STEPS = 7, 2
LEAST_RATIO = 0.9


class Autoencoder:
    """ChopAN's autoencoder as the thesis has it, 2.4 million parameters, on 256 x 64 pictures."""

    batch_size, steps = 8, 10

    def make(self) -> nn.Module:
        return ChopANVae(256, 64).to(memory_format=torch.channels_last)

    def loss(self, module: nn.Module, pictures: Tensor) -> Tensor:
        rebuilt, mean, log_variance = module(pictures, torch.randn(len(pictures), 128))
        return vae_loss(rebuilt, pictures, mean, log_variance, 1e6, 1.0)[0]


class Denoiser:
    """A denoiser of 11 million parameters in three stages, on pictures halved and halved again."""

    batch_size, steps = 8, 10

    def make(self) -> nn.Module:
        return UNet2DConditionModel(
            sample_size=(64, 16),
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=(64, 128, 192),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=128,
            attention_head_dim=8,
        )

    def loss(self, module: nn.Module, pictures: Tensor) -> Tensor:
        clean = functional.avg_pool2d(pictures, 4)
        noise, share = torch.randn_like(clean), torch.rand(len(clean), 1, 1, 1)
        noisy = (1 - share).sqrt() * clean + share.sqrt() * noise
        told = module(noisy, (1000 * share).flatten(), torch.ones(len(clean), 8, 128)).sample
        return functional.mse_loss(told, noise)


class CorpusTask:
    """A network of above on the pictures of a corpus, as a recipe hands it to the loop."""

    def __init__(self, kind: Any, corpus: StftPictures, settings: TrainSettings) -> None:
        self.kind, self.corpus, self.settings = kind, corpus, settings
        self.module: nn.Module = kind.make()

    def batch(self, index: int) -> Tensor:
        return self.corpus.take(self.corpus.draw(self.settings.seed, index, self.settings.batch_size))

    def loss(self, batch: Tensor, step: int) -> tuple[Tensor, dict[str, float]]:
        return self.kind.loss(self.module, batch), {}

    def validate(self) -> dict[str, float]:
        return {}

    def export(self, folder: Path, module: nn.Module) -> None:
        (folder / "nothing").write_text("not measured")


def settings_of(kind: Any) -> TrainSettings:
    # The last two steps are not timed: the checkpoint after the last belongs to a whole run, not to a step.
    steps = WARM_STEPS + kind.steps + 2
    return TrainSettings(
        steps=steps, batch_size=kind.batch_size, learning_rate=1e-4, ema_decay=0.999, clip_norm=1.0,
        validate_every=10 * steps, checkpoint_every=10 * steps,
    )  # fmt: skip


def loop_rate(kind: Any, corpus: StftPictures, out: Path) -> float:
    """Items a second of the training loop."""
    settings, told_at = settings_of(kind), {}

    def told(progress: Progress) -> None:
        told_at[progress.step] = time.perf_counter()

    train(CorpusTask(kind, corpus, settings), settings, out, progress=told)
    return kind.steps * kind.batch_size / (told_at[WARM_STEPS + kind.steps] - told_at[WARM_STEPS])


def bare_rate(kind: Any, pictures: Tensor) -> float:
    """Items a second of a loop as a notebook has it."""
    settings, module = settings_of(kind), kind.make().train()
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    began = 0.0
    for step in range(WARM_STEPS + kind.steps):
        if step == WARM_STEPS:
            began = time.perf_counter()
        batch = pictures[torch.randint(len(pictures), (settings.batch_size,))]
        loss = kind.loss(module, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
        optimiser.step()
        average.update_parameters(module)
        loss.item()
    return kind.steps * kind.batch_size / (time.perf_counter() - began)


@pytest.mark.parametrize("kind", [Autoencoder(), Denoiser()], ids=["autoencoder", "denoiser"])
def test_the_loop_costs_at_most_a_tenth(kind: Any, tmp_path: Path) -> None:
    corpus = read_stft_pictures(write_corpus(tmp_path / "corpus") / "train", StftDbCodec())
    pictures = corpus.take(range(len(corpus)))
    rates: dict[str, list[float]] = {"loop": [], "bare": []}
    for turn in range(TURNS):
        measured: list[tuple[str, Callable[[], float]]] = [
            ("loop", lambda turn=turn: loop_rate(kind, corpus, tmp_path / f"run{turn}")),
            ("bare", lambda: bare_rate(kind, pictures)),
        ]
        for name, rate in measured if turn % 2 else reversed(measured):
            rates[name].append(rate())
    ratios = [loop / bare for loop, bare in zip(rates["loop"], rates["bare"], strict=True)]
    count = sum(parameter.numel() for parameter in kind.make().parameters())
    loop, bare = (median(rates[name]) for name in ("loop", "bare"))
    print(f"\n{type(kind).__name__}, {count:,d} parameters, batches of {kind.batch_size}")
    print(f"{torch.get_num_threads()} threads of {os.cpu_count()} cores: loop {loop:.2f}, bare {bare:.2f} items/s")
    print(f"ratio {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f} in {TURNS} turns)")
    assert median(ratios) >= LEAST_RATIO

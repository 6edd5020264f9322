"""The task of every denoising recipe: a pipeline whose U-Net learns while all its other parts stay as they are.

One step: clean samples, a caption for each, noise at a drawn time, the network's answer, its weighted squared error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor, nn

from generation.errors import TrainingError
from generation.pipelines.network import network_inputs, predict
from generation.pipelines.text_to_sound import TextToSoundPipeline, vae_reduction
from generation.training.captioning import draw_captions, full_caption
from generation.training.corpus_pictures import CorpusPictures, read_pictures
from generation.training.denoising_export import ModelFacts, write_denoiser
from generation.training.denoising_pictures import clean_samples, picturing_of
from generation.training.denoising_samples import write_sounds
from generation.training.denoising_settings import DenoisingSettings
from generation.training.graphed import GraphedNetwork
from generation.training.objectives import draw_times, errors_of, noised, snr_weights

_GOLDEN = (5**0.5 - 1) / 2
_BANDS = ("mse_least_noise", "mse_middle_noise", "mse_most_noise")
_SHOWN = 4


@dataclass(frozen=True)
class _Batch:
    arrays: dict[str, Tensor]
    captions: list[str]


class DenoisingTask:
    """Clean samples, captions, network and loss, as the training loop wants them."""

    def __init__(
        self,
        corpus: Path,
        settings: DenoisingSettings,
        device: str,
        pipeline: TextToSoundPipeline,
        facts: ModelFacts,
    ) -> None:
        """Freeze all but the network, and picture both splits or find their pictures on disk.

        Args:
            corpus: a folder with the split that is learned, and valid/.
            settings: of the run.
            device: where to train.
            pipeline: with the network to train, on any device.
            facts: what the exported card says.

        Raises:
            CorpusError: a split cannot be read.
            TrainingError: the autoencoder cannot divide the pictures.
        """
        self.settings, self.device, self.pipeline, self.facts = settings, device, pipeline, facts
        parts = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
        for name, part in parts.items():
            part.requires_grad_(name == "unet")
        if settings.gradient_checkpointing:
            pipeline.unet.enable_gradient_checkpointing()
        graphed = settings.cuda_graphs and torch.device(device).type == "cuda"
        self._graphed = GraphedNetwork(pipeline.unet) if graphed else None
        self.module: nn.Module = nn.ModuleDict(parts)
        self.noise = DDPMScheduler.from_config(pipeline.scheduler.config)  # type: ignore[attr-defined]
        vae = getattr(pipeline, "vae", None)
        self.scaling_factor = 1.0 if vae is None else float(vae.config["scaling_factor"])
        _check_sizes(pipeline)
        picturing = picturing_of(pipeline, device)
        self.train = read_pictures(
            corpus / settings.split,
            picturing,
            settings.balance,
            settings.subset,
            settings.mixtures,
            settings.seed,
        )
        count = settings.validation_items
        mixtures = None if settings.mixtures is None else count
        self.valid = read_pictures(
            corpus / "valid", picturing, subset=None if mixtures else count, mixtures=mixtures, seed=settings.seed
        )

    def batch(self, index: int) -> _Batch:
        """Arrays of drawn items, and one caption for each."""
        settings = self.settings
        rows = self.train.draw(settings.seed, index, settings.batch_size)
        items = [self.train.items[row] for row in rows]
        captions = draw_captions(items, settings.captions, settings.caption_dropout, settings.seed, index)
        return _Batch(self._arrays(self.train, rows), captions)

    def loss(self, batch: _Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted squared error of the answers, and the plain one (mse)."""
        times = draw_times(self.noise, len(batch.captions), self.device)
        errors = self._errors(batch, times, self._graphed)
        weights = snr_weights(self.noise, times, self.settings.snr_gamma, self.settings.snr_form)
        return (weights * errors).mean(), {"mse": float(errors.detach().mean())}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments: the loss, the plain squared error, and that of each third of the times.

        Items, times and noise are the same at every validation; the times are spread evenly, whatever the order of
        the items.
        """
        count, trained_times = self.settings.validation_items, self.noise.config["num_train_timesteps"]
        rows = np.arange(count) % len(self.valid)
        times = torch.from_numpy(spread_times(count, trained_times)).to(self.device)
        parts = np.array_split(np.arange(count), -(-count // self.settings.batch_size))
        errors = torch.cat([self._errors(self._held_out(rows[part]), times[torch.from_numpy(part)]) for part in parts])
        weights = snr_weights(self.noise, times, self.settings.snr_gamma, self.settings.snr_form)
        third = times * len(_BANDS) // trained_times
        bands = {name: errors[third == number].mean().item() for number, name in enumerate(_BANDS)}
        return {"loss": (weights * errors).mean().item(), "mse": errors.mean().item(), **bands}

    def write_samples(self, folder: Path) -> None:
        """Sounds and pictures for the full captions of some held-out items."""
        rows = np.linspace(0, len(self.valid) - 1, min(_SHOWN, len(self.valid))).astype(int)
        captions = [full_caption(self.valid.items[row], self.settings.captions) for row in rows]
        # In float32, as the loaded model will sample.
        with torch.autocast(torch.device(self.device).type, enabled=False):
            write_sounds(folder, self.pipeline, captions, self.facts)

    def export(self, folder: Path, module: nn.Module) -> None:
        """Write the whole pipeline (weights in fp16) with its card."""
        write_denoiser(folder, self.pipeline, self.train.info, self.facts, self.settings.captions)

    def _errors(self, batch: _Batch, times: Tensor, graphed: GraphedNetwork | None = None) -> Tensor:
        clean = clean_samples(batch.arrays, self.scaling_factor)
        noise = torch.randn_like(clean)
        noisy, wanted = noised(self.noise, clean, noise, times)
        with torch.no_grad():
            text = self.pipeline.encode_texts(batch.captions)
        if graphed is not None:
            return errors_of(graphed(network_inputs(self.pipeline.unet, noisy, times, text)), wanted)
        return errors_of(predict(self.pipeline.unet, noisy, times, text), wanted)

    def _held_out(self, rows: np.ndarray) -> _Batch:
        captions = [full_caption(self.valid.items[row], self.settings.captions) for row in rows]
        return _Batch(self._arrays(self.valid, rows), captions)

    def _arrays(self, pictures: CorpusPictures, rows: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        return {name: pictures.take(name, rows).to(self.device) for name in pictures.arrays}


def spread_times(count: int, trained_times: int) -> np.ndarray:
    """Spread `count` times evenly over [0, trained_times), neighbours far apart: int64 [count]."""
    # The ranks of the golden ratio's multiples: a low-discrepancy order, so that times follow no order of the items.
    ranks = np.argsort(np.argsort(np.arange(count) * _GOLDEN % 1.0))
    return ((ranks + 0.5) / count * trained_times).astype(np.int64)


def _check_sizes(pipeline: TextToSoundPipeline) -> None:
    vae = getattr(pipeline, "vae", None)
    reduction = 1 if vae is None else vae_reduction(vae)
    for name in ("n_mels", "n_frames"):
        if pipeline.codec.config[name] % reduction:
            raise TrainingError(
                f"{name} is {pipeline.codec.config[name]}; the autoencoder needs a multiple of {reduction}"
            )

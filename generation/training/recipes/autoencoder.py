"""Recipe of the autoencoders that latent techniques stand on: AutoencoderKL on the pictures of one codec.

The loss is mean absolute plus mean squared error in the picture's own units, and the KL term of Rombach et al., arXiv
2112.10752, appendix G, weighted 1e-6 against the error summed over a picture. Theirs has LPIPS and a discriminator
besides: LPIPS is left out because its network's weights come with terms of their own.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from pydantic import Field
from torch import Tensor, nn

from generation.audio import Clip, write_clip
from generation.codecs.phase import seeded_phase
from generation.errors import TrainingError
from generation.pipelines.text_to_sound import vae_reduction
from generation.strict_yaml import StrictModel
from generation.training.autoencoder_pictures import KINDS, PICTURES, CodecName, picturing_of
from generation.training.corpus_pictures import CorpusPictures, read_pictures
from generation.training.denoising_parts import CODEC, VAE
from generation.training.denoising_samples import grey_images
from generation.training.denoising_settings import PictureSettings
from generation.training.sampling import evenly
from generation.training.settings import TrainSettings

_MEASURED_PICTURES, _SHOWN = 256, 4


class CodecSettings(PictureSettings):
    """Which pictures: the name of a codec, and its sizes where they are not its own."""

    codec: CodecName


class VaeSettings(StrictModel):
    """The network; null keeps the published size of the codec's technique (generation.models.full_size).

    block_out_channels: width of each level, the first at full resolution, each other at half the one before.
    layers_per_block: residual blocks of a level. latent_channels: numbers at each place of the latents.
    norm_num_groups: of the group norms; it divides every width. mid_block_add_attention: attention between all
    places at the lowest resolution.
    """

    block_out_channels: tuple[int, ...] | None = Field(default=None, min_length=1)
    layers_per_block: int | None = Field(default=None, gt=0)
    latent_channels: int | None = Field(default=None, gt=0)
    norm_num_groups: int | None = Field(default=None, gt=0)
    mid_block_add_attention: bool | None = None


class Settings(TrainSettings):
    """Numbers of an autoencoder beside those of the loop.

    picture: what is learned. vae: the network.
    l1_weight, mse_weight: of the mean absolute and the mean squared error, in the picture's own units.
    kl_weight: of the KL term.
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    gradient_checkpointing: less memory for a third more arithmetic.
    validation_items: held-out pictures in a validation, at most.
    """

    picture: CodecSettings
    vae: VaeSettings = VaeSettings()
    l1_weight: float = Field(default=1.0, ge=0)
    mse_weight: float = Field(default=1.0, ge=0)
    kl_weight: float = Field(default=1e-6, ge=0)
    balance: float = Field(default=0.0, ge=0, le=1)
    gradient_checkpointing: bool = False
    validation_items: int = Field(default=128, gt=0)


@dataclass(frozen=True)
class Posterior:
    """A diagonal normal distribution over latents; float32 [batch, channels, rows, columns]."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """Draw latents by torch's global generator (Kingma and Welling, arXiv 1312.6114, section 2.4)."""
        return self.mean + (0.5 * self.log_variance).exp() * torch.randn_like(self.mean)

    def kl(self) -> Tensor:
        """Distance from the standard normal distribution, nats, summed over each picture: [batch].

        Kingma and Welling, arXiv 1312.6114, appendix B.
        """
        each = self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance
        return 0.5 * each.sum(dim=(1, 2, 3))


class AutoencoderTask:
    """Pictures, autoencoder and loss, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Picture both splits, or find their pictures on disk, and make the network.

        Raises:
            CorpusError: a split cannot be read.
            TrainingError: there is no such network, or it cannot divide the pictures.
        """
        self.settings, self.device = settings, device
        name = settings.picture.codec
        self.kind = KINDS[name]
        sizes = {key: value for key, value in settings.picture.changes().items() if key != "codec"}
        self.codec: Any = self.kind.codec(**sizes)
        picturing = picturing_of(name, self.codec)
        self.vae = build_vae(self.kind.published, settings.vae)
        _check_sizes(self.codec, self.vae)
        self.train = read_pictures(corpus / "train", picturing, settings.balance)
        self.valid = read_pictures(corpus / "valid", picturing)
        measured = self._pictures(self.train, evenly(len(self.train), _MEASURED_PICTURES))
        absorb_units(self.vae, float(measured.mean()), float(measured.std()))
        if settings.gradient_checkpointing:
            self.vae.enable_gradient_checkpointing()
        self.module: nn.Module = self.vae

    def batch(self, index: int) -> Tensor:
        """Drawn pictures, float32 [batch, channels, rows, columns] in the codec's units."""
        return self._pictures(self.train, self.train.draw(self.settings.seed, index, self.settings.batch_size))

    def loss(self, batch: Tensor, step: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted errors and KL of the batch, worked out in float32."""
        settings = self.settings
        posterior = posterior_of(self.vae, batch)
        difference = self.vae.decode(posterior.sample()).sample.float() - batch
        l1, mse, kl = difference.abs().mean(), difference.square().mean(), posterior.kl().mean()
        # Against errors averaged over a picture's values, as here, the summed KL weighs as much less.
        per_value = kl / batch[0].numel()
        total = settings.l1_weight * l1 + settings.mse_weight * mse + settings.kl_weight * per_value
        return total, {"l1": float(l1.detach()), "mse": float(mse.detach()), "kl": float(kl.detach())}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments, decoded from the middle of the posterior.

        mse, l1 in the picture's units; error_db, the mean absolute error in dB where the unit has them; kl in nats a
        picture; latent_std and posterior_std, the spread of latents over all pictures and that of a single one's.
        """
        rows = evenly(len(self.valid), self.settings.validation_items)
        sums, latents = np.zeros(4), []
        for part in np.array_split(rows, -(-len(rows) // self.settings.batch_size)):
            pictures = self._pictures(self.valid, part)
            posterior = posterior_of(self.vae, pictures)
            difference = self.vae.decode(posterior.mean).sample.float() - pictures
            spread = (0.5 * posterior.log_variance).exp().mean()
            figures = difference.square().mean(), difference.abs().mean(), posterior.kl().mean(), spread
            sums += len(part) * np.array([float(figure) for figure in figures])
            latents.append(posterior.sample().cpu())
        mse, l1, kl, spread_mean = (sums / len(rows)).tolist()
        unit_db = self.kind.db_per_unit(self.codec)
        in_db = {} if unit_db is None else {"error_db": l1 * unit_db}
        told = {"mse": mse, "l1": l1, "kl": kl, **in_db}
        return {**told, "latent_std": float(torch.cat(latents).std()), "posterior_std": spread_mean}

    def write_samples(self, folder: Path) -> None:
        """Some held-out pictures before and after, as images and as sounds by the codec's Griffin-Lim."""
        rows = evenly(len(self.valid), _SHOWN)
        before = self._pictures(self.valid, rows)
        after = self.vae.decode(posterior_of(self.vae, before).mean).sample.float()
        phase = seeded_phase([torch.Generator().manual_seed(int(row)) for row in rows], *self.codec.phase_shape)
        for name, pictures in (("before", before.cpu()), ("after", after.cpu())):
            waves, images = self.codec.decode(pictures, phase).numpy(), grey_images(self.codec.mel_amplitudes(pictures))
            for row, wave, image in zip(rows, waves, images, strict=True):
                path = folder / f"{self.valid.items[row][0].note_str}-{name}"
                clip = Clip(np.nan_to_num(wave)[None], self.codec.config["sample_rate_hz"])
                write_clip(path.with_suffix(".wav"), clip)
                Image.fromarray(image).save(path.with_suffix(".png"))

    def export(self, folder: Path, module: nn.Module) -> None:
        """Write vae/ (fp16, with the measured scaling_factor) and codec/."""
        vae = copy.deepcopy(self.vae)
        vae.register_to_config(scaling_factor=1.0 / self.latent_std())
        vae.half().cpu().save_pretrained(folder / VAE)
        self.codec.save_pretrained(folder / CODEC)

    @torch.no_grad()
    def latent_std(self) -> float:
        """Standard deviation of latents drawn for a few hundred training pictures.

        Raises:
            TrainingError: the latents do not differ; nothing could be denoised in them.
        """
        rows = evenly(len(self.train), _MEASURED_PICTURES)
        parts = np.array_split(rows, -(-len(rows) // self.settings.batch_size))
        drawn = [posterior_of(self.vae, self._pictures(self.train, part)).sample().cpu() for part in parts]
        std = float(torch.cat(drawn).double().std())
        if not std > 1e-4:
            raise TrainingError(f"the latents have a deviation of {std:.2g}; train longer, or with a lower kl_weight")
        return std

    def _pictures(self, corpus: CorpusPictures, rows: np.ndarray) -> Tensor:
        # In the usual layout: on a CPU, group norm's way back takes twenty times as long in channels_last.
        return self.kind.restore(corpus.take(PICTURES, rows).to(self.device))


def posterior_of(vae: AutoencoderKL, pictures: Tensor) -> Posterior:
    """Encode pictures; float32 even where the network works in less."""
    encoded = vae.encode(pictures).latent_dist
    return Posterior(encoded.mean.float(), encoded.logvar.float())


def build_vae(published: dict[str, Any], settings: VaeSettings) -> AutoencoderKL:
    """Make an untrained network: the published one, changed where the settings say so.

    Raises TrainingError: diffusers knows no such network.
    """
    # What was published measured another autoencoder's latents; export sets our own.
    config = {key: value for key, value in published.items() if key != "scaling_factor"}
    config |= settings.model_dump(exclude_none=True)
    levels = len(config["block_out_channels"])
    config["down_block_types"] = ("DownEncoderBlock2D",) * levels
    config["up_block_types"] = ("UpDecoderBlock2D",) * levels
    try:
        return AutoencoderKL(**config)
    except ValueError as error:
        raise TrainingError(f"vae: there is no such network ({str(error).splitlines()[0]})") from error


@torch.no_grad()
def absorb_units(vae: AutoencoderKL, mean: float, std: float) -> None:
    """Start an untrained network in the units of its pictures, whose values have this mean and deviation.

    The first layer's weights take the deviation and its bias the mean, so that what follows sees values around 0;
    the last layer's do the reverse. Log-mel pictures lie around -8, where training would start by moving there.
    """
    first, last = vae.encoder.conv_in, vae.decoder.conv_out
    assert first.bias is not None and last.bias is not None
    if first.bias is None or last.bias is None:
        raise TypeError("an AutoencoderKL whose first and last layer have a bias is needed")
    first.weight /= std
    first.bias -= mean * first.weight.sum(dim=(1, 2, 3))
    last.weight *= std
    last.bias.mul_(std).add_(mean)


def _check_sizes(codec: Any, vae: AutoencoderKL) -> None:
    reduction = vae_reduction(vae)
    for name in ("n_mels", "n_frames"):
        if codec.config[name] % reduction:
            raise TrainingError(f"{name} is {codec.config[name]}; these levels need a multiple of {reduction}")


def build(corpus_folder: Path, settings: Settings, device: str) -> AutoencoderTask:
    """Make the task of one run from a corpus with train/ and valid/."""
    return AutoencoderTask(Path(corpus_folder), settings, device)

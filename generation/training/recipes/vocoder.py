"""Recipe of TANGO's vocoder: HiFi-GAN from log-mel pictures to waves, on cut-outs of a corpus' notes.

Losses: short-time spectra at several resolutions (Yamamoto et al., arXiv 1910.11480) and the log-mel distance (Kong et
al., arXiv 2010.05646, eq. 3); with adversarial_weight above 0 also HiFi-GAN's discriminators. Departure: both sides
step at once, by one optimiser, where HiFi-GAN alternates.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from generation.audio import Clip, write_clip
from generation.codecs.log_mel import LogMelCodec
from generation.errors import TrainingError
from generation.models import full_size
from generation.strict_yaml import StrictModel
from generation.training.autoencoder_pictures import PICTURES, picturing_of
from generation.training.corpus_pictures import read_pictures
from generation.training.denoising_parts import CODEC, VOCODER
from generation.training.denoising_samples import grey_images
from generation.training.denoising_settings import PictureSettings
from generation.training.discriminators import Discriminators, adversarial_losses
from generation.training.note_segments import NoteSegments, Segments
from generation.training.sampling import evenly, step_rng
from generation.training.settings import TrainSettings
from generation.training.wave_losses import spectral_distances

_MEASURED_PICTURES, _SHOWN = 512, 4


class VocoderSettings(StrictModel):
    """The network, in SpeechT5HifiGanConfig's words; null keeps the published size (generation.models.full_size).

    upsample_initial_channel: width at the rate of the frames, halved by every upsampling. upsample_rates: their
    product is the codec's hop. upsample_kernel_sizes: a multiple of the rate leaves no comb. resblock_kernel_sizes,
    resblock_dilation_sizes: of the residual blocks after each upsampling.
    """

    upsample_initial_channel: int | None = Field(default=None, gt=0)
    upsample_rates: tuple[int, ...] | None = Field(default=None, min_length=1)
    upsample_kernel_sizes: tuple[int, ...] | None = Field(default=None, min_length=1)
    resblock_kernel_sizes: tuple[int, ...] | None = Field(default=None, min_length=1)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] | None = Field(default=None, min_length=1)


class DiscriminatorSettings(StrictModel):
    """What judges the waves where adversarial_weight is above 0.

    channels: width of each layer. periods, scales: in samples (HiFi-GAN, section 2.3).
    """

    channels: tuple[int, ...] = Field(default=(32, 128, 256, 512), min_length=1)
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: tuple[int, ...] = (1, 2, 4)


class Settings(TrainSettings):
    """Numbers of a vocoder beside those of the loop.

    picture: sizes of the log-mel pictures. vocoder: the network. segment_frames: length of a cut-out.
    resolutions: FFT, hop and window in samples of each spectrum that is compared.
    spectral_weight: of spectral convergence plus log-amplitude distance. mel_weight: of the log-mel distance.
    adversarial_weight: of the vocoder's side against the discriminators; 0 trains without them.
    matching_weight: of the feature matching beside it, in its units. discriminators: their sizes.
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    validation_items, validation_frames: held-out notes of a validation, and how much of each.
    """

    picture: PictureSettings = PictureSettings()
    vocoder: VocoderSettings = VocoderSettings()
    segment_frames: int = Field(default=64, gt=0)
    resolutions: tuple[tuple[int, int, int], ...] = Field(
        default=((512, 128, 512), (1024, 256, 1024), (2048, 512, 2048)), min_length=1
    )
    spectral_weight: float = Field(default=1.0, ge=0)
    mel_weight: float = Field(default=1.0, ge=0)
    adversarial_weight: float = Field(default=0.0, ge=0)
    matching_weight: float = Field(default=2.0, ge=0)
    discriminators: DiscriminatorSettings = DiscriminatorSettings()
    balance: float = Field(default=0.0, ge=0, le=1)
    validation_items: int = Field(default=32, gt=0)
    validation_frames: int = Field(default=128, gt=0)


class VocoderTask:
    """Cut-outs, vocoder, perhaps discriminators, and the losses, as the training loop wants them."""

    def __init__(self, corpus: Path, settings: Settings, device: str) -> None:
        """Picture both splits, or find their pictures on disk, and make the network.

        Raises:
            CorpusError: a split cannot be read.
            TrainingError: the sizes of network, pictures and cut-outs do not go together.
        """
        self.settings, self.device = settings, device
        self.codec = LogMelCodec(**settings.picture.changes())
        self.vocoder = build_vocoder(settings.vocoder, self.codec)
        _check_lengths(settings, self.codec)
        picturing = picturing_of("log-mel", self.codec)
        self.train = NoteSegments(read_pictures(corpus / "train", picturing, settings.balance), self.codec)
        self.valid = NoteSegments(read_pictures(corpus / "valid", picturing), self.codec)
        measured = self.train.corpus.take(PICTURES, evenly(len(self.train.corpus), _MEASURED_PICTURES)).float()
        self.vocoder.mean.copy_(measured.mean(dim=(0, 1, 2)))
        self.vocoder.scale.copy_(measured.std(dim=(0, 1, 2)).clamp_min(0.1))
        sizes = settings.discriminators
        self.judges = Discriminators(sizes.channels, sizes.periods, sizes.scales) if self._adversarial else None
        parts = {"vocoder": self.vocoder} | ({"discriminators": self.judges} if self.judges else {})
        self.module: nn.Module = nn.ModuleDict(parts)
        self._shorter = {
            frames: LogMelCodec(**{**settings.picture.changes(), "n_frames": frames})
            for frames in (settings.segment_frames, settings.validation_frames)
        }

    def batch(self, index: int) -> Segments:
        """Cut-outs of drawn notes."""
        settings = self.settings
        rows = self.train.corpus.draw(settings.seed, index, settings.batch_size)
        rng = step_rng(settings.seed + 1, index)
        starts = [self.train.draw_start(int(row), settings.segment_frames, rng) for row in rows]
        return self._ready(self.train.cut(rows, starts, settings.segment_frames))

    def loss(self, batch: Segments, step: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted distances of made from recorded waves, and both sides' adversarial losses where asked for."""
        settings = self.settings
        made = self.wave_of(batch.pictures)
        convergence, amplitude = spectral_distances(made, batch.waves, settings.resolutions)
        mel = self.mel_distance(made, batch.waves)
        total = settings.spectral_weight * (convergence + amplitude) + settings.mel_weight * mel
        told = {"convergence": convergence, "amplitude": amplitude, "mel": mel}
        if self.judges is not None:
            judging, deceiving, matching = adversarial_losses(self.judges, made, batch.waves)
            side = deceiving + settings.matching_weight * matching
            total = total + settings.adversarial_weight * side + judging
            told |= {"judging": judging, "deceiving": deceiving, "matching": matching}
        return total, {name: float(value.detach()) for name, value in told.items()}

    def validate(self) -> dict[str, float]:
        """Figures on held-out instruments, from the beginning of each note.

        spectral: convergence plus log-amplitude distance; mel: mean distance in natural logarithms of the made wave's
        picture from the recorded one's; error_db: the same in dB.
        """
        rows = evenly(len(self.valid.corpus), self.settings.validation_items)
        sums = np.zeros(2)
        for part in np.array_split(rows, -(-len(rows) // self.settings.batch_size)):
            cut = self._ready(self.valid.cut(part, [0] * len(part), self.settings.validation_frames))
            made = self.wave_of(cut.pictures)
            spectral = sum(spectral_distances(made, cut.waves, self.settings.resolutions))
            sums += len(part) * np.array([float(spectral), float(self.mel_distance(made, cut.waves))])
        spectral_mean, mel = (sums / len(rows)).tolist()
        return {"spectral": spectral_mean, "mel": mel, "error_db": mel * 20.0 / math.log(10.0)}

    def write_samples(self, folder: Path) -> None:
        """Some held-out notes as recorded and as made from their whole picture."""
        for row in evenly(len(self.valid.corpus), _SHOWN):
            cut = self._ready(self.valid.cut([row], [0], self.codec.config["n_frames"]))
            made = self.wave_of(cut.pictures)
            for name, waves in (("recorded", cut.waves), ("made", made)):
                path = folder / f"{self.valid.corpus.items[row][0].note_str}-{name}"
                waves = waves.float().cpu()
                clip = Clip(waves.numpy(), self.codec.config["sample_rate_hz"])
                write_clip(path.with_suffix(".wav"), clip)
                image = grey_images(self.codec.mel_amplitudes(self.codec.log_mel(waves)))[0]
                Image.fromarray(image).save(path.with_suffix(".png"))

    def export(self, folder: Path, module: nn.Module) -> None:
        """Write vocoder/ (fp16) and codec/; discriminators are not shipped."""
        copy.deepcopy(self.vocoder).half().cpu().save_pretrained(folder / VOCODER)
        self.codec.save_pretrained(folder / CODEC)

    def wave_of(self, pictures: Tensor) -> Tensor:
        """Sound pictures [batch, frames, bands] as TangoPipeline.decode does: float32 [batch, frames * hop]."""
        wave: Tensor = self.vocoder(pictures)
        return wave[:, : pictures.shape[1] * self.codec.config["hop_length"]].float()

    def mel_distance(self, made: Tensor, real: Tensor) -> Tensor:
        """Mean absolute distance of log-mel pictures, both analysed anew (arXiv 2010.05646, eq. 3)."""
        codec = self._shorter[made.shape[1] // self.codec.config["hop_length"]]
        return (codec.log_mel(made) - codec.log_mel(real)).abs().mean()

    @property
    def _adversarial(self) -> bool:
        return self.settings.adversarial_weight > 0

    def _ready(self, cut: Segments) -> Segments:
        return Segments(cut.pictures.to(self.device), cut.waves.to(self.device))


def build_vocoder(settings: VocoderSettings, codec: LogMelCodec) -> SpeechT5HifiGan:
    """Make an untrained network for a codec's pictures: the published one, changed where the settings say so.

    It normalises its input itself, by the mean and the deviation of each band that its buffers hold.

    Raises TrainingError: the network does not fit the pictures.
    """
    own = {name: codec.config[name] for name in ("sample_rate_hz", "hop_length", "n_mels")}
    config: dict[str, Any] = {**full_size.TANGO_VOCODER, **settings.model_dump(mode="json", exclude_none=True)}
    config |= {"model_in_dim": own["n_mels"], "sampling_rate": own["sample_rate_hz"], "normalize_before": True}
    rates, kernels = config["upsample_rates"], config["upsample_kernel_sizes"]
    if math.prod(rates) != own["hop_length"]:
        raise TrainingError(f"vocoder: upsample_rates {rates} make {math.prod(rates)}; {own['hop_length']} is needed")
    if len(kernels) != len(rates) or any(kernel < rate for kernel, rate in zip(kernels, rates, strict=True)):
        raise TrainingError(f"vocoder: upsample_kernel_sizes {kernels} do not go with rates {rates}; one at least each")
    if len(config["resblock_kernel_sizes"]) != len(config["resblock_dilation_sizes"]):
        raise TrainingError("vocoder: each of resblock_kernel_sizes needs a list in resblock_dilation_sizes")
    if config["upsample_initial_channel"] % 2 ** len(rates):
        raise TrainingError(f"vocoder: upsample_initial_channel is no multiple of {2 ** len(rates)}")
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**config))
    # transformers draws weights of deviation 0.01, through which hardly anything passes.
    for part in vocoder.modules():
        if isinstance(part, (nn.Conv1d, nn.ConvTranspose1d)):
            part.reset_parameters()
    return vocoder


def _check_lengths(settings: Settings, codec: LogMelCodec) -> None:
    hop_length, longest = codec.config["hop_length"], codec.config["n_frames"]
    window = max(codec.config["n_fft"], *(n_fft for n_fft, _, _ in settings.resolutions))
    for name in ("segment_frames", "validation_frames"):
        frames = getattr(settings, name)
        if not window <= frames * hop_length <= longest * hop_length:
            raise TrainingError(
                f"{name} is {frames}; between {-(-window // hop_length)} (the longest window) and {longest} is needed"
            )


def build(corpus_folder: Path, settings: Settings, device: str) -> VocoderTask:
    """Make the task of one run from a corpus with train/ and valid/."""
    return VocoderTask(Path(corpus_folder), settings, device)

"""Settings that every recipe of a denoising network has beside those of the loop."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from generation.strict_yaml import StrictModel
from generation.training.captioning import CaptionSettings
from generation.training.objectives import SnrForm
from generation.training.settings import TrainSettings


class PictureSettings(StrictModel):
    """Sizes of the pictures; null keeps the technique's, or what an autoencoder or a base was trained on.

    Beside an autoencoder or a base only n_frames can differ: their networks know the other numbers.
    """

    n_mels: int | None = Field(default=None, gt=0)
    n_frames: int | None = Field(default=None, gt=0)
    hop_length: int | None = Field(default=None, gt=0)
    n_fft: int | None = Field(default=None, gt=0)

    def changes(self) -> dict[str, int]:
        """Return the sizes that are said."""
        return self.model_dump(exclude_none=True)


class NoiseSettings(StrictModel):
    """The noise schedule, in DDPMScheduler's words; null keeps the technique's own (generation.models.full_size)."""

    num_train_timesteps: int | None = Field(default=None, gt=0)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] | None = None
    beta_start: float | None = Field(default=None, gt=0, lt=1)
    beta_end: float | None = Field(default=None, gt=0, lt=1)
    prediction_type: Literal["epsilon", "v_prediction", "sample"] | None = None
    clip_sample: bool | None = None

    def changes(self) -> dict[str, Any]:
        """Return what is said."""
        return self.model_dump(exclude_none=True)


class UNetSettings(StrictModel):
    """The denoising network; null keeps the published size (generation.models.full_size).

    block_out_channels: width of each level, the first at full resolution, each other at half the one before.
    layers_per_block: residual blocks of a level. attention: which levels attend to the text, all but the last where
    it is null. heads: of the attention, one number or one for each level. norm_num_groups: of the group norms; it
    divides every width. aids: what helps a small network, see
    generation.pipelines.network.
    """

    block_out_channels: tuple[int, ...] | None = Field(default=None, min_length=1)
    layers_per_block: int | None = Field(default=None, gt=0)
    attention: tuple[bool, ...] | None = None
    heads: int | tuple[int, ...] | None = None
    norm_num_groups: int | None = Field(default=None, gt=0)
    aids: bool = False

    @model_validator(mode="after")
    def _levels_agree(self) -> UNetSettings:
        levels = len(self.block_out_channels or ())
        for name in ("attention", "heads"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) != levels:
                raise ValueError(f"{name} has {len(given)} values for {levels} block_out_channels; one each is needed")
        return self


class DenoisingSettings(TrainSettings):
    """Numbers of a denoising recipe beside those of the loop.

    picture, noise, unet: sizes; noise and unet belong to a network trained from scratch.
    captions: how sounds are worded. caption_dropout: part of the captions left empty, which guidance needs.
    snr_gamma: limit of the min-SNR weights, null weighs all times alike; snr_form: see objectives.snr_weights.
    split: the part of the corpus that is learned; the thesis fine-tunes on test. Held-out figures are of valid.
    subset: so many notes of it, of all instruments. mixtures: so many drawn sums of two notes instead of notes.
    balance: power by which notes of rare (source, family) cells are drawn more often, 0 to 1.
    gradient_checkpointing: less memory for a third more arithmetic.
    cuda_graphs: on CUDA, replay the network's passes as graphs: for networks so small that Python sets the pace.
    validation_items: noisy samples in a validation; held-out sounds come again where there are fewer.
    """

    picture: PictureSettings = PictureSettings()
    noise: NoiseSettings = NoiseSettings()
    unet: UNetSettings = UNetSettings()
    captions: CaptionSettings = CaptionSettings()
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    snr_gamma: float | None = Field(default=5.0, gt=0)
    snr_form: SnrForm = "matched"
    split: Literal["train", "valid", "test"] = "train"
    subset: int | None = Field(default=None, gt=0)
    mixtures: int | None = Field(default=None, gt=0)
    balance: float = Field(default=0.0, ge=0, le=1)
    gradient_checkpointing: bool = False
    cuda_graphs: bool = False
    validation_items: int = Field(default=128, ge=8)

    @model_validator(mode="after")
    def _passes_can_be_recorded(self) -> DenoisingSettings:
        if self.cuda_graphs and self.gradient_checkpointing:
            raise ValueError("cuda_graphs replays whole passes, gradient_checkpointing repeats parts; set one of them")
        return self


class FineTunable(DenoisingSettings):
    """A recipe that trains from scratch on parts of other runs, or goes on from a whole pipeline.

    base: folder, shipped model or hub id of a pipeline whose network is trained further; it brings all parts. Without
    it, the parts are needed, each the model folder of a run or a hub id:
    text_encoder, autoencoder: frozen. tokenizer: null takes the text encoder's own.
    """

    base: str | None = None
    text_encoder: str | None = None
    tokenizer: str | None = None
    autoencoder: str | None = None

    needs: ClassVar[tuple[str, ...]] = ("text_encoder", "autoencoder")
    parts: ClassVar[tuple[str, ...]] = ("text_encoder", "autoencoder", "tokenizer")

    @model_validator(mode="after")
    def _base_or_parts(self) -> FineTunable:
        given = [name for name in self.parts if getattr(self, name) is not None]
        if self.base is None:
            missing = [name for name in self.needs if name not in given]
            if missing:
                raise ValueError(f"{' and '.join(missing)} or a base to train further must be named")
            return self
        if given:
            raise ValueError(f"base brings all its parts with it; leave out {' and '.join(given)}, or base")
        if self.noise.changes() or self.unet != UNetSettings():
            raise ValueError("base brings its network and its noise with it; leave out unet and noise, or base")
        return self

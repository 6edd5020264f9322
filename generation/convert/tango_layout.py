"""TANGO's original files: what their settings say, and how they call the weights.

Layout of declare-lab/tango on the Hugging Face hub (Ghosal et al., arXiv 2304.13731). The autoencoder and the
vocoder in it are AudioLDM's (Liu et al., arXiv 2301.12503): the former in the layout of Rombach et al. (arXiv
2112.10752), the latter in that of HiFi-GAN (Kong et al., arXiv 2010.05646).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, model_validator

from generation.convert import ConversionError
from generation.models.full_size import TANGO_UNET
from generation.strict_yaml import StrictModel, validate

MAIN_CONFIG, STFT_CONFIG, VAE_CONFIG = "main_config.json", "stft_config.json", "vae_config.json"
MAIN_WEIGHTS, VAE_WEIGHTS = "pytorch_model_main.bin", "pytorch_model_vae.bin"
FILES = (MAIN_CONFIG, STFT_CONFIG, VAE_CONFIG, MAIN_WEIGHTS, VAE_WEIGHTS)
"""What is read. pytorch_model_stft.bin is not needed: it holds the Fourier basis and the mel filters."""

PUBLISHED_UNET_CONFIG = "configs/diffusion_model_config.json"
"""A file of TANGO's code, not of its weights: full_size.TANGO_UNET stands for it where it is not there."""

Settings = TypeVar("Settings", bound=StrictModel)


class MainSettings(StrictModel):
    """main_config.json. Of the scheduler only Stable Diffusion 2.1's is known, whose hub repository is gone."""

    text_encoder_name: str
    scheduler_name: Literal["stabilityai/stable-diffusion-2-1"]
    unet_model_name: None = None
    unet_model_config_path: str
    snr_gamma: float | None = None
    freeze_text_encoder: bool = True
    uncondition: bool = False


class StftSettings(StrictModel):
    """stft_config.json; lengths in samples, frequencies in Hz."""

    filter_length: int = Field(gt=0)
    hop_length: int = Field(gt=0)
    win_length: int = Field(gt=0)
    n_mel_channels: int = Field(gt=0)
    sampling_rate: int = Field(gt=0)
    mel_fmin: float
    mel_fmax: float

    @model_validator(mode="after")
    def _window_fills_the_transform(self) -> StftSettings:
        if self.win_length != self.filter_length:
            raise ValueError(f"win_length is {self.win_length}; it must be filter_length, {self.filter_length}")
        return self

    def codec_config(self) -> dict[str, Any]:
        """The settings as LogMelCodec takes them; pictures keep TANGO's 1024 frames."""
        return {
            "sample_rate_hz": self.sampling_rate,
            "n_mels": self.n_mel_channels,
            "hop_length": self.hop_length,
            "n_fft": self.filter_length,
            "low_hz": self.mel_fmin,
            "high_hz": self.mel_fmax,
        }


class VaeLayers(StrictModel):
    """The networks of vae_config.json; what diffusers' AutoencoderKL has no counterpart of must be off."""

    double_z: Literal[True]
    z_channels: int = Field(gt=0)
    resolution: int
    downsample_time: Literal[False] = False
    in_channels: int = Field(gt=0)
    out_ch: int = Field(gt=0)
    ch: int = Field(gt=0, multiple_of=32)  # every normalisation has 32 groups
    ch_mult: tuple[int, ...] = Field(min_length=1)
    num_res_blocks: int = Field(gt=0)
    attn_resolutions: tuple[()] = ()
    dropout: float = 0.0


class VaeSettings(StrictModel):
    """vae_config.json."""

    image_key: str = "fbank"
    subband: Literal[1] = 1
    embed_dim: int
    time_shuffle: Literal[1] = 1
    ddconfig: VaeLayers
    scale_factor: float = Field(gt=0)

    @model_validator(mode="after")
    def _latents_have_one_width(self) -> VaeSettings:
        if self.embed_dim != self.ddconfig.z_channels:
            raise ValueError(f"embed_dim is {self.embed_dim}; it must be z_channels, {self.ddconfig.z_channels}")
        return self

    def autoencoder_config(self) -> dict[str, Any]:
        """The settings as AutoencoderKL takes them."""
        layers = self.ddconfig
        levels = len(layers.ch_mult)
        return {
            "block_out_channels": tuple(layers.ch * factor for factor in layers.ch_mult),
            "down_block_types": ("DownEncoderBlock2D",) * levels,
            "up_block_types": ("UpDecoderBlock2D",) * levels,
            "layers_per_block": layers.num_res_blocks,
            "in_channels": layers.in_channels,
            "out_channels": layers.out_ch,
            "latent_channels": layers.z_channels,
            "scaling_factor": self.scale_factor,
        }


def read_settings(path: Path, model: type[Settings]) -> Settings:
    """Read one of the three settings files. Raises ConversionError or ConfigError, one line."""
    return validate(_read_json(path), model, str(path))


def unet_config(folder: Path, main: MainSettings) -> dict[str, Any]:
    """The denoising network's settings: the file that main_config.json names if it is there, else the published.

    Raises:
        ConversionError: another file is named than the published, and it is not there.
    """
    path = folder / main.unet_model_config_path
    if path.is_file():
        return {name: value for name, value in _read_json(path).items() if not name.startswith("_")}
    if main.unet_model_config_path == PUBLISHED_UNET_CONFIG:
        return TANGO_UNET
    raise ConversionError(f"{path}: is not there, but {MAIN_CONFIG} names it; copy it there from the code that made it")


def unet_name(name: str) -> str:
    """Name in the main file of a weight of UNet2DConditionModel: TANGO used diffusers' own."""
    return f"unet.{name}"


def text_encoder_name(name: str) -> str:
    """Name in the main file of a weight of T5EncoderModel."""
    return f"text_encoder.{name}"


def vocoder_name(name: str) -> str:
    """Name in the autoencoder's file of a weight of SpeechT5HifiGan."""
    return "vocoder." + re.sub(r"^upsampler\.", "ups.", name)


# diffusers' name -> the original; the levels of the decoder are counted from the other end, see vae_name.
_VAE_NAMES = (
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"mid_block\.resnets\.(\d+)\.", lambda found: f"mid.block_{int(found[1]) + 1}."),
    (r"(down|up)_blocks\.(\d+)\.resnets\.(\d+)\.", r"\1.\2.block.\3."),
    (r"(down|up)_blocks\.(\d+)\.(down|up)samplers\.0\.", r"\1.\2.\3sample."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
)


def vae_name(name: str, levels: int) -> str:
    """Name in the autoencoder's file of a weight of AutoencoderKL with so many levels.

    Departs from diffusers' own converter for AudioLDM, which calls the attention's parts as diffusers no longer
    does.
    """
    for pattern, original in _VAE_NAMES:
        name = re.sub(pattern, original, name)
    return re.sub(r"^decoder\.up\.(\d+)\.", lambda found: f"decoder.up.{levels - 1 - int(found[1])}.", name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{path}: is cut short, or no JSON; fetch it again") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{path}: is no mapping of names; fetch it again")
    return content

"""Pictures that an autoencoder learns, for each codec: how they lie on disk and in which units they are.

Pictures of 8 bits are kept as their grey values, log-mel pictures in half precision (within 0.04 dB); Riffusion's
three equal colours are kept once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.models import full_size
from generation.training.corpus_pictures import Picturing, codec_parameters

PICTURES = "pictures"
CodecName = Literal["mel-image", "riffusion-image", "log-mel"]


@dataclass(frozen=True)
class PictureKind:
    """What differs between the pictures of the three codecs.

    codec: the class. published: its full-size autoencoder. db_per_unit: how many dB one unit of a picture is, None
    where that depends on the value. keep: the codec's float32 pictures to what lies on disk; restore: the way back.
    """

    codec: type[Any]
    published: dict[str, Any]
    db_per_unit: Callable[[Any], float | None]
    keep: Callable[[Tensor], Tensor]
    restore: Callable[[Tensor], Tensor]


def _to_grey(pictures: Tensor) -> Tensor:
    return ((pictures + 1.0) * 127.5).round().to(torch.uint8)


def _from_grey(grey: Tensor) -> Tensor:
    return grey.float() / 127.5 - 1.0


KINDS: dict[str, PictureKind] = {
    "mel-image": PictureKind(
        MelImageCodec,
        full_size.AUDIO_LATENT_DIFFUSION_VAE,
        lambda codec: codec.config["top_db"] / 2.0,
        _to_grey,
        _from_grey,
    ),
    "riffusion-image": PictureKind(
        RiffusionImageCodec,
        full_size.RIFFUSION_VAE,
        lambda codec: None,
        lambda pictures: _to_grey(pictures[:, :1]),
        lambda grey: _from_grey(grey).repeat(1, 3, 1, 1),
    ),
    "log-mel": PictureKind(
        LogMelCodec,
        full_size.TANGO_VAE,
        lambda codec: 20.0 / math.log(10.0),
        lambda pictures: pictures.half(),
        lambda kept: kept.float(),
    ),
}
"""By the name that a configuration says."""


def picturing_of(name: CodecName, codec: Any) -> Picturing:
    """How sounds become one codec's kept pictures."""
    keep = KINDS[name].keep
    return Picturing(
        f"autoencoder-{name}",
        codec.n_samples,
        codec_parameters(codec),
        lambda waves: {PICTURES: keep(codec.encode(waves))},
    )

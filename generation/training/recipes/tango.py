"""Recipe of TANGO with parts of one's own (tango-clean), and of TANGO-FT, which goes on from a base.

Both train the U-Net alone on v, as published (arXiv 2304.13731, section 3). tango-clean exists because the published
autoencoder and vocoder are for non-commercial use: with its own ones the sounds may be sold if the corpus' may.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import T5EncoderModel

from generation.cards import Defaults
from generation.codecs.log_mel import LogMelCodec
from generation.models import full_size
from generation.pipelines.diffusion_model import open_pipeline
from generation.pipelines.tango import TangoPipeline
from generation.pipelines.text_to_sound import vae_reduction
from generation.training.denoising_export import ModelFacts
from generation.training.denoising_parts import (
    build_unet,
    links_of,
    load_autoencoder,
    load_text_side,
    load_vocoder,
    open_base,
    resized,
    text_width,
)
from generation.training.denoising_settings import FineTunable
from generation.training.denoising_task import DenoisingTask

_DEFAULTS = Defaults(steps=50, guidance_scale=3.0, scheduler="dpm-solver++")


class Settings(FineTunable):
    """Numbers of tango-clean and TANGO-FT beside those of FineTunable and DenoisingSettings.

    vocoder: model folder of a `train vocoder` run; frozen. Null sounds pictures by Griffin-Lim, which wants 128 bands.
    """

    vocoder: str | None = None

    parts: ClassVar[tuple[str, ...]] = ("text_encoder", "autoencoder", "vocoder", "tokenizer")


def build(corpus_folder: Path, settings: Settings, device: str) -> DenoisingTask:
    """Make the task of one run from a corpus with train/ (or the split that is set) and valid/."""
    if settings.base is None:
        pipeline, name, parents = (
            _from_scratch(settings),
            "tango-clean",
            links_of(settings, (*settings.needs, "vocoder")),
        )
    else:
        base = open_base(settings.base)
        pipeline, parents = open_pipeline(TangoPipeline, base.folder, "tango", **base.shared), base.links
        pipeline.register_modules(codec=resized(pipeline.codec, settings.picture, f"base={settings.base}"))
        name = "tango-ft"
    facts = ModelFacts(
        name=name,
        technique="tango",
        description=f"Denoises latents of log-mel pictures; {_sounder(pipeline)} sounds them.",
        parents=parents,
        defaults=_DEFAULTS,
    )
    return DenoisingTask(Path(corpus_folder), settings, device, pipeline, facts)


def _sounder(pipeline: TangoPipeline) -> str:
    return "Griffin-Lim" if pipeline.vocoder is None else "a HiFi-GAN"


def _from_scratch(settings: Settings) -> TangoPipeline:
    encoder, tokenizer = load_text_side(str(settings.text_encoder), T5EncoderModel, settings.tokenizer)
    vae, codec = load_autoencoder(str(settings.autoencoder), LogMelCodec, settings.picture)
    vocoder = None if settings.vocoder is None else load_vocoder(settings.vocoder)
    reduction = vae_reduction(vae)
    size = codec.config["n_frames"] // reduction, codec.config["n_mels"] // reduction
    channels = vae.config["latent_channels"]
    unet = build_unet(full_size.TANGO_UNET, settings.unet, channels, size, text_width(encoder), reduction)
    scheduler = DDPMScheduler(**{**full_size.TANGO_NOISE, **settings.noise.changes()})
    return TangoPipeline(encoder, tokenizer, unet, vae, vocoder, scheduler, codec)

"""Recipe of Riffusion, from scratch on mixtures of notes, and of Riffusion-FT, which goes on from a base.

Both train the U-Net alone, as the thesis does (section 4.4). What Riffusion was published with was trained on music
nobody has listed; sums of two notes are the nearest that a corpus of notes gives for a base of one's own.
"""

from __future__ import annotations

from pathlib import Path

from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import CLIPTextModel

from generation.cards import Defaults
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.corpus.nsynth import SAMPLE_RATE_HZ
from generation.models import full_size
from generation.pipelines.diffusion_model import open_pipeline
from generation.pipelines.riffusion import RiffusionAudioPipeline, published_codec
from generation.pipelines.text_to_sound import vae_reduction
from generation.training.denoising_export import ModelFacts
from generation.training.denoising_parts import (
    Base,
    build_unet,
    links_of,
    load_autoencoder,
    load_text_side,
    open_base,
    resized,
    text_width,
)
from generation.training.denoising_settings import FineTunable
from generation.training.denoising_task import DenoisingTask

_DEFAULTS = Defaults(steps=50, guidance_scale=3.0, scheduler="dpm-solver++")


class Settings(FineTunable):
    """Numbers of Riffusion and Riffusion-FT; see FineTunable and DenoisingSettings."""


def build(corpus_folder: Path, settings: Settings, device: str) -> DenoisingTask:
    """Make the task of one run from a corpus with train/ (or the split that is set) and valid/."""
    if settings.base is None:
        pipeline, name, parents = _from_scratch(settings), "riffusion", links_of(settings, settings.needs)
    else:
        base = open_base(settings.base)
        pipeline, name, parents = _from_base(settings, base), "riffusion-ft", base.links
    facts = ModelFacts(
        name=name,
        technique="riffusion",
        description="Denoises latents of Riffusion's spectrogram pictures; Griffin-Lim sounds them.",
        parents=parents,
        defaults=_DEFAULTS,
    )
    return DenoisingTask(Path(corpus_folder), settings, device, pipeline, facts)


def _from_base(settings: Settings, base: Base) -> RiffusionAudioPipeline:
    # A corpus has this rate; the published pictures mean the same at any.
    added = published_codec(base.folder, SAMPLE_RATE_HZ)
    pipeline = open_pipeline(RiffusionAudioPipeline, base.folder, "riffusion", **added, **base.shared)
    pipeline.register_modules(codec=resized(pipeline.codec, settings.picture, f"base={settings.base}"))
    return pipeline


def _from_scratch(settings: Settings) -> RiffusionAudioPipeline:
    encoder, tokenizer = load_text_side(str(settings.text_encoder), CLIPTextModel, settings.tokenizer)
    vae, codec = load_autoencoder(str(settings.autoencoder), RiffusionImageCodec, settings.picture)
    reduction = vae_reduction(vae)
    size = codec.config["n_mels"] // reduction, codec.config["n_frames"] // reduction
    channels = vae.config["latent_channels"]
    unet = build_unet(full_size.RIFFUSION_UNET, settings.unet, channels, size, text_width(encoder), reduction)
    scheduler = DDPMScheduler(**{**full_size.RIFFUSION_NOISE, **settings.noise.changes()})
    return RiffusionAudioPipeline(encoder, tokenizer, unet, vae, scheduler, codec)

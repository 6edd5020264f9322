"""Recipe of Audio Diffusion (without an autoencoder) and Audio Latent Diffusion (with one): the U-Net from scratch.

Thesis, section 3.3, and the training of audio-diffusion, which it follows. Beyond it, and off in the presets
-thesis: T5's encoder reads the captions, some of them are empty, errors have min-SNR weights.
"""

from __future__ import annotations

from pathlib import Path

from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import T5EncoderModel

from generation.cards import Defaults
from generation.codecs.mel_image import MelImageCodec
from generation.models import full_size
from generation.pipelines.audio_diffusion import AudioDiffusionTextPipeline
from generation.pipelines.text_to_sound import vae_reduction
from generation.training.denoising_export import ModelFacts
from generation.training.denoising_parts import (
    TOKEN_NUMBERS,
    build_unet,
    links_of,
    load_autoencoder,
    load_text_side,
    text_width,
)
from generation.training.denoising_settings import DenoisingSettings
from generation.training.denoising_task import DenoisingTask

_STEPS = 50


class Settings(DenoisingSettings):
    """Numbers of Audio Diffusion beside those of every denoising recipe.

    text_encoder: model folder of a `train text-encoder` run or hub id of a T5; "token-numbers" conditions on token
    numbers alone, as the thesis does, and needs a tokenizer. tokenizer: null takes the text encoder's own.
    autoencoder: model folder of a `train autoencoder` run; null draws pixels.
    """

    text_encoder: str
    tokenizer: str | None = None
    autoencoder: str | None = None


def build(corpus_folder: Path, settings: Settings, device: str) -> DenoisingTask:
    """Make the task of one run from a corpus with train/ (or the split that is set) and valid/."""
    encoder, tokenizer = load_text_side(settings.text_encoder, T5EncoderModel, settings.tokenizer)
    if settings.autoencoder is None:
        vae, codec = None, MelImageCodec(**settings.picture.changes())
        published, noise, channels, reduction = full_size.AUDIO_DIFFUSION_UNET, full_size.AUDIO_DIFFUSION_NOISE, 1, 1
    else:
        vae, codec = load_autoencoder(settings.autoencoder, MelImageCodec, settings.picture)
        published, noise = full_size.AUDIO_LATENT_DIFFUSION_UNET, full_size.AUDIO_LATENT_DIFFUSION_NOISE
        channels, reduction = vae.config["latent_channels"], vae_reduction(vae)
    size = codec.config["n_mels"] // reduction, codec.config["n_frames"] // reduction
    unet = build_unet(published, settings.unet, channels, size, text_width(encoder), reduction)
    scheduler = DDPMScheduler(**{**noise, **settings.noise.changes()})
    pipeline = AudioDiffusionTextPipeline(encoder, tokenizer, unet, scheduler, codec, vae)
    technique = "audio-diffusion" if vae is None else "audio-latent-diffusion"
    what = "mel pictures" if vae is None else "latents of mel pictures"
    # A list of token numbers is no work of T5's authors, its tokenizer is.
    parents = ("tokenizer" if settings.text_encoder == TOKEN_NUMBERS else "text_encoder", "autoencoder")
    guidance_scale = 3.0 if settings.caption_dropout else 1.0
    steps = min(_STEPS, scheduler.config["num_train_timesteps"])
    facts = ModelFacts(
        name=technique,
        technique=technique,
        description=f"Denoises {what} of four-second notes; Griffin-Lim sounds them.",
        parents=links_of(settings, parents),
        # DDIM obeys clip_sample, which pixels want.
        defaults=Defaults(steps=steps, guidance_scale=guidance_scale, scheduler="ddim"),
    )
    return DenoisingTask(Path(corpus_folder), settings, device, pipeline, facts)

"""The thesis' techniques at full size, with the published layouts and drawn weights; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import CLIPTextConfig, CLIPTextModel, SpeechT5HifiGan, SpeechT5HifiGanConfig, T5Config, T5EncoderModel

from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.models import full_size
from generation.pipelines.audio_diffusion import AudioDiffusionTextPipeline
from generation.pipelines.riffusion import RiffusionAudioPipeline
from generation.pipelines.tango import TangoPipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline
from tests.generation.toy_diffusion import toy_tokenizer

# Sizes of google/flan-t5-large, t5-base and openai/clip-vit-large-patch14 (encoders) as their configurations say.
FLAN_T5_LARGE = {
    "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16, "feed_forward_proj": "gated-gelu",
}  # fmt: skip
T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
CLIP_LARGE = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "max_position_embeddings": 77,
}  # fmt: skip


def audio_diffusion() -> TextToSoundPipeline:
    unet, scheduler = UNet2DConditionModel(**full_size.AUDIO_DIFFUSION_UNET), full_size.AUDIO_DIFFUSION_NOISE
    text = T5EncoderModel(T5Config(**T5_BASE))
    return AudioDiffusionTextPipeline(text, toy_tokenizer(), unet, DDPMScheduler(**scheduler), MelImageCodec())


def audio_latent_diffusion() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.AUDIO_LATENT_DIFFUSION_UNET), full_size.AUDIO_LATENT_DIFFUSION_VAE
    scheduler = DDPMScheduler(**full_size.AUDIO_LATENT_DIFFUSION_NOISE)
    codec = MelImageCodec(n_mels=256, n_frames=256, hop_length=256)
    text = T5EncoderModel(T5Config(**T5_BASE))
    return AudioDiffusionTextPipeline(text, toy_tokenizer(), unet, scheduler, codec, AutoencoderKL(**vae))


def riffusion() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.RIFFUSION_UNET), AutoencoderKL(**full_size.RIFFUSION_VAE)
    scheduler = DDPMScheduler(**full_size.RIFFUSION_NOISE)
    text = CLIPTextModel(CLIPTextConfig(**CLIP_LARGE))
    return RiffusionAudioPipeline(text, toy_tokenizer(), unet, vae, scheduler, RiffusionImageCodec())


def tango() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.TANGO_UNET), AutoencoderKL(**full_size.TANGO_VAE)
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**full_size.TANGO_VOCODER))
    scheduler = DDPMScheduler(**full_size.TANGO_NOISE)
    text = T5EncoderModel(T5Config(**FLAN_T5_LARGE))
    return TangoPipeline(text, toy_tokenizer(), unet, vae, vocoder, scheduler, LogMelCodec())


FULL_SIZE: dict[str, Callable[[], TextToSoundPipeline]] = {
    "audio-diffusion": audio_diffusion,
    "audio-latent-diffusion": audio_latent_diffusion,
    "riffusion": riffusion,
    "tango": tango,
}
"""Technique, as its card is named, and how to build it."""


def full_size_pipeline(technique: str, device: str) -> TextToSoundPipeline:
    """One of FULL_SIZE, its weights drawn where it will run."""
    torch.manual_seed(0)
    with torch.device(device):
        pipeline = FULL_SIZE[technique]()
    pipeline = pipeline.to(device)
    for network in networks(pipeline):
        network.eval()
    return pipeline


def networks(pipeline: TextToSoundPipeline) -> list[torch.nn.Module]:
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]

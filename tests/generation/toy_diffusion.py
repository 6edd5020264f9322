"""Toy diffusion pipelines for tests: the real classes at a width of a few channels, with drawn weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

from generation.cards import ModelCard, write_card
from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.models.clip_words import word_tokenizer
from generation.pipelines.audio_diffusion import AudioDiffusionTextPipeline
from generation.pipelines.riffusion import RiffusionAudioPipeline
from generation.pipelines.tango import TangoPipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline
from tests.generation.toy_model import model_card

# The default betas leave a third of the signal at the noisiest time, so that drawn weights cannot blow rounding up.
TRAIN_STEPS = 100
WIDTH = 16
SHORT, LONG = "bass", "acoustic bright reverb percussive long_release flute, C4"


def toy_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, a start and an end token around every text, also an empty one."""
    return word_tokenizer([SHORT, LONG, "synthetic dark keyboard A2"])


def toy_t5(words: int) -> T5EncoderModel:
    config = T5Config(vocab_size=words, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def toy_clip_text(words: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=words, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=12, bos_token_id=2, eos_token_id=words - 1, pad_token_id=0,
    )  # fmt: skip
    return CLIPTextModel(config).eval()


def toy_unet(channels: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        in_channels=channels, out_channels=channels, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=2, norm_num_groups=4, **more,
    ).eval()  # fmt: skip


def toy_vae(channels: int, latent_channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels, out_channels=channels, latent_channels=latent_channels, block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4,
        scaling_factor=0.5,
    ).eval()  # fmt: skip


def toy_audio_diffusion() -> AudioDiffusionTextPipeline:
    """Audio Diffusion on 16 x 16 pixels."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    codec = MelImageCodec(n_mels=16, n_frames=16, hop_length=128, n_fft=512)
    scheduler = DDPMScheduler(num_train_timesteps=TRAIN_STEPS)
    return AudioDiffusionTextPipeline(toy_t5(len(tokenizer)), tokenizer, toy_unet(1), scheduler, codec)


def toy_audio_latent_diffusion() -> AudioDiffusionTextPipeline:
    """Audio Latent Diffusion on the 8 x 8 latents of 16 x 16 pixels."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    codec = MelImageCodec(n_mels=16, n_frames=16, hop_length=128, n_fft=512)
    scheduler = DDIMScheduler(num_train_timesteps=TRAIN_STEPS, clip_sample=False)
    return AudioDiffusionTextPipeline(
        toy_t5(len(tokenizer)), tokenizer, toy_unet(2), scheduler, codec, toy_vae(1, latent_channels=2)
    )


def toy_riffusion() -> RiffusionAudioPipeline:
    """Riffusion on the 8 x 8 latents of 16 x 16 pixels."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    codec = RiffusionImageCodec(n_mels=16, n_frames=16, hop_length=160, win_length=1600, n_fft=1600)
    scheduler = DDIMScheduler(num_train_timesteps=TRAIN_STEPS, clip_sample=False)
    return RiffusionAudioPipeline(
        toy_clip_text(len(tokenizer)), tokenizer, toy_unet(4), toy_vae(3, latent_channels=4), scheduler, codec
    )


def toy_vocoder(**changes: Any) -> SpeechT5HifiGan:
    """HiFi-GAN with the published strides and kernels."""
    config = {
        "model_in_dim": 16, "sampling_rate": 16000, "upsample_initial_channel": 64,
        "upsample_rates": [5, 4, 2, 2, 2], "upsample_kernel_sizes": [16, 16, 8, 4, 4],
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]], "normalize_before": False, **changes,
    }  # fmt: skip
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**config)).eval()
    with torch.no_grad():
        for weight in vocoder.parameters():
            weight *= 12.0  # as drawn, five layers of them leave silence
    return vocoder


def toy_tango(vocoder: SpeechT5HifiGan | None = None) -> TangoPipeline:
    """TANGO with 16 bands, 32 frames where no length is asked for."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    codec = LogMelCodec(n_mels=16, n_frames=32, n_fft=512)
    scheduler = DDPMScheduler(
        num_train_timesteps=TRAIN_STEPS, prediction_type="v_prediction",
        clip_sample=False,
    )  # fmt: skip
    return TangoPipeline(
        toy_t5(len(tokenizer)), tokenizer, toy_unet(4), toy_vae(1, latent_channels=4), vocoder or toy_vocoder(),
        scheduler, codec,
    )  # fmt: skip


TOYS: dict[str, Callable[[], TextToSoundPipeline]] = {
    "audio-diffusion": toy_audio_diffusion,
    "audio-latent-diffusion": toy_audio_latent_diffusion,
    "riffusion": toy_riffusion,
    "tango": toy_tango,
}
"""Technique, as the registry names it, and a toy of it."""


def toy_card(technique: str, pipeline: TextToSoundPipeline, **changes: Any) -> ModelCard:
    """The card of a toy."""
    fields: dict[str, Any] = {"length_s": pipeline.codec.duration_s, "defaults": {"steps": 3, "guidance_scale": 2.0}}
    return model_card(technique=technique, **{**fields, **changes})


def write_toys(root: Path) -> Path:
    """Save every toy with its card below `root`, each under its technique's name."""
    for technique, make in TOYS.items():
        pipeline = make()
        pipeline.save_pretrained(root / technique)
        write_card(root / technique, toy_card(technique, pipeline))
    return root

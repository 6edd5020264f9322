"""Riffusion: Stable Diffusion 1 draws mel pictures of sound, dark on white.

Forsgren and Martiros, "Riffusion: stable diffusion for real-time music generation" (2022); the network is that of
Rombach et al., arXiv 2112.10752. A folder of the published checkpoint, which names Stable Diffusion's components
and no codec, loads too. Its safety checker is never loaded: it takes spectrograms for indecent pictures, and a
picture blacked out would be noise at full level.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from generation.cards import ModelCard
from generation.codecs.phase import seeded_phase
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.folder_parts import INDEX_FILE, read_index
from generation.pipelines.conditioning import TextStates, encode_fixed
from generation.pipelines.diffusion_model import DiffusionModel, load_pipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline, decode_vae, vae_reduction
from generation.precision import FLOAT32

TECHNIQUE_VERSION = "riffusion-3"
"""Part of every job key: raised whenever the same weights and seed would give another sound."""


class RiffusionAudioPipeline(TextToSoundPipeline):
    """Text -> latents -> picture in three equal colours -> Griffin-Lim -> sound."""

    codec: RiffusionImageCodec
    vae: AutoencoderKL

    def __init__(
        self,
        text_encoder: CLIPTextModel,
        tokenizer: PreTrainedTokenizerBase,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: SchedulerMixin,
        codec: RiffusionImageCodec,
    ) -> None:
        """Take the components.

        Args:
            text_encoder: CLIP's text tower, of width unet.config.cross_attention_dim.
            tokenizer: of the text encoder.
            unet: the denoising network of the autoencoder's latents.
            vae: picture <-> latents.
            scheduler: the one it was trained with.
            codec: waveform <-> picture.
        """
        super().__init__()
        self.register_modules(
            text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, vae=vae, scheduler=scheduler, codec=codec
        )

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures: float32 [batch, 3, mel rows, columns], nominally in [-1, 1]."""
        return decode_vae(self.vae, latents)

    def decode(self, pictures: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Sound pictures by Griffin-Lim from a seeded phase.

        Returns:
            float32 [batch, samples] on the pipeline's device, each with the peak that RiffusionImageCodec.decode
            gives (or silent): these pictures do not hold the level.
        """
        phase = seeded_phase(generators, *self.codec.phase_shape)
        return self.codec.decode(pictures, phase.to(pictures.device))

    def encode_texts(self, texts: Sequence[str]) -> TextStates:
        """Encode texts by CLIP, all its positions (77 as published), without a mask."""
        return self.with_combs(encode_fixed(self.tokenizer, self.text_encoder, texts), texts)

    def latent_shape(self, n_frames: int) -> tuple[int, int, int]:
        """Channels, mel rows and time columns of the latents."""
        reduction = vae_reduction(self.vae)
        return self.unet.config["out_channels"], self.codec.config["n_mels"] // reduction, n_frames // reduction


def codec_at(sample_rate_hz: int) -> RiffusionImageCodec:
    """Make the codec of the published checkpoint at another rate: columns of 10 ms, windows of 100, FFTs of 400."""
    return RiffusionImageCodec(
        sample_rate_hz=sample_rate_hz,
        hop_length=sample_rate_hz // 100,
        win_length=sample_rate_hz // 10,
        n_fft=sample_rate_hz * 2 // 5,
    )


def published_codec(folder: Path, sample_rate_hz: int) -> dict[str, RiffusionImageCodec]:
    """What a folder lacks to be a RiffusionAudioPipeline: the codec, where it is Stable Diffusion's own layout.

    Raises CardError when the folder's index cannot be read.
    """
    published = (folder / INDEX_FILE).is_file() and "codec" not in read_index(folder)
    return {"codec": codec_at(sample_rate_hz)} if published else {}


def load(folder: Path, card: ModelCard, device: str, dtype: str = FLOAT32) -> DiffusionModel:
    """Load a saved pipeline, or a Stable Diffusion folder with the published codec at the card's rate.

    Raises CardError, see diffusion_model.load_pipeline.
    """
    added = published_codec(folder, card.sample_rate_hz)
    return load_pipeline(RiffusionAudioPipeline, folder, card, device, dtype, **added)

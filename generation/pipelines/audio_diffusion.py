"""Audio Diffusion and Audio Latent Diffusion: T5 conditions a network that draws 8-bit mel pictures.

Without an autoencoder the network draws pixels (64 x 64), with one it draws latents an eighth as large on each
side (256 x 256 pixels). After the thesis, section 3.3, with three departures: it feeds the token numbers of T5
as features and calls that conditioning, here T5's encoder reads the text; the encoder's padding is masked; and
guidance by the empty prompt is offered, which needs training with some captions left empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor
from transformers import PreTrainedTokenizerBase, T5EncoderModel

from generation.cards import ModelCard
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.phase import seeded_phase
from generation.models.token_numbers import TokenNumbers
from generation.pipelines.conditioning import TextStates, encode_fixed, encode_masked
from generation.pipelines.diffusion_model import DiffusionModel, load_pipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline, decode_vae, vae_reduction
from generation.precision import FLOAT32

TECHNIQUE_VERSION = "audio-diffusion-4"
"""Part of every job key: raised whenever the same weights and seed would give another sound."""

MAX_TOKENS = 64
"""A caption of every tag and a note has less than half of it."""


class AudioDiffusionTextPipeline(TextToSoundPipeline):
    """Text -> mel picture, in pixels or through latents -> Griffin-Lim -> sound."""

    _optional_components = ["vae"]

    codec: MelImageCodec
    vae: AutoencoderKL | None

    def __init__(
        self,
        text_encoder: T5EncoderModel | TokenNumbers,
        tokenizer: PreTrainedTokenizerBase,
        unet: UNet2DConditionModel,
        scheduler: SchedulerMixin,
        codec: MelImageCodec,
        vae: AutoencoderKL | None = None,
    ) -> None:
        """Take the components.

        Args:
            text_encoder: T5, of width unet.config.cross_attention_dim, or the thesis' token numbers.
            tokenizer: of the text encoder.
            unet: the denoising network, of pictures with one channel or of the autoencoder's latents.
            scheduler: the one it was trained with.
            codec: waveform <-> picture.
            vae: picture <-> latents; None for a network in pixels.
        """
        super().__init__()
        self.register_modules(
            text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, codec=codec, vae=vae
        )

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures: float32 [batch, 1, mel rows, columns], nominally in [-1, 1]."""
        return latents if self.vae is None else decode_vae(self.vae, latents)

    def decode(self, pictures: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Sound pictures by Griffin-Lim from a seeded phase.

        Returns:
            float32 [batch, samples] on the pipeline's device, each with the peak that MelImageCodec.decode gives
            (or silent): these pictures do not hold the level.
        """
        phase = seeded_phase(generators, *self.codec.phase_shape)
        return self.codec.decode(pictures, phase.to(pictures.device))

    def encode_texts(self, texts: Sequence[str]) -> TextStates:
        """Encode texts by T5, padded to the longest and masked; token numbers are padded to their own length."""
        if isinstance(self.text_encoder, TokenNumbers):
            return self.with_combs(encode_fixed(self.tokenizer, self.text_encoder, texts), texts)
        return self.with_combs(encode_masked(self.tokenizer, self.text_encoder, texts, MAX_TOKENS), texts)

    def latent_shape(self, n_frames: int) -> tuple[int, int, int]:
        """Channels, mel rows and time columns of what the network draws."""
        reduction = 1 if self.vae is None else vae_reduction(self.vae)
        return self.unet.config["out_channels"], self.codec.config["n_mels"] // reduction, n_frames // reduction


def load(folder: Path, card: ModelCard, device: str, dtype: str = FLOAT32) -> DiffusionModel:
    """Load a saved pipeline, in pixels or latents. Raises CardError, see diffusion_model.load_pipeline."""
    return load_pipeline(AudioDiffusionTextPipeline, folder, card, device, dtype)

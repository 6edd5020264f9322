"""TANGO: FLAN-T5 conditions latents of a log-mel picture, which a HiFi-GAN or Griffin-Lim turns into sound.

Ghosal et al., "Text-to-audio generation using instruction-tuned LLM and latent diffusion model", arXiv
2304.13731; autoencoder and vocoder are AudioLDM's (Liu et al., arXiv 2301.12503). The length is chosen per call:
1024 frames are the published 10.24 s, 416 hold a one-shot of 4 s at a third of the work.

Beyond the thesis, a TANGO of one's own may go without a vocoder: pictures of 128 bands keep the pitch of every note
through Griffin-Lim, which 64 do not, and a HiFi-GAN learns pitch only in days on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor
from transformers import PreTrainedTokenizerBase, SpeechT5HifiGan, T5EncoderModel

from generation.cards import ModelCard
from generation.codecs.log_mel import LogMelCodec
from generation.codecs.phase import seeded_phase
from generation.errors import ConfigError, GenerationError
from generation.pipelines.conditioning import TextStates, encode_masked
from generation.pipelines.diffusion_model import DiffusionModel, load_pipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline, decode_vae, vae_reduction
from generation.precision import FLOAT32

TECHNIQUE_VERSION = "tango-3"
"""Part of every job key: raised whenever the same weights and seed would give another sound."""

MAX_TOKENS = 512


class TangoPipeline(TextToSoundPipeline):
    """Text -> latents -> log-mel picture -> vocoder or Griffin-Lim -> sound."""

    _optional_components = ["vocoder"]

    frequency_side = 3

    codec: LogMelCodec
    vae: AutoencoderKL
    vocoder: SpeechT5HifiGan | None

    def __init__(
        self,
        text_encoder: T5EncoderModel,
        tokenizer: PreTrainedTokenizerBase,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        vocoder: SpeechT5HifiGan | None,
        scheduler: SchedulerMixin,
        codec: LogMelCodec,
    ) -> None:
        """Take the components.

        Args:
            text_encoder: FLAN-T5, of width unet.config.cross_attention_dim.
            tokenizer: of the text encoder.
            unet: the denoising network of the autoencoder's latents.
            vae: picture <-> latents.
            vocoder: picture -> waveform; None for Griffin-Lim.
            scheduler: the one the network was trained with.
            codec: the picture; its n_frames are the length where none is asked for.

        Raises:
            ConfigError: the vocoder was made for other pictures than the codec's.
        """
        super().__init__()
        if vocoder is not None:
            _check_vocoder(vocoder, codec)
        self.register_modules(
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            vae=vae,
            vocoder=vocoder,
            scheduler=scheduler,
            codec=codec,
        )

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures: float32 [batch, 1, frames, mel bands], natural logarithms."""
        return decode_vae(self.vae, latents)

    def decode(self, pictures: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Sound pictures by the vocoder, which draws nothing at random, or by Griffin-Lim from a seeded phase.

        Returns:
            float32 [batch, frames * hop] in [-1, 1] on the pipeline's device, at the level that the picture says
            (about peak 0.5 as trained), not normalised. The published code casts to 16 bits without a limit,
            where a full-scale sample wraps around.
        """
        if self.vocoder is None:
            codec = LogMelCodec.from_config(self.codec.config, n_frames=pictures.shape[2])
            phase = seeded_phase(generators, *codec.phase_shape)
            waves = codec.decode(pictures, phase.to(pictures.device))
            # A picture that is too loud is turned down: cut off, it would sound distorted.
            return waves / waves.abs().amax(dim=1, keepdim=True).clamp_min(1.0)
        # The published transposed convolutions give a few samples more than frames * hop.
        n_samples = pictures.shape[2] * self.codec.config["hop_length"]
        return self.vocoder(pictures[:, 0])[:, :n_samples].clamp(-1.0, 1.0)

    def picture(self, waves: Tensor, n_frames: int) -> Tensor:
        """Picture sounds at a length of their own: float32 [batch, 1, frames, mel bands]."""
        return LogMelCodec.from_config(self.codec.config, n_frames=n_frames).encode(waves)

    def encode_texts(self, texts: Sequence[str]) -> TextStates:
        """Encode texts by FLAN-T5, padded to the longest and masked."""
        return self.with_combs(encode_masked(self.tokenizer, self.text_encoder, texts, MAX_TOKENS), texts)

    def latent_shape(self, n_frames: int) -> tuple[int, int, int]:
        """Channels, time rows and mel columns of the latents; unet.config.sample_size says something else."""
        reduction = vae_reduction(self.vae)
        return self.unet.config["out_channels"], n_frames // reduction, self.codec.config["n_mels"] // reduction

    def frames_of(self, duration_s: float | None) -> int:
        """Frames of a sound at least as long as asked for, whole through every halving of both networks.

        At full size a multiple of 32: 4 s give 416 frames, 10.24 s 1024.

        Raises:
            GenerationError: the length is not above 0.
        """
        if duration_s is None:
            return self.codec.config["n_frames"]
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise GenerationError(f"{duration_s:g} s were asked for; a length above 0 is needed")
        grain = vae_reduction(self.vae) * 2 ** (len(self.unet.config["block_out_channels"]) - 1)
        frames = duration_s * self.codec.config["sample_rate_hz"] / self.codec.config["hop_length"]
        # 4.16 s are 416.00000000000006 frames; rounding in the length must not cost another grain.
        return grain * math.ceil(round(frames, 3) / grain)


def _check_vocoder(vocoder: SpeechT5HifiGan, codec: LogMelCodec) -> None:
    made_for = (vocoder.config.sampling_rate, math.prod(vocoder.config.upsample_rates), vocoder.config.model_in_dim)
    wanted = tuple(codec.config[name] for name in ("sample_rate_hz", "hop_length", "n_mels"))
    if made_for != wanted:
        raise ConfigError(
            f"the vocoder was made for (rate, hop, bands) {made_for}; the pictures have {wanted}, and need the same"
        )


def load(folder: Path, card: ModelCard, device: str, dtype: str = FLOAT32) -> DiffusionModel:
    """Load a saved pipeline; its sounds are as long as the card says.

    Raises CardError, see diffusion_model.load_pipeline.
    """
    return load_pipeline(TangoPipeline, folder, card, device, dtype)

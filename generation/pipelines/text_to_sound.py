"""What the diffusion techniques are made of: six steps from a prompt to a wave, the first four the same in all.

Steps: check the input, encode the prompts, draw noise, denoise it, decode latents to pictures, sound the
pictures. A technique says how its text is encoded, how large its latents are, and the last two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils import BaseOutput
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from generation.asked import check_length, guidance_of
from generation.errors import GenerationError
from generation.pipelines.conditioning import TextStates
from generation.pipelines.denoising import build_sampler, denoise, seed_generators, seeded_noise
from generation.pipelines.network import is_aided, note_combs
from generation.portions import Portions
from generation.prompts.vocabulary import understand

SOUNDED_AT_ONCE = 4


@dataclass
class SoundOutput(BaseOutput):
    """What a call gives: waves, float32 [batch, samples] at the codec's rate, raw."""

    waves: np.ndarray


class TextToSoundPipeline(DiffusionPipeline):
    """Text -> denoised latents -> picture -> sound. Use one of its techniques."""

    text_encoder: Any
    tokenizer: PreTrainedTokenizerBase
    unet: UNet2DConditionModel
    scheduler: SchedulerMixin
    codec: Any
    frequency_side = 2
    """The dimension of a sample along which its bands lie: rows, or 3 for columns."""

    def __init__(self) -> None:
        """Begin without components."""
        super().__init__()
        self._sounding = Portions(SOUNDED_AT_ONCE)

    @torch.no_grad()
    def __call__(
        self,
        prompt: Sequence[str],
        seeds: Sequence[int],
        steps: int = 50,
        guidance_scale: float = 3.0,
        scheduler: str | None = None,
        duration_s: float | None = None,
    ) -> SoundOutput:
        """Make one sound for each prompt.

        Args:
            prompt: tags or plain sentences; cut off at the encoder's number of tokens.
            seeds: one whole number per prompt; nothing else is random. A sound does not depend on its batch, up
                to rounding (which can tip a grey value of an 8-bit picture, and so move its wave by about 1%).
            steps: passes of the network, at most the steps it was trained on.
            guidance_scale: how far to go beyond what the empty prompt gives; 1 is the prompt alone, in half the
                time.
            scheduler: one of denoising.SCHEDULERS; None for the one saved with the model.
            duration_s: length asked for; None for the codec's. The sound is as long or a little longer.

        Returns:
            waves as `decode` gives them.

        Raises:
            GenerationError: the lists differ in length, or steps, guidance, scheduler or length cannot be.
        """
        # 1. Check the input
        sampler, n_frames = self.check_inputs(prompt, seeds, steps, guidance_scale, scheduler, duration_s)
        generators = seed_generators(seeds)
        # 2. Encode the prompts, and the empty prompt beside them
        text, empty = self.encode_prompt(prompt)
        # 3. Draw the noise to start from
        latents = self.prepare_latents(generators, sampler, n_frames)
        # 4. Denoise
        latents = self.denoise(latents, text, empty, sampler, guidance_scale, generators)
        # 5. and 6. Decode latents to pictures and sound these
        return self.sounded(
            latents, generators, lambda some, of_these: self.decode(self.decode_latents(some), of_these)
        )

    @torch.no_grad()
    def through_codec(self, waves: np.ndarray, seeds: Sequence[int], duration_s: float | None = None) -> SoundOutput:
        """Picture sounds, send the pictures through the autoencoder and sound them: the most that this technique can.

        Args:
            waves: float32 [batch, samples] at the codec's rate; cut or padded with silence to its pictures.
            seeds: one whole number per sound, of the phase that the pictures do not hold.
            duration_s: length of the pictures, as in a call.

        Returns:
            waves as `decode` gives them.

        Raises:
            GenerationError: the lists differ in length, or the length cannot be.
            AudioError: a sound holds NaN or infinity, or nothing.
        """
        if len(waves) != len(seeds):
            raise GenerationError(f"{len(waves)} sounds, {len(seeds)} seeds came; equally many are needed")
        generators = seed_generators(seeds)
        vae, n_frames = getattr(self, "vae", None), self.frames_of(duration_s)

        def through(some: Tensor, of_these: Sequence[torch.Generator]) -> Tensor:
            pictures = self.picture(some, n_frames).to(self.device)
            if vae is not None:
                pictures = decode_vae(vae, encode_vae(vae, pictures))
            return self.decode(pictures, of_these)

        return self.sounded(torch.from_numpy(np.asarray(waves)), generators, through)

    def sounded(
        self,
        items: Tensor,
        generators: Sequence[torch.Generator],
        sound: Callable[[Tensor, Sequence[torch.Generator]], Tensor],
    ) -> SoundOutput:
        """Sound latents (or waves) a few at a time.

        A full-size autoencoder needs three times the memory for a sound that the network needs which denoises, and
        gains nothing from many at once.

        Args:
            items: [batch, ...].
            generators: one per item.
            sound: makes float32 [some, samples] of some of the items and their generators.
        """

        def make(first: int, end: int) -> list[np.ndarray]:
            return list(sound(items[first:end], generators[first:end]).cpu().numpy())

        waves = self._sounding.make(len(items), make)
        return SoundOutput(waves=np.stack(waves))

    def check_inputs(
        self,
        prompt: Sequence[str],
        seeds: Sequence[int],
        steps: int,
        guidance_scale: float,
        scheduler: str | None,
        duration_s: float | None,
    ) -> tuple[Any, int]:
        """Refuse what cannot be made; return a sampler ready for the steps, and the frames of the pictures."""
        if isinstance(prompt, str) or not prompt:
            raise GenerationError("a list of at least one prompt is needed")
        if len(prompt) != len(seeds):
            raise GenerationError(f"{len(prompt)} prompts, {len(seeds)} seeds came; equally many are needed")
        guidance_of(guidance_scale)
        return build_sampler(self.scheduler, scheduler, steps), self.frames_of(duration_s)

    def encode_prompt(self, prompt: Sequence[str]) -> tuple[TextStates, TextStates]:
        """Encode prompts, and as many empty ones padded to the same length with a mask of their own."""
        return self.encode_texts([*prompt, ""]).split_last()

    def prepare_latents(self, generators: Sequence[torch.Generator], sampler: Any, n_frames: int) -> Tensor:
        """Draw the noise of each sound: float32 [batch, *latent_shape] on the pipeline's device."""
        noise = seeded_noise(generators, self.latent_shape(n_frames)) * sampler.init_noise_sigma
        return noise.to(self.device)

    def denoise(
        self,
        latents: Tensor,
        text: TextStates,
        empty: TextStates,
        sampler: Any,
        guidance_scale: float,
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """Turn noise into latents: float32 [batch, *latent_shape]; see denoising.denoise."""
        return denoise(self.unet, sampler, latents, text, empty, guidance_scale, generators)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Turn latents into the codec's pictures: float32 [batch, channels, ...]."""
        raise NotImplementedError

    def decode(self, pictures: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Sound pictures: float32 [batch, samples] on the pipeline's device."""
        raise NotImplementedError

    def picture(self, waves: Tensor, n_frames: int) -> Tensor:
        """Picture sounds as the autoencoder takes them: [batch, samples] -> float32 [batch, channels, ...]."""
        pictures: Tensor = self.codec.encode(waves)
        return pictures

    def encode_texts(self, texts: Sequence[str]) -> TextStates:
        """Encode texts as this technique's network was trained to read them; training uses it too."""
        raise NotImplementedError

    def with_combs(self, read: TextStates, texts: Sequence[str]) -> TextStates:
        """Add where the partials of the notes lie that the texts name, for a network that takes it."""
        if not is_aided(self.unet):
            return read
        vae = getattr(self, "vae", None)
        notes = [understand(text).note for text in texts]
        combs = note_combs(self.codec.band_hz(), notes, 1 if vae is None else vae_reduction(vae))
        combs = combs.to(read.states.device).unsqueeze(5 - self.frequency_side)
        return replace(read, comb=combs)

    def latent_shape(self, n_frames: int) -> tuple[int, int, int]:
        """Channels, rows and columns of the latents of a picture of `n_frames` frames."""
        raise NotImplementedError

    def frames_of(self, duration_s: float | None) -> int:
        """Frames of a picture; pictures have one size unless a technique says otherwise.

        Raises:
            GenerationError: another length is asked for than the codec's pictures hold.
        """
        check_length(duration_s, self.codec.duration_s)
        return self.codec.config["n_frames"]


def vae_reduction(vae: AutoencoderKL) -> int:
    """By how much an autoencoder's latents are shorter than its pictures, on each side."""
    return 2 ** (len(vae.config["block_out_channels"]) - 1)


def encode_vae(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Encode pictures to the middle of their latents, with the scale that `decode_vae` takes away."""
    return vae.encode(pictures).latent_dist.mean * vae.config["scaling_factor"]


def decode_vae(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode latents after taking away their scale: [batch, channels, rows, columns] -> pictures.

    Latents are trained at about unit variance, scaling_factor times what the autoencoder encodes (Rombach et
    al., arXiv 2112.10752, appendix G).
    """
    return vae.decode(latents / vae.config["scaling_factor"]).sample

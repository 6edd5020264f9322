"""ChopAN: a prompt finds recorded notes by CLIP, their pictures are mixed and pass a variational autoencoder.

Steps: check the input, embed the prompt, retrieve notes, mix their pictures (thesis eq. 3.6), decode to
sound. The answer is raw: its level is what the mixed notes' own levels give, never normalised.

Three settings depart from the thesis, because its plain reading gives few usable one-shots: the notes mixed
share one pitch (`one_pitch`), the seed varies which notes they are (`variety`), and part of their own fine
structure stays beside the autoencoder's (`detail`). THESIS_SETTINGS turns all three off.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import BaseOutput
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from generation.asked import check_length
from generation.audio import Clip
from generation.cards import ModelCard
from generation.codecs.phase import seeded_phase
from generation.codecs.stft_db import StftDbCodec
from generation.codecs.varispeed import varispeed
from generation.errors import GenerationError
from generation.models.chopan_vae import ChopANVae, sample_latents
from generation.models.clip_bank import ClipBank
from generation.models.clip_tower import ClipTower, embed_texts
from generation.pipelines.chopan_sources import ChopANSettings, Sources, TextRetriever, choose_sources
from generation.pipelines.denoising import seed_generators
from generation.pipelines.diffusion_model import check_rate, mono_waves, open_pipeline
from generation.precision import FLOAT32, set_dtype
from generation.prompts.vocabulary import understand

logger = logging.getLogger(__name__)

TECHNIQUE_VERSION = "chopan-2"
"""Part of every job key: raised whenever the same weights and seed would give another sound."""


@dataclass
class ChopANOutput(BaseOutput):
    """What a call gives: waves, float32 [batch, samples] at the codec's rate; sources, one per wave."""

    waves: np.ndarray
    sources: list[Sources]


class ChopANPipeline(DiffusionPipeline):
    """Text -> five recorded notes -> one new sound of about a second."""

    clip: ClipTower
    tokenizer: PreTrainedTokenizerBase
    bank: ClipBank
    vae: ChopANVae
    codec: StftDbCodec

    def __init__(
        self,
        clip: ClipTower,
        tokenizer: PreTrainedTokenizerBase,
        bank: ClipBank,
        vae: ChopANVae,
        codec: StftDbCodec,
    ) -> None:
        """Take the components.

        Args:
            clip: text and picture encoders.
            tokenizer: of the text encoder.
            bank: recorded notes with their embeddings by `clip`.
            vae: the autoencoder.
            codec: waveform <-> picture.
        """
        super().__init__()
        self.register_modules(clip=clip, tokenizer=tokenizer, bank=bank, vae=vae, codec=codec)

    @torch.no_grad()
    def __call__(
        self,
        prompt: Sequence[str],
        seeds: Sequence[int],
        notes: Sequence[int | None] | None = None,
        settings: ChopANSettings | None = None,
        retriever: TextRetriever | None = None,
    ) -> ChopANOutput:
        """Make one sound for each prompt.

        Args:
            prompt: tags or plain sentences.
            seeds: one whole number per prompt; nothing else is random, and no sound depends on its batch.
            notes: MIDI numbers asked for, None where any will do (or where the prompt names one).
            settings: how to mix; None takes the defaults of ChopANSettings.
            retriever: another similarity than CLIP's.

        Raises:
            GenerationError: the lists differ in length, or a note is no MIDI number.
        """
        settings = settings or ChopANSettings()
        # 1. Check the input
        wanted = self.check_inputs(prompt, seeds, notes)
        generators = seed_generators(seeds)
        # 2. Embed the prompts and compare them with the bank
        similarities = retriever.similarities(prompt) if retriever else self.encode_prompt(prompt)
        # 3. Retrieve notes
        sources = self.retrieve(similarities, wanted, generators, settings)
        # 4. Mix their pictures
        pictures, ranges = self.mix(sources, generators, settings)
        # 5. Decode
        waves = self.decode(pictures, ranges, generators, settings)
        return ChopANOutput(waves=waves.cpu().numpy(), sources=sources)

    def check_inputs(
        self, prompt: Sequence[str], seeds: Sequence[int], notes: Sequence[int | None] | None
    ) -> list[int | None]:
        """Refuse lists that do not fit; return the note wanted for each prompt, from `notes` or its words."""
        if isinstance(prompt, str) or not prompt:
            raise GenerationError("ChopAN needs a list of at least one prompt")
        notes = [None] * len(prompt) if notes is None else notes
        if not len(prompt) == len(seeds) == len(notes):
            raise GenerationError(
                f"{len(prompt)} prompts, {len(seeds)} seeds, {len(notes)} notes came; equally many are needed"
            )
        for note in notes:
            if note is not None and not 0 <= note <= 127:
                raise GenerationError(f"note {note} is no MIDI number; 0 to 127 is needed")
        pairs = zip(prompt, notes, strict=True)
        return [understand(text).note if note is None else note for text, note in pairs]

    def encode_prompt(self, prompt: Sequence[str]) -> Tensor:
        """Cosine of every prompt with every bank note by CLIP: float32 [prompts, notes], on the CPU."""
        # One at a time: in a batch of another size the cosines round otherwise, and near-equal notes swap.
        rows = [self.bank.similarities(embed_texts(self.clip, self.tokenizer, [text])) for text in prompt]
        return torch.cat(rows).cpu()

    def retrieve(
        self,
        similarities: Tensor,
        notes: Sequence[int | None],
        generators: Sequence[torch.Generator],
        settings: ChopANSettings,
    ) -> list[Sources]:
        """Choose the notes of each sound from similarities, float [batch, bank notes]."""
        sources = []
        for row, note, generator in zip(similarities, notes, generators, strict=True):
            draw = torch.randn(len(row), generator=generator)
            row = row + settings.variety * row.std() * draw
            sources.append(choose_sources(row, self.bank.pitches, note, settings))
        return sources

    def mix(
        self, sources: Sequence[Sources], generators: Sequence[torch.Generator], settings: ChopANSettings
    ) -> tuple[Tensor, Tensor]:
        """Weighted sums of normalised pictures, plus noise: S = sum k_n S_n + Z (thesis eq. 3.6).

        The thesis leaves open how the sum gets its level back: the ranges are mixed with the same weights.

        Returns:
            pictures [batch, 1, rows, columns] in [0, 1] and ranges [batch, 2] in dB.
        """
        retuned = self._retuned(sources, settings)
        pictures, ranges = [], []
        for chosen, generator in zip(sources, generators, strict=True):
            weights = torch.tensor(chosen.weights)
            parts = [retuned[pair] for pair in zip(chosen.indices, chosen.shifts, strict=True)]
            total = sum(weight * picture for weight, (picture, _) in zip(weights, parts, strict=True))
            noise = settings.noise_sigma * torch.randn(total.shape, generator=generator)
            pictures.append((total + noise).clamp(0.0, 1.0))
            ranges.append(sum(weight * limits for weight, (_, limits) in zip(weights, parts, strict=True)))
        return torch.stack(pictures), torch.stack(ranges)

    def decode(
        self,
        pictures: Tensor,
        ranges: Tensor,
        generators: Sequence[torch.Generator],
        settings: ChopANSettings,
    ) -> Tensor:
        """Pass the pictures through the autoencoder (encode, sample, decode) and turn them into sound.

        Returns:
            float32 [batch, samples], on the pipeline's device.
        """
        pictures = pictures.to(self.device)
        if settings.use_vae:
            noise = [torch.randn(self.vae.config["latent_size"], generator=g) for g in generators]
            # One at a time: a convolution over another batch size rounds otherwise, and Griffin-Lim would
            # make that audible.
            rebuilt = torch.cat(
                [self._through_vae(one[None], eps[None]) for one, eps in zip(pictures, noise, strict=True)]
            )
            pictures = torch.lerp(rebuilt, pictures, settings.detail)
        phase = seeded_phase(generators, self.codec.n_rows + 1, self.codec.config["n_frames"])
        return self.codec.decode(pictures, ranges.to(self.device), phase.to(self.device), settings.iterations)

    def bank_waves(self, indices: Sequence[int], iterations: int = 64) -> Tensor:
        """Sound bank notes as they are: float32 [indices, samples] on the CPU."""
        generators = seed_generators(indices)
        phase = seeded_phase(generators, self.codec.n_rows + 1, self.codec.config["n_frames"])
        pictures, ranges = self.bank.pictures_of(indices), self.bank.ranges_of(indices)
        device = self.device
        return self.codec.decode(pictures.to(device), ranges.to(device), phase.to(device), iterations).cpu()

    def _through_vae(self, picture: Tensor, noise: Tensor) -> Tensor:
        dtype = self.vae.dtype
        mean, log_variance = self.vae.encode(picture.to(dtype))
        return self.vae.decode(sample_latents(mean, log_variance, noise.to(mean))).float()

    def _retuned(
        self, sources: Sequence[Sources], settings: ChopANSettings
    ) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        """Picture [1, rows, columns] and range [2] of each (bank index, semitones) in use, on the CPU.

        A note moves in the time domain: shifting the rows of its picture would misplace a bass note's
        partials, which lie closer than the window can part.
        """
        pairs = sorted({p for chosen in sources for p in zip(chosen.indices, chosen.shifts, strict=True)})
        found = {}
        for index in [index for index, shift in pairs if shift == 0]:
            found[index, 0] = self.bank.pictures_of([index])[0].cpu(), self.bank.ranges_of([index])[0].cpu()
        moving = [pair for pair in pairs if pair[1] != 0]
        if not moving:
            return found
        waves = self.bank_waves([index for index, _ in moving], settings.iterations)
        for (index, shift), wave in zip(moving, waves, strict=True):
            moved = varispeed(wave.numpy(), shift, self.codec.config["sample_rate_hz"])
            pictures, ranges = self.codec.encode(torch.from_numpy(moved)[None])
            found[index, shift] = (pictures[0], ranges[0])
        return found


class ChopANModel:
    """What the registry holds: the pipeline, its settings and, where one is set, another retriever."""

    def __init__(self, pipeline: ChopANPipeline) -> None:
        """Wrap a pipeline; `settings` and `retriever` may be replaced at any time."""
        self.pipeline = pipeline
        self.settings = ChopANSettings()
        self.retriever: TextRetriever | None = None

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: int | None,
        guidance_scale: float | None,
        notes: Sequence[int | None] | None,
        scheduler: str | None = None,
        length_s: float | None = None,
    ) -> list[Clip]:
        """Make one raw clip per prompt; its `sources` are the NSynth names of the notes it is made of.

        steps, guidance_scale and scheduler change nothing, so that one call serves all techniques: ChopAN mixes and
        decodes once. The log says so. Raises GenerationError for another length than its own, and as
        ChopANPipeline.__call__.
        """
        check_length(length_s, self.pipeline.codec.duration_s)
        if steps is not None or guidance_scale is not None or scheduler is not None:
            logger.warning("ChopAN mixes and decodes once: steps, guidance scale and scheduler change nothing")
        output = self.pipeline(prompts, seeds, notes, self.settings, self.retriever)
        rate, names = self.pipeline.codec.config["sample_rate_hz"], self.pipeline.bank.note_strs
        return [
            Clip(wave[None], rate, tuple(names[index] for index in chosen.indices))
            for wave, chosen in zip(output.waves, output.sources, strict=True)
        ]

    @torch.no_grad()
    def through_codec(self, clips: Sequence[Clip], seeds: Sequence[int]) -> list[Clip]:
        """Real sounds through the codec and the autoencoder and back, cut to the codec's length."""
        if len(clips) != len(seeds):
            raise GenerationError(f"{len(clips)} sounds, {len(seeds)} seeds came; equally many are needed")
        codec = self.pipeline.codec
        rate = codec.config["sample_rate_hz"]
        pictures, ranges = codec.encode(torch.from_numpy(mono_waves(clips, rate)))
        generators = seed_generators(seeds)
        waves = self.pipeline.decode(pictures, ranges, generators, self.settings).cpu().numpy()
        return [Clip(wave[None], rate) for wave in waves]

    def bank_clips(self) -> list[Clip]:
        """Sound every bank note, for an embedder that listens (see TextRetriever)."""
        rate, names = self.pipeline.codec.config["sample_rate_hz"], self.pipeline.bank.note_strs
        waves = self.pipeline.bank_waves(range(len(names))).numpy()
        return [Clip(wave[None], rate, (name,)) for wave, name in zip(waves, names, strict=True)]


def load(folder: Path, card: ModelCard, device: str, dtype: str = FLOAT32) -> ChopANModel:
    """Load a saved pipeline.

    Raises:
        CardError: the folder holds no ChopAN pipeline, or one of another rate than the card says; another number
            format than float32 is asked for.
    """
    pipeline = open_pipeline(ChopANPipeline, folder, "ChopAN")
    check_rate(folder, pipeline.codec.config["sample_rate_hz"], card)
    set_dtype(pipeline, dtype, card.name)
    return ChopANModel(pipeline.to(device))

"""What the registry holds of a diffusion technique: its pipeline, and what the card says of scheduler and length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from generation.audio import Clip, resample
from generation.cards import ModelCard
from generation.errors import CardError, GenerationError
from generation.folder_parts import INDEX_FILE, Pipeline, load_whole
from generation.pipelines.conditioning import with_notes
from generation.pipelines.denoising import build_sampler
from generation.pipelines.text_to_sound import TextToSoundPipeline
from generation.precision import set_dtype
from generation.shared_parts import load_shared


class DiffusionModel:
    """A pipeline that answers as registry.Technique."""

    def __init__(self, pipeline: TextToSoundPipeline, duration_s: float | None = None) -> None:
        """Wrap a pipeline.

        Args:
            pipeline: any of the diffusion techniques.
            duration_s: length of the sounds where none is asked for; None for the codec's.
        """
        self.pipeline = pipeline
        self.duration_s = duration_s

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
        """Make one raw clip per prompt.

        A note asked for goes into the text, ", A2" after it. steps and guidance_scale: None takes the pipeline's.
        scheduler: one of denoising.SCHEDULERS; None takes the one saved with the model.
        length_s: see TextToSoundPipeline.__call__, duration_s.

        Raises:
            GenerationError: there are not as many notes as prompts; see also TextToSoundPipeline.__call__.
            ConfigError: a note is no MIDI number.
        """
        texts = with_notes(prompts, notes)
        asked = {"steps": steps, "guidance_scale": guidance_scale}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        length_s = self.duration_s if length_s is None else length_s
        output = self.pipeline(texts, seeds, scheduler=scheduler, duration_s=length_s, **given)
        rate = self.pipeline.codec.config["sample_rate_hz"]
        return [Clip(wave[None], rate) for wave in output.waves]

    def through_codec(self, clips: Sequence[Clip], seeds: Sequence[int]) -> list[Clip]:
        """Real sounds as this model would sound them if its network made no mistake: codec, autoencoder and back.

        Other rates and stereo are brought to the codec's rate and mono first. Raises as the pipeline's through_codec.
        """
        rate = self.pipeline.codec.config["sample_rate_hz"]
        output = self.pipeline.through_codec(mono_waves(clips, rate), seeds, self.duration_s)
        return [Clip(wave[None], rate) for wave in output.waves]


def mono_waves(clips: Sequence[Clip], rate_hz: int) -> np.ndarray:
    """Clips of any rate, channels and length as float32 [clips, samples] at one rate, silence after the shorter."""
    mono = [resample(clip, rate_hz).samples.mean(axis=0) for clip in clips]
    waves = np.zeros((len(mono), max(map(len, mono), default=0)), np.float32)
    for row, wave in zip(waves, mono, strict=True):
        row[: len(wave)] = wave
    return waves


def load_pipeline(
    pipeline_class: type[TextToSoundPipeline], folder: Path, card: ModelCard, device: str, dtype: str, **added: Any
) -> DiffusionModel:
    """Load a saved pipeline and check it against its card.

    Weights saved in half precision become float32, unless the denoising network is asked to compute in less.

    Args:
        pipeline_class: the technique's.
        folder: what save_pretrained wrote.
        card: the model's; it says the scheduler and the length of the sounds.
        device: where to put the networks.
        dtype: what the denoising network computes in, see precision.set_dtype.
        added: components that the folder lacks.

    Raises:
        CardError: the folder holds no such pipeline, or one of another rate, length, scheduler or number of steps than
            its card says.
    """
    pipeline = open_pipeline(pipeline_class, folder, card.technique, **load_shared(card, folder), **added)
    check_rate(folder, pipeline.codec.config["sample_rate_hz"], card)
    try:
        build_sampler(pipeline.scheduler, card.defaults.scheduler, card.defaults.steps or 1)
        pipeline.frames_of(card.length_s)
    except GenerationError as error:
        raise CardError(f"{folder}: does not agree with its card: {error}") from error
    set_dtype(pipeline, dtype, card.name)
    return DiffusionModel(pipeline.to(device), card.length_s)


def open_pipeline(pipeline_class: type[Pipeline], folder: Path, technique: str, **added: Any) -> Pipeline:
    """Load a saved pipeline in float32 on the CPU, from safetensors alone: other formats can run code.

    Raises:
        CardError: the folder holds no such pipeline, or one that is not whole.
    """
    if not (folder / INDEX_FILE).is_file():
        raise CardError(f"{folder}: no {technique} pipeline is here; train one, or name the folder that holds it")
    told = f"{folder}: cannot be loaded as a {technique} pipeline"
    pipeline = load_whole(pipeline_class, folder, told, **added)
    if getattr(pipeline.components.get("tokenizer"), "pad_token", None) is None:
        raise CardError(f"{told}: tokenizer (its tokenizer_config.json names no padding)")
    return pipeline


def check_rate(folder: Path, rate_hz: int | None, card: ModelCard) -> None:
    """Raise CardError when the sounds of a folder have another rate than its card says; None: it has none."""
    if rate_hz != card.sample_rate_hz:
        raise CardError(f"{folder}: makes sound at {rate_hz} Hz, but its card says {card.sample_rate_hz} Hz")

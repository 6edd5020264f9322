"""Any text-to-audio pipeline of diffusers, by its card alone: AudioLDM2Pipeline, StableAudioPipeline and their like.

The folder's model_index.json names the class, which must be one of diffusers' own; what it calls the length of a
sound, and where it keeps its rate, is looked up. A new model is a new card.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_edm_dpmsolver_multistep import EDMDPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from generation.audio import MAX_CHANNELS, Clip
from generation.cards import ModelCard
from generation.errors import CardError
from generation.folder_parts import INDEX_FILE, as_card_error, load_part, load_whole, quiet, read_index
from generation.pipelines.conditioning import with_notes
from generation.pipelines.denoising import SCHEDULERS, seed_generators
from generation.pipelines.diffusion_model import check_rate
from generation.portions import is_out_of_memory
from generation.precision import FLOAT32, set_dtype
from generation.strict_yaml import unknown_name

TECHNIQUE_VERSION = "diffusers-2"
"""Part of every job key: raised whenever the same weights and seed would give another sound."""

# What pipelines call the length of a sound in seconds.
_LENGTHS = ("audio_end_in_s", "audio_length_in_s", "audio_duration_s", "audio_duration", "duration")
# Where they keep the rate: the part, then the name in its configuration.
_RATES = tuple((part, name) for part in ("vocoder", "vae") for name in ("sampling_rate", "sample_rate"))
# edm-dpm-solver++: Lu et al. 2022 in the noise levels of Karras et al. 2022.
_SCHEDULERS = {**SCHEDULERS, "edm-dpm-solver++": EDMDPMSolverMultistepScheduler}
_LONGEST_REASON = 300  # characters of what a pipeline says when it fails, so that it stays a line


class AnyDiffusersModel:
    """A diffusers pipeline that answers as registry.Technique."""

    def __init__(self, pipeline: Any, card: ModelCard) -> None:
        """Wrap a loaded pipeline; use `load`."""
        self.pipeline, self.card = pipeline, card
        accepted = inspect.signature(pipeline.__call__).parameters
        self.accepted = frozenset(accepted)
        self.length_name = next((name for name in _LENGTHS if name in accepted), None)
        self.saved = pipeline.scheduler

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
        """Make one raw clip per prompt, with all its channels.

        One prompt at a time: pipelines pad the texts of a batch to one length, and not all of them hide the padding.
        A note asked for goes into the text, ", A2" after it. steps and guidance_scale: None takes the pipeline's.
        scheduler: None takes the card's, or else the one saved with the model. length_s: None takes the card's.

        Raises:
            CardError: the pipeline takes no guidance, or cannot make what is asked; an unknown scheduler, or one that
                does not fit. A lack of memory comes through as it is.
            GenerationError: there are not as many notes as prompts.
            ConfigError: a note is no MIDI number.
        """
        texts = with_notes(prompts, notes)
        length_s = self.card.length_s if length_s is None else length_s
        asked = {"num_inference_steps": steps, "guidance_scale": guidance_scale, self.length_name: length_s}
        given: dict[str, Any] = {name: value for name, value in asked.items() if name is not None and value is not None}
        if not given.keys() <= self.accepted:
            refused = ", ".join(sorted(given.keys() - self.accepted))
            raise CardError(
                f"{self.card.name}: its pipeline takes no {refused}; leave it out of the card and the night"
            )
        if "output_type" in self.accepted:
            given["output_type"] = "np"
        sampler = sampler_for(self.card.name, self.saved, scheduler or self.card.defaults.scheduler, steps)
        return [self._clip(*each, given, sampler) for each in zip(texts, seed_generators(seeds), strict=True)]

    def _clip(self, text: str, generator: torch.Generator, given: dict[str, Any], sampler: Any) -> Clip:
        try:
            # A fresh scheduler each time: some keep the noise of the sound before.
            self.pipeline.scheduler = type(sampler).from_config(sampler.config)
            with quiet, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torchsde's, of rounding at the last step of Stable Audio
                audio = self.pipeline(prompt=[text], generator=[generator], **given).audios[0]
        except Exception as error:  # of any kind: nobody here wrote the pipeline
            if is_out_of_memory(error):
                raise
            reason = shorten(f"{type(error).__name__}: {error}", _LONGEST_REASON)
            raise CardError(f"{self.card.name}: its pipeline fails ({reason})") from error
        samples = np.atleast_2d(np.asarray(audio, dtype=np.float32))
        if samples.ndim != 2:
            raise CardError(f"{self.card.name}: its pipeline made {list(samples.shape)}; [channels, samples] is needed")
        if len(samples) > MAX_CHANNELS:
            raise CardError(f"{self.card.name}: its pipeline made {len(samples)} channels; mono or stereo is needed")
        return Clip(samples, self.card.sample_rate_hz)


def load(folder: Path, card: ModelCard, device: str, dtype: str = FLOAT32) -> AnyDiffusersModel:
    """Load whatever pipeline of diffusers a folder holds, from safetensors alone, in float32.

    dtype: what its denoising network computes in, see precision.set_dtype.

    Raises:
        CardError: there is no pipeline, it is not one of diffusers' own for text and sound, a package is missing,
            or it disagrees with its card on rate, scheduler or steps.
    """
    pipeline_class = _pipeline_class(folder, card)
    told = f"{folder}: cannot be loaded as a {pipeline_class.__name__}"
    pipeline: Any = load_whole(pipeline_class, folder, told)
    rate = next(
        (rate for part, name in _RATES if (rate := getattr(_config(pipeline, part), name, None)) is not None), None
    )
    check_rate(folder, rate, card)
    pipeline.set_progress_bar_config(disable=True)
    set_dtype(pipeline, dtype, card.name)
    if not isinstance(getattr(pipeline, "scheduler", None), SchedulerMixin):
        raise CardError(f"{folder}: {pipeline_class.__name__} has no scheduler; a pipeline that denoises is needed")
    model = AnyDiffusersModel(pipeline.to(device), card)
    if model.length_name is None or not {"prompt", "generator"} <= model.accepted:
        kind = pipeline_class.__name__
        raise CardError(f"{folder}: {kind} takes no prompt, seed and length; a text-to-audio pipeline is needed")
    with as_card_error(f"{folder}: does not agree with its card"):
        sampler_for(card.name, model.saved, card.defaults.scheduler, card.defaults.steps)
    return model


def saved_scheduler(folder: Path) -> Any:
    """The scheduler of a pipeline's folder, without its weights. Raises CardError where it cannot be had.

    Where the pipeline makes it itself, it is of the class that the index names, with settings that may be others.
    """
    place = folder / "scheduler"
    with as_card_error(f"{place}: cannot be loaded"):
        kind = read_index(folder)["scheduler"]
        named = simple_get_class_obj(*kind)
        if not issubclass(named, SchedulerMixin):
            raise TypeError(f"{INDEX_FILE} names {named.__name__}, which is no scheduler")
        return load_part(place, kind, str(folder)) if place.is_dir() else named()


def sampler_for(model: str, saved: Any, name: str | None, steps: int | None) -> Any:
    """Choose the scheduler of some steps: the saved one, or one of another kind from its configuration.

    Raises CardError (the model is named) for an unknown name, for a kind that does not fit the saved one, and for more
    steps than it was trained on.
    """
    sampler = saved
    if name is not None:
        kind = _fitting(model, saved, name)
        with as_card_error(f"{model}: makes no {name}"):
            sampler = kind.from_config(saved.config)
    most = sampler.config["num_train_timesteps"] if "beta_schedule" in sampler.config else math.inf
    if steps is not None and steps > most:
        raise CardError(f"{model}: {steps} steps were asked for; it was trained on {most}: ask for 1 to that")
    return sampler


def _pipeline_class(folder: Path, card: ModelCard) -> Any:
    if not (folder / INDEX_FILE).is_file():
        raise CardError(f"{folder}: no diffusers pipeline is here ({INDEX_FILE} is missing); fetch {card.name} again")
    name = read_index(folder).get("_class_name")
    # Of diffusers itself: a folder may name code of its own, which is not run.
    found = getattr(diffusers, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, DiffusionPipeline)):
        raise CardError(f"{folder}: holds a {name}, which this version of diffusers does not have")
    return found


def _fitting(model: str, saved: Any, name: str) -> Any:
    """The class of a scheduler that tells the network times as the saved one does: diffusers lists who does.

    EDMDPMSolverMultistepScheduler and CosineDPMSolverMultistepScheduler share their settings, but not their times:
    0.25 ln(sigma) and (2 / pi) atan(sigma).
    """
    kinds = {each: kind for each, kind in _SCHEDULERS.items() if kind is type(saved) or kind in saved.compatibles}
    if name not in _SCHEDULERS:
        raise CardError(f"{model}: {unknown_name('scheduler', name, kinds)}")
    if name not in kinds:
        possible = f"ask for {', '.join(kinds)}, or leave it out" if kinds else "leave it out"
        known = type(saved).__name__
        raise CardError(f"{model}: scheduler: {name} came; its network knows the times of {known}: {possible}")
    return kinds[name]


def _config(pipeline: Any, part: str) -> Any:
    return getattr(getattr(pipeline, part, None), "config", None)

"""From noise to latents: seeded noise, guidance by the empty prompt, and the samplers that walk back through time.

Everything random comes from one generator per sound, made on the CPU: a sound depends neither on its batch nor
on the device.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from generation.asked import seeds_of
from generation.errors import GenerationError
from generation.pipelines.conditioning import TextStates
from generation.pipelines.network import predict
from generation.strict_yaml import unknown_name

_log = logging.getLogger(__name__)

# ddpm: Ho et al. 2020, arXiv 2006.11239, algorithm 2. ddim: Song et al. 2021, arXiv 2010.02502, equation 12.
# dpm-solver++: Lu et al. 2022, arXiv 2211.01095, algorithm 2. euler-ancestral: Karras et al. 2022, arXiv
# 2206.00364, with the noise that ancestral sampling adds after each step.
SCHEDULERS: dict[str, Any] = {
    "ddpm": DDPMScheduler,
    "ddim": DDIMScheduler,
    "dpm-solver++": DPMSolverMultistepScheduler,
    "euler-ancestral": EulerAncestralDiscreteScheduler,
}
_LATE = 0.9  # of the training times: a sampler that starts before this one is told of
# The two that step from any noise level to any other: their grid starts at the noisiest time, whatever the count.
_ANY_GRID = {"dpm-solver++", "euler-ancestral"}
_DRIFT = 0.02  # of the training times: what ddim's steps of one whole length may leave out together


def _check_scheduler(name: str | None) -> None:
    """Raise GenerationError with the nearest name for an unknown scheduler; None, the saved one, is always known."""
    if name is not None and name not in SCHEDULERS:
        raise GenerationError(unknown_name("scheduler", str(name), SCHEDULERS))


def build_sampler(saved: SchedulerMixin, name: str | None, steps: int) -> Any:
    """Make a scheduler ready for `steps` steps; the saved one is left as it is.

    Args:
        saved: the model's scheduler; its configuration says which noise the network was trained on.
        name: one of SCHEDULERS, built from that configuration; None for a copy of the saved one.
        steps: passes of the network. Some counts cannot start in pure noise with ddim, whose steps are all of one
            whole length, or with a saved scheduler of another kind; the log says so.

    Raises:
        GenerationError: no such scheduler, steps not above 0 or more than it was trained on, or so many that
            the spacing of its times repeats one or leaves the trained range.
    """
    _check_scheduler(name)
    config = dict(saved.config)  # type: ignore[attr-defined]  # every scheduler is a ConfigMixin too
    train_steps = config["num_train_timesteps"]
    if not 1 <= steps <= train_steps:
        raise GenerationError(
            f"{steps} steps were asked for; this model was trained on {train_steps}: ask for 1 to that"
        )
    # Not saved with a model: with it, a model built here would sample otherwise than the same model loaded.
    config.pop("_use_default_values", None)
    scheduler: Any = SCHEDULERS[name] if name else type(saved)
    if spacing := _spacing(scheduler, name in _ANY_GRID, config, steps):
        config["timestep_spacing"] = spacing
    sampler = scheduler.from_config(config)
    sampler.set_timesteps(steps)
    times = sampler.timesteps
    # diffusers' spacings overrun at some counts: an offset beyond the last time, a rounded extra time of -1.
    if times.max() >= train_steps or times.min() < 0 or len(times.unique()) < steps:
        raise GenerationError(
            f"{name or type(saved).__name__} finds no {steps} different times among {train_steps}; ask for fewer steps"
        )
    if times.max() < _LATE * train_steps:
        _say_once(name or type(saved).__name__, steps, int(times.max()), train_steps)
    return sampler


def _spacing(scheduler: Any, any_grid: bool, config: dict[str, Any], steps: int) -> str | None:
    """How the times shall lie so that the walk starts in noise; None leaves them as they were published.

    "leading", as most models were published, lets one step start at time 0, and eight at 875 of 1000, where an eighth
    of the sound should be there already. "trailing" starts at the last time whatever the count, but loses what does
    not divide the training steps (Lin et al., arXiv 2305.08891, section 3.3); "linspace" holds both ends and needs two.
    """
    train_steps = config["num_train_timesteps"]
    left_out = train_steps % steps
    if any_grid:
        return "linspace" if steps > 1 else "trailing"
    late = (steps - 1) * (train_steps // steps) < _LATE * train_steps
    if scheduler is DDPMScheduler and (late or left_out):  # it steps from any time to any other too
        return "linspace" if steps > 1 else "trailing"
    if scheduler is DDIMScheduler and late and left_out <= _DRIFT * train_steps:
        return "trailing"
    return None


@cache
def _say_once(name: str, steps: int, first: int, train_steps: int) -> None:
    _log.warning(
        "%s with %d steps starts at time %d of %d, where a little of the sound should be there already; "
        "dpm-solver++ starts in pure noise with any number of steps",
        name, steps, first, train_steps,
    )  # fmt: skip


def seed_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Make one generator for each seed, on the CPU. Raises GenerationError for what is no seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds_of(seeds)]


def seeded_noise(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Standard normal noise, one generator per sound: float32 [batch, *shape], on the CPU."""
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])


def guided(
    unet: UNet2DConditionModel, noisy: Tensor, time: Tensor, text: TextStates, empty: TextStates, guidance_scale: float
) -> Tensor:
    """Predict noise (or velocity), pushed away from what the empty prompt would give.

    empty + w (text - empty): classifier-free guidance, Ho and Salimans, arXiv 2207.12598, equation 6, whose w is
    ours less 1. Both predictions come from one pass over twice the batch; at exactly 1 the text's alone, from one
    pass over the batch.

    Args:
        unet: the network.
        noisy: float32 [batch, channels, rows, columns], scaled as the scheduler wants it.
        time: scalar, the time that the noise belongs to.
        text, empty: states of the prompts and of as many empty ones.
        guidance_scale: w, at least 0; 0 is the empty prompt alone.

    Returns:
        float32 of the shape of `noisy`.
    """
    if guidance_scale == 1.0:
        return predict(unet, noisy, time, text)
    both = predict(unet, torch.cat([noisy, noisy]), time, empty.beside(text))
    without, with_text = both.chunk(2)
    return without + guidance_scale * (with_text - without)


def denoise(
    unet: UNet2DConditionModel,
    sampler: Any,
    latents: Tensor,
    text: TextStates,
    empty: TextStates,
    guidance_scale: float,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Walk from noise to latents through every time of the sampler.

    Args:
        unet: the network, in evaluation mode.
        sampler: from build_sampler; used up by this.
        latents: float32 [batch, channels, rows, columns], noise times sampler.init_noise_sigma.
        text, empty, guidance_scale: see `guided`.
        generators: one per sound, for samplers that add noise on the way.

    Returns:
        float32 of the same shape. NaN in one sound stays there.
    """
    # Samplers without noise of their own take no generator (PNDM, which Stable Diffusion was published with).
    takes = inspect.signature(sampler.step).parameters
    extra: dict[str, Any] = {"generator": list(generators)} if "generator" in takes else {}
    if "use_clipped_model_output" in takes and sampler.config["clip_sample"]:
        # Where a guided answer leaves the range of pictures and is clipped, the noise that it meant is no longer the
        # noise that is left: kept as it was, the difference adds up, and more steps make worse pictures.
        extra["use_clipped_model_output"] = True
    for time in sampler.timesteps:
        noisy = sampler.scale_model_input(latents, time)
        predicted = guided(unet, noisy, time, text, empty, guidance_scale)
        latents = sampler.step(predicted, time, latents, **extra).prev_sample
    return latents

"""In which number format the denoising network of a model computes; all around it stays float32.

The network is most of a model's memory and nearly all of its time, and GPUs multiply bfloat16 faster than float32. Its
answers have that format's 8 bits, though: a seed gives a sound near to float32's, not the same, and the size of its
batch is heard in it more than by float32. Noise, schedulers, words, autoencoders, vocoders and phase would gain little
and lose much (the sums of a sampler and of Griffin-Lim drift), so they are left alone.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from generation.errors import CardError, GenerationError
from generation.strict_yaml import unknown_name

FLOAT32 = "float32"
DTYPES = (FLOAT32, "bfloat16")
"""What a model can be asked to compute in. Not float16: what leaves its range becomes NaN, and with it the sound."""

_TIME = "timestep"
_DENOISERS = ("unet", "transformer")
"""What pipelines of diffusers call the network that walks from noise to a sound."""


def check_dtype(dtype: str) -> None:
    """Raise GenerationError, one line, for a number format that no model computes in."""
    if dtype not in DTYPES:
        raise GenerationError(unknown_name("dtype", str(dtype), DTYPES))


def denoiser_of(components: Mapping[str, Any]) -> str | None:
    """The name of the denoising network among a pipeline's parts; None where there is none, as in ChopAN."""
    return next((name for name in _DENOISERS if components.get(name) is not None), None)


def set_dtype(pipeline: Any, dtype: str, model: str) -> None:
    """Let a loaded pipeline's denoising network compute in a number format, once and for all.

    Its weights are rounded to it; what it is given is rounded on the way in, but for the time, and what it answers is
    float32 again.

    Args:
        pipeline: any DiffusionPipeline in float32.
        dtype: one of DTYPES; float32 leaves it as it is.
        model: its name, for the error.

    Raises:
        GenerationError: no such format.
        CardError: it has no denoising network.
    """
    check_dtype(dtype)
    if dtype == FLOAT32:
        return
    name = denoiser_of(pipeline.components)
    if name is None:
        raise CardError(f"{model}: dtype: {dtype} came; it has no denoising network, so {FLOAT32} alone: leave it out")
    low = getattr(torch, dtype)
    if pipeline.components[name].dtype == low:
        return
    # Not by the network's own `to`, which warns of layers to be left in float32 even where there are none.
    network = torch.nn.Module.to(pipeline.components[name], low)
    network.register_forward_pre_hook(partial(_round_inputs, low), with_kwargs=True)
    network.register_forward_hook(_widen_answer)


def _round_inputs(low: torch.dtype, network: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a network is called with, rounded; but the time as it is: in 8 bits 993.98 would be 992."""
    places = list(inspect.signature(network.forward).parameters)
    rounded = tuple(each if places[at : at + 1] == [_TIME] else _cast(each, low) for at, each in enumerate(given))
    return rounded, {name: each if name == _TIME else _cast(each, low) for name, each in named.items()}


def _widen_answer(network: Any, given: Any, answered: Any) -> Any:
    return _cast(answered, torch.float32)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Numbers with a fraction in another format, inside tuples, lists and dictionaries too; all else as it came."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):  # diffusers' outputs, dictionaries besides
        fields = (each.name for each in dataclasses.fields(value) if each.init)
        return dataclasses.replace(value, **{name: _cast(getattr(value, name), dtype) for name in fields})
    if type(value) is dict:
        return {name: _cast(each, dtype) for name, each in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_cast(each, dtype) for each in value)
    return value

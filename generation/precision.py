"""In which number format the denoising network of a model computes; all around it stays float32.

The network is most of a model's memory and nearly all of its time, and GPUs multiply bfloat16 faster than float32. Its
answers have that format's 8 bits, though: a seed gives a sound near to float32's, not the same, and the size of its
batch is heard in it more than by float32. Noise, schedulers, words, autoencoders, vocoders and phase would gain little
and lose much (the sums of a sampler and of Griffin-Lim drift), so they are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from generation.errors import CardError, GenerationError
from generation.strict_yaml import unknown_name

FLOAT32 = "float32"
DTYPES = (FLOAT32, "bfloat16")
"""What a model can be asked to compute in. Not float16: what leaves its range becomes NaN, and with it the sound."""

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

    Its weights are rounded to it; what it is given is rounded on the way in, and what it answers is float32 again.

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
    # Not by the network's own `to`, which warns of layers to be left in float32 even where there are none.
    network = torch.nn.Module.to(pipeline.components[name], low)
    network.register_forward_pre_hook(lambda _, given, named: (_cast(given, low), _cast(named, low)), with_kwargs=True)
    network.register_forward_hook(lambda _, __, answered: _cast(answered, torch.float32))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Numbers with a fraction in another format, inside tuples, lists and dictionaries too; all else as it came."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):  # diffusers' outputs too, which are dictionaries with names
        return type(value)(**{name: _cast(each, dtype) for name, each in value.items()})
    if isinstance(value, tuple | list):
        return type(value)(_cast(each, dtype) for each in value)
    return value

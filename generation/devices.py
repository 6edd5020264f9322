"""Devices that models run on: checked before anything is loaded, and how exactly they compute."""

from __future__ import annotations

from contextlib import AbstractContextManager

from generation.errors import ConfigError


def check_device(name: str, names: str = "cpu, cuda or cuda:N") -> None:
    """Raise ConfigError, one line, for a name that torch does not know or a device that this machine has not.

    names: what the line calls possible, where whoever asks takes other words as well.
    """
    import torch

    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise ConfigError(f"there is no device '{name}'; use {names}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name} is not there: {torch.cuda.device_count()} CUDA devices found; use cpu")
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device '{name}' is not supported; use {names}")


def exact_float32() -> AbstractContextManager[None]:
    """A context in which a GPU's float32 is that: by default cuDNN rounds to TF32, of three digits, where it can.

    Rounded so, the starter of Audio Latent Diffusion makes waves whose correlation with a CPU's is 0.94 (measured by
    rounding on a CPU). Whoever prefers speed asks for bfloat16.
    """
    import torch

    context: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return context

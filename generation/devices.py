"""Devices that models run on: checked before anything is loaded."""

from __future__ import annotations

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

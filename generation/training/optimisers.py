"""The optimiser of a run, and the scaled loss that half precision needs."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence

import torch

from generation.errors import TrainingError
from generation.training.settings import TrainSettings


class Optimiser:
    """AdamW over the parameters that learn, with clipping and, in fp16, loss scaling.

    AdamW: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2; in 8 bits: Dettmers et al., arXiv 2110.02861.
    Clipping by the global norm: Pascanu, Mikolov and Bengio, arXiv 1211.5063, algorithm 1. Scaling: Micikevicius
    et al., arXiv 1710.03740, section 3.2, with torch's growth and back-off.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], settings: TrainSettings, device: torch.device) -> None:
        """Raises TrainingError when the device or the installation cannot do what the settings ask."""
        if settings.precision == "fp16" and device.type != "cuda":
            raise TrainingError(f"precision fp16 needs CUDA, not {device.type}; use bf16 or fp32")
        self._parameters = parameters
        self._limit = math.inf if settings.clip_norm is None else settings.clip_norm
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        kind: Callable[..., torch.optim.Optimizer] = (
            torch.optim.AdamW if settings.optimiser == "adamw" else _adamw_8bit()
        )
        self.inner = kind(groups, lr=settings.learning_rate, betas=settings.betas)
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")

    def backward(self, loss: torch.Tensor) -> None:
        """Add the loss's gradients to those the parameters have."""
        self.scaler.scale(loss).backward()

    def step(self, learning_rate: float) -> float:
        """Clip, move the weights, drop the gradients; return their norm before clipping.

        Where the norm is not finite the weights stay as they are.
        """
        for group in self.inner.param_groups:
            group["lr"] = learning_rate
        self.scaler.unscale_(self.inner)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._limit))
        if math.isfinite(norm) or self.may_overflow():
            self.scaler.step(self.inner)  # it leaves out a step whose gradients overflowed
            self.scaler.update()
        self.inner.zero_grad(set_to_none=True)
        return norm

    def may_overflow(self) -> bool:
        """Whether gradients may overflow just because of the loss's scale, which then falls by half."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1


def _adamw_8bit() -> Callable[..., torch.optim.Optimizer]:
    try:
        optimisers = importlib.import_module("bitsandbytes.optim")
    except ImportError as error:
        raise TrainingError(
            f"optimiser adamw8bit needs bitsandbytes ({error}); pip install 'nightcrate[train]', or use adamw"
        ) from error
    kind: Callable[..., torch.optim.Optimizer] = optimisers.AdamW8bit
    return kind

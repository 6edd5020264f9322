"""The numbers of a training run, as a recipe's YAML file gives them; a recipe adds its own by subclassing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from generation.strict_yaml import StrictModel

_Momentum = Annotated[float, Field(ge=0, lt=1)]


class TrainSettings(StrictModel):
    """What the loop needs to know; `steps` and the rest of the schedule count optimiser steps.

    steps: optimiser steps of the whole run.
    batch_size: items a step sees.
    learning_rate, weight_decay, betas: of AdamW; biases and norms (one-dimensional weights) do not decay.
    schedule: how the learning rate falls after warmup_steps (see generation.training.schedules).
    ema_decay: decay of the averaged weights that are validated and exported; null trains without.
    clip_norm: largest gradient norm, larger ones are scaled down to it; null does not clip.
    seed: of the weights' start, the batches' order and the noise.
    validate_every, checkpoint_every: in steps; both also happen after the last step.
    precision: bf16 runs the forward pass under autocast, weights and optimiser stay float32.
    """

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[_Momentum, _Momentum] = (0.9, 0.999)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    clip_norm: float | None = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    validate_every: int = Field(default=500, gt=0)
    checkpoint_every: int = Field(default=500, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"

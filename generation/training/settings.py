"""The numbers of a training run, as a recipe's YAML file gives them; a recipe adds its own by subclassing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from generation.strict_yaml import StrictModel

_Momentum = Annotated[float, Field(ge=0, lt=1)]


class TrainSettings(StrictModel):
    """What the loop needs to know; `steps` and the rest of the schedule count optimiser steps.

    steps: optimiser steps of the whole run.
    batch_size: items of one micro-batch of one process; a step sees batch_size x accumulation x processes.
    accumulation: micro-batches whose gradients one process averages for a step.
    optimiser: adamw, or adamw8bit, which keeps its state in 8 bits (by the package bitsandbytes).
    learning_rate, weight_decay, betas: of AdamW; biases and norms (one-dimensional weights) do not decay.
    schedule: how the learning rate falls after warmup_steps (see generation.training.schedules).
    ema_decay: decay of the averaged weights that are validated and exported; null trains without.
    clip_norm: largest gradient norm, larger ones are scaled down to it; null does not clip.
    seed: of the weights' start, the batches' order and the noise.
    validate_every, checkpoint_every, sample_every: in steps; each also happens after the last step. Samples are
        written by recipes that can, into samples/; null writes none.
    precision: bf16 and fp16 run the forward pass under autocast, fp16 with a scaled loss and on CUDA alone; weights
        and optimiser stay float32.
    best_by, best_is: the validation figure whose best weights are kept in best.safetensors; null keeps none.
    export_weights: what is exported, the last weights or those that best_by found best.
    """

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulation: int = Field(default=1, gt=0)
    optimiser: Literal["adamw", "adamw8bit"] = "adamw"
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
    sample_every: int | None = Field(default=None, gt=0)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    best_by: str | None = None
    best_is: Literal["lowest", "highest"] = "lowest"
    export_weights: Literal["last", "best"] = "last"

    @model_validator(mode="after")
    def _best_is_measured(self) -> TrainSettings:
        if self.export_weights == "best" and self.best_by is None:
            raise ValueError("export_weights is best, but best_by is null; name the validation figure that decides")
        return self

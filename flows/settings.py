"""What a night is told: its configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from generation.prompts.prompt import Prompt
from generation.prompts.selection import Selection, select_prompts
from generation.shipped import config_path
from generation.strict_yaml import StrictModel, load_yaml

DEFAULT_BANKS = ("starter",)
"""Novelty banks of a night that names none: the notes that the shipped models learned from."""

Scheduler = Literal["ddpm", "ddim", "dpm-solver++", "euler-ancestral", "edm-dpm-solver++"]
"""The ways from noise to a sound that a night can name; the last one belongs to pipelines of diffusers alone."""

Dtype = Literal["float32", "bfloat16"]
"""What a model's denoising network computes in: generation.precision.DTYPES, whose import needs torch."""


class ModelChoice(StrictModel):
    """One model of a night, and how it samples (null: as its card says).

    model: a shipped name, a folder or its card.yaml; a relative path starts beside the configuration, or, where
    nothing is there, in the working directory. length_s: of the sounds, for a model that
    can make any length. dtype: bfloat16 is for a GPU; it changes sounds a little.
    """

    model: str
    batch_size: int = Field(default=8, ge=1, le=1024)
    steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0)
    scheduler: Scheduler | None = None
    length_s: float | None = Field(default=None, gt=0, le=60)
    dtype: Dtype = "float32"


class PromptChoice(StrictModel):
    """Which prompts a night asks for; generation.prompts.selection.Selection says what each key means."""

    cells: Literal["all"] | tuple[str, ...] | None = None
    max_qualities: int | None = None
    qualities: tuple[str, ...] | None = None
    prompts: tuple[str, ...] = ()
    text_file: Path | None = None
    notes: tuple[int | str, ...] = ()

    def prompts_in(self, folder: Path) -> list[Prompt]:
        """The prompts chosen; text_file is relative to `folder`. Raises ConfigError."""
        choice = {name: getattr(self, name) for name in type(self).model_fields}
        if self.text_file is not None:
            choice["text_file"] = folder / self.text_file
        return select_prompts(Selection(**choice))


class NightConfig(StrictModel):
    """configs/night/*.yaml: which prompts, by which models, how many sounds, judged by what.

    target: accepted sounds wanted of each model in each cell that it has prompts of; null asks for every prompt once.
    deal: true deals the prompts to the models in turn, each to one of them; false gives every model all of them.
    novelty: banks of training notes that sounds are compared with, "starter" or files beside the configuration;
    none compares nothing.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    models: tuple[ModelChoice, ...] = Field(min_length=1)
    prompts: PromptChoice
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)
    deal: bool = False
    target: int | None = Field(default=None, ge=1)
    max_attempts: int = Field(default=4, ge=1)
    gate: str = "default"
    embedder: str = "starter"
    novelty: tuple[str, ...] = DEFAULT_BANKS

    @model_validator(mode="after")
    def _each_model_once(self) -> NightConfig:
        names = [choice.model for choice in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"model '{twice[0]}' stands twice; each model once, with all its settings")
        return self


def read_night(name_or_file: str) -> tuple[NightConfig, Path]:
    """Read a shipped night by name, or a YAML file, and say in which folder it lies.

    Raises ConfigError, one line, for anything else.
    """
    path = config_path("night", name_or_file)
    return load_yaml(path, NightConfig), path.parent

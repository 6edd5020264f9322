"""What a night is told: its configuration file, and the few environment variables nightcrate knows.

Here every NIGHTCRATE_* variable is checked; generation.hub_lock reads its own again, where flows may be absent. A
misspelt variable is refused like a misspelt key: silently ignored, it would send a night's sounds to the wrong place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from generation.devices import check_device
from generation.errors import ConfigError
from generation.prompts.prompt import Prompt
from generation.prompts.selection import Selection, select_prompts
from generation.shipped import config_path
from generation.strict_yaml import StrictModel, load_yaml, nearest_name

if TYPE_CHECKING:
    from catalog.library import Library

DEFAULT_LIBRARY = Path("library")
DEFAULT_BANKS = ("starter",)
"""Novelty banks of a night that names none: the notes that the shipped models learned from."""

Scheduler = Literal["ddpm", "ddim", "dpm-solver++", "euler-ancestral", "edm-dpm-solver++"]
"""The ways from noise to a sound that a night can name; the last one belongs to pipelines of diffusers alone."""

Dtype = Literal["float32", "bfloat16"]
"""What a model's denoising network computes in: generation.precision.DTYPES, whose import needs torch."""

_PREFIX = "NIGHTCRATE_"
# The last one is generation.hub_lock.LOCK_VARIABLE, whose import would make every --help slow.
_KNOWN = ("NIGHTCRATE_LIBRARY", "NIGHTCRATE_DEVICE", "NIGHTCRATE_HUB_LOCK")
# Read by the test suite alone, but set in the shell of whoever runs it.
_OF_THE_TESTS = ("NIGHTCRATE_ONESHOTS", "NIGHTCRATE_SOUNDFONT", "NIGHTCRATE_STRICT")


class SettingsError(ConfigError):
    """The environment or the command line does not say what is needed."""


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


@dataclass(frozen=True)
class Environment:
    """What the environment says; None where it says nothing."""

    library: Path | None
    device: str | None


def read_night(name_or_file: str) -> tuple[NightConfig, Path]:
    """Read a shipped night by name, or a YAML file, and say in which folder it lies.

    Raises ConfigError, one line, for anything else.
    """
    path = config_path("night", name_or_file)
    return load_yaml(path, NightConfig), path.parent


def newest_config(library: Library) -> dict[str, Any]:
    """What a library's newest night was told; empty before the first."""
    nights = library.nights()
    return nights[-1].config if nights else {}


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the NIGHTCRATE_* variables; SettingsError for one that does not exist, with the nearest name."""
    variables = os.environ if variables is None else variables
    for name in sorted(variables):
        if name.startswith(_PREFIX) and name not in _KNOWN + _OF_THE_TESTS:
            near = nearest_name(name, _KNOWN)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(_KNOWN)}"
            raise SettingsError(f"unknown environment variable {name}; {hint}")
    library = variables.get("NIGHTCRATE_LIBRARY")
    return Environment(Path(library) if library else None, variables.get("NIGHTCRATE_DEVICE") or None)


def library_folder(asked: Path | None) -> Path:
    """The library that a command works on: as asked, else NIGHTCRATE_LIBRARY, else ./library."""
    environment = read_environment()
    return asked or environment.library or DEFAULT_LIBRARY


def device_name(asked: str | None) -> str:
    """The device that models run on: as asked, else NIGHTCRATE_DEVICE, else CUDA where there is one.

    Raises SettingsError for a name that torch does not know or a device that this machine has not.
    """
    name = asked or read_environment().device or "auto"
    if name == "auto":
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        check_device(name, "auto, cpu, cuda or cuda:N")
    except ConfigError as error:
        raise SettingsError(str(error)) from None
    return name


def share_cores() -> None:
    """Let waiting threads of OpenMP go to sleep soon; it counts only before torch is imported.

    They spin by default, which is a disaster beside any other program. Measured on two cores: a ChopAN sound takes
    0.16 s instead of 0.15 s on an idle machine, and 0.27 s instead of 1.2 s when one core is busy elsewhere.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

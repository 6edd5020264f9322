"""How a night judges: configs/gate/*.yaml, read strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from catalog.gate import CanarySettings, GateSettings
from flows.place import newest_config
from generation.finish import FinishSettings
from generation.shipped import config_path
from generation.strict_yaml import StrictModel, load_yaml

if TYPE_CHECKING:
    from catalog.library import Library


class Judging(StrictModel):
    """What rejects a sound, what stops a cell, how clips are finished, how long rejects keep theirs."""

    gate: GateSettings
    canary: CanarySettings
    finish: FinishSettings
    keep_rejects_days: float = Field(ge=0)


def read_judging(name_or_file: str) -> Judging:
    """Read a shipped gate by name, or a YAML file. Raises ConfigError, one line, for anything else."""
    return load_yaml(config_path("gate", name_or_file), Judging)


def gate_of(library: Library) -> str:
    """The gate of a library's newest night, by name or file; the default before the first."""
    return str(newest_config(library).get("gate", "default"))

"""How a night judges: configs/gate/*.yaml, read strictly."""

from __future__ import annotations

from pydantic import Field

from catalog.gate import CanarySettings, GateSettings
from generation.finish import FinishSettings
from generation.shipped import config_path
from generation.strict_yaml import StrictModel, load_yaml


class Judging(StrictModel):
    """What rejects a sound, what stops a cell, how clips are finished, how long rejects keep theirs."""

    gate: GateSettings
    canary: CanarySettings
    finish: FinishSettings
    keep_rejects_days: float = Field(ge=0)


def read_judging(name_or_file: str) -> Judging:
    """Read a shipped gate by name, or a YAML file. Raises ConfigError, one line, for anything else."""
    return load_yaml(config_path("gate", name_or_file), Judging)

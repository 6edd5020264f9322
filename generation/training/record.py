"""training.json: what a folder of weights says of the run that made it, naming no place on a machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from generation.training.settings import TrainSettings

RECORD = "training.json"
_REPORTED_PACKAGES = ("nightcrate", "torch", "numpy", "transformers", "diffusers", "open_clip_torch")


def run_facts(module: torch.nn.Module, settings: TrainSettings) -> dict[str, Any]:
    """Return what the loop itself knows of a finished run: settings, parameter counts, versions, UTC time."""
    parameters = list(module.parameters())
    return {
        "settings": portable(json.loads(settings.model_dump_json())),
        "parameters_trained": sum(p.numel() for p in parameters if p.requires_grad),
        "parameters_frozen": sum(p.numel() for p in parameters if not p.requires_grad),
        "versions": {"python": platform.python_version(), **_versions()},
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_record(path: Path) -> dict[str, Any]:
    """Return what a training.json holds. Raises ConfigError when it is not what a run wrote."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is not the JSON that nightcrate wrote ({error})") from error
    if not isinstance(facts, dict):
        raise ConfigError(f"{path}: holds {type(facts).__name__}; keys and values are needed")
    return facts


def portable(value: Any) -> Any:
    """Return plain data with every absolute path cut to its last name, so that a record can be shared."""
    if isinstance(value, Mapping):
        return {key: portable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [portable(inner) for inner in value]
    if isinstance(value, Path):
        value = str(value)
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _versions() -> dict[str, str]:
    versions = {}
    for name in _REPORTED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions

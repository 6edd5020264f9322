"""Where the shipped configurations and starter weights lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

from generation.errors import ConfigError
from generation.strict_yaml import unknown_name

_PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = (".yaml", ".yml")


def configs_dir() -> Path:
    """Return the folder of shipped configurations (kind/name.yaml). Raises ConfigError when it is missing."""
    # The wheel carries configs/ inside this package; a checkout has it beside the packages.
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError("the shipped configurations are missing; install nightcrate again")


def config_names(kind: str) -> tuple[str, ...]:
    """Return the sorted names of the shipped configurations of one kind ("night", "models", "train", ...)."""
    return tuple(sorted(path.stem for path in (configs_dir() / kind).glob("*.yaml")))


def config_path(kind: str, name: str | Path) -> Path:
    """Return the file of a configuration.

    ``name`` is a shipped configuration of this kind, or a file of the user's own (it ends in .yaml or .yml).
    Raises ConfigError naming the nearest shipped name when there is neither.
    """
    path = Path(name)
    if path.suffix in _SUFFIXES:
        if path.is_file():
            return path
        raise ConfigError(f"{path}: there is no such file")
    if str(name) not in config_names(kind):
        raise ConfigError(unknown_name(f"{kind} configuration", str(name), config_names(kind)))
    return configs_dir() / kind / f"{name}.yaml"


def starter_dir() -> Path:
    """Return the folder that holds the shipped starter weights, one folder for each starter model."""
    return _PACKAGE / "starter"

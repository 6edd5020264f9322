"""Where a command works: its library, its device, and the few environment variables nightcrate knows.

Here every NIGHTCRATE_* variable is checked; generation.hub_lock reads its own again, where flows may be absent. A
misspelt variable is refused like a misspelt key: silently ignored, it would send a night's sounds to the wrong place.
Every command passes here, so nothing is imported that takes long.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.devices import check_device
from generation.errors import ConfigError

if TYPE_CHECKING:
    from catalog.library import Library

DEFAULT_LIBRARY = Path("library")

_PREFIX = "NIGHTCRATE_"
# The last one is generation.hub_lock.LOCK_VARIABLE, whose import would make every --help slow.
_KNOWN = ("NIGHTCRATE_LIBRARY", "NIGHTCRATE_DEVICE", "NIGHTCRATE_HUB_LOCK")
# Read by the test suite alone, but set in the shell of whoever runs it.
_OF_THE_TESTS = ("NIGHTCRATE_ONESHOTS", "NIGHTCRATE_SOUNDFONT", "NIGHTCRATE_STRICT")


class SettingsError(ConfigError):
    """The environment or the command line does not say what is needed."""


@dataclass(frozen=True)
class Environment:
    """What the environment says; None where it says nothing."""

    library: Path | None
    device: str | None


def newest_config(library: Library) -> dict[str, Any]:
    """What a library's newest night was told; empty before the first."""
    nights = library.nights()
    return nights[-1].config if nights else {}


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the NIGHTCRATE_* variables; SettingsError for one that does not exist, with the nearest name."""
    variables = os.environ if variables is None else variables
    for name in sorted(variables):
        if name.startswith(_PREFIX) and name not in _KNOWN + _OF_THE_TESTS:
            from generation.strict_yaml import nearest_name

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
    if name == "cpu":
        return name
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

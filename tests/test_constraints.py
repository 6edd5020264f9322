"""The pinned sets: they cover what is declared, agree with each other, and are what these tests run with."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    """Read a constraints file as canonical name -> version; every line must pin exactly."""
    found = {}
    for line in (ROOT / "constraints" / f"{name}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            distribution, pinned = line.split("==")
            found[canonicalize_name(distribution)] = pinned
    return found


BASE, LAION = pins("base"), pins("laion")
EXTRAS = PROJECT["optional-dependencies"]


@pytest.mark.parametrize(
    ("declared", "pinned"),
    [
        pytest.param(PROJECT["dependencies"] + EXTRAS["test"], BASE, id="base"),
        pytest.param(PROJECT["dependencies"] + EXTRAS["test"] + EXTRAS["laion"], LAION, id="laion"),
    ],
)
def test_what_is_declared_is_pinned_within_its_bounds(declared: list[str], pinned: dict[str, str]) -> None:
    for requirement in map(Requirement, declared):
        pin = pinned.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pin), f"{requirement} does not allow {pin}"


def test_the_two_sets_differ_in_numpy_alone() -> None:
    assert [name for name in BASE if LAION.get(name) != BASE[name]] == ["numpy"]
    assert BASE["numpy"].startswith("2.") and LAION["numpy"].startswith("1.26.")


def test_fastapi_stays_below_what_prefect_can_read() -> None:
    # Prefect 3.8 passes min_items, which FastAPI took up to 0.154; Prefect declares no bound itself.
    (requirement,) = (Requirement(text) for text in PROJECT["dependencies"] if text.startswith("fastapi"))
    assert not requirement.specifier.contains("0.156.0")


def test_these_tests_run_with_the_pinned_set() -> None:
    set_here = BASE if version("numpy").startswith("2.") else LAION
    differing = {}
    for name, pinned in set_here.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # a pin for another platform
        if installed != pinned:
            differing[name] = f"{installed}, pinned {pinned}"
    assert differing == {}

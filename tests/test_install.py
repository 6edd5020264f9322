"""The wheel, installed into a fresh environment and used from another folder, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, folder: Path, code: int = 0) -> str:
    """Run a command as a user would, outside the checkout; returns what it wrote to stdout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NIGHTCRATE_"))}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--quiet", "-w", out,
        folder=out,
    )  # fmt: skip
    (built,) = out.glob("nightcrate-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, which borrows the heavy libraries from this one."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    run(sys.executable, "-m", "venv", home, folder=home.parent)
    run(home / "bin" / "python", "-m", "pip", "install", "--no-deps", "--quiet", wheel, folder=home.parent)
    (site,) = home.glob("lib/python*/site-packages")
    # A path file is not read recursively, so an editable install of the checkout does not come along.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_the_wheel_carries_what_a_checkout_has(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("flows", "generation", "catalog")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"generation/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert any(name.startswith("catalog/migrations/versions/") for name in expected)
    assert any(name.startswith("generation/configs/night/") for name in expected)
    assert any(name.endswith(".safetensors") for name in expected)
    metadata = {name for name in carried if ".dist-info/" in name}
    assert carried - metadata == expected
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_help_and_models_work_from_another_folder(programs: Path, tmp_path: Path) -> None:
    assert "search" in run(programs / "nightcrate", "--help", folder=tmp_path)
    models = json.loads(run(programs / "nightcrate", "models", "list", "--json", folder=tmp_path))
    assert "chopan-starter" in {model["name"] for model in models}
    where = run(programs / "python", "-c", "import generation; print(generation.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(programs.parent), "this is not the installed package"
    assert list(tmp_path.iterdir()) == [], "a command that only tells left something behind"


def test_a_small_night_and_a_search_work_from_another_folder(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\n"
        "models:\n"
        "  - model: chopan-starter\n"
        "prompts:\n"
        "  cells: [acoustic bass, acoustic flute]\n"
        "  max_qualities: 0\n"
        "target: 1\n"
    )
    run(programs / "nightcrate", "night", "tiny.yaml", "--library", "mine", folder=tmp_path)
    hits = json.loads(run(programs / "nightcrate", "search", "bass", "--library", "mine", "--json", folder=tmp_path))
    assert {hit["family"] for hit in hits} == {"bass", "flute"}
    assert all(Path(hit["file"]).is_file() for hit in hits)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.yaml", "mine"}

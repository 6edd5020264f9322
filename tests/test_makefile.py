"""The Makefile, run with an interpreter that only writes down what it was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Answers the Makefile's questions by exit code, makes an "environment" of itself, and keeps a diary.
INTERPRETER = """#!/bin/sh
echo "$*" >> {diary}
case "$*" in
  *version_info*) exit {old} ;;
  *ensurepip*) exit {no_venv} ;;
  -V) echo 'Python 3.9.2' ;;
  '-m venv '*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"
    printf '#!/bin/sh\\necho nightcrate "$@" >> {diary}\\n' > "$3/bin/nightcrate"; chmod +x "$3/bin/nightcrate" ;;
  *pip*) exit {pip_fails} ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "constraints", folder / "constraints")
    return folder


def make(checkout: Path, target: str, python: str = "./python", **answers: int) -> tuple[int, str, list[str]]:
    """Run make in the checkout; returns its exit code, our own lines on stderr, and the diary of this run."""
    given = {"old": 0, "no_venv": 0, "pip_fails": 0, **answers}
    diary = checkout.parent / "diary"
    diary.write_text("")
    (checkout / "python").write_text(INTERPRETER.format(diary=diary, **given))
    (checkout / "python").chmod(0o755)
    done = subprocess.run(
        ["make", target, f"PYTHON={python}"], cwd=checkout, capture_output=True, text=True, check=False
    )
    ours = "\n".join(line for line in done.stderr.splitlines() if line.startswith("nightcrate: "))
    return done.returncode, ours, diary.read_text().splitlines()


def test_night_installs_once_with_the_constraints_and_runs_each_time(checkout: Path) -> None:
    code, _, first = make(checkout, "night")
    assert code == 0
    installs = [line for line in first if "pip install" in line]
    assert len(installs) == 1 and "-c constraints/base.txt" in installs[0]
    assert first[-1] == "nightcrate night starter --library library"
    code, _, second = make(checkout, "night")
    assert (code, second) == (0, ["nightcrate night starter --library library"])


def test_new_constraints_install_again(checkout: Path) -> None:
    make(checkout, "install")
    later = (checkout / ".venv" / ".installed").stat().st_mtime_ns + 10**9
    os.utime(checkout / "constraints" / "base.txt", ns=(later, later))
    _, _, diary = make(checkout, "install")
    assert any("pip install" in line for line in diary)


def test_a_broken_install_is_not_taken_for_a_whole_one(checkout: Path) -> None:
    code, _, _ = make(checkout, "night", pip_fails=1)
    assert code != 0
    assert not (checkout / ".venv" / ".installed").exists()
    shutil.rmtree(checkout / ".venv")
    code, _, diary = make(checkout, "night")
    assert code == 0 and any("pip install" in line for line in diary)


def test_the_laion_extra_gets_an_environment_of_its_own(checkout: Path) -> None:
    code, _, diary = make(checkout, ".venv-laion/.installed")
    assert code == 0
    assert any("-c constraints/laion.txt" in line and ".[laion,train,test]" in line for line in diary)
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("python", "answers", "words"),
    [
        ("./no-such-python", {}, "no ./no-such-python here; apt-get install python3 python3-venv"),
        ("./python", {"old": 1}, "Python 3.11 or newer is needed, ./python is Python 3.9.2"),
        ("./python", {"no_venv": 1}, "./python cannot make environments; apt-get install python3-venv"),
    ],
    ids=["no python", "old python", "no venv"],
)
def test_what_is_missing_is_said_in_one_line(checkout: Path, python: str, answers: dict[str, int], words: str) -> None:
    code, ours, _ = make(checkout, "night", python, **answers)
    assert code != 0
    assert words in ours and "\n" not in ours
    assert not (checkout / ".venv").exists()

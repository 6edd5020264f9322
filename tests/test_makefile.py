"""The Makefile, run with an interpreter that only writes down what it was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

TESTS = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")]

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


def pytest_lines(target: str) -> list[list[str]]:
    """The words after `pytest` in each line that make would run for a target."""
    said = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line.partition("-m pytest ")[2].split() for line in said.splitlines() if "-m pytest " in line]


def files_run(words: list[str]) -> list[Path]:
    """The test files that one such line looks into."""
    named = [Path(word) for word in words if word.startswith("tests")]
    ignored = [Path(word.removeprefix("--ignore=")) for word in words if word.startswith("--ignore=")]
    assert named and all((ROOT / path).exists() for path in [*named, *ignored])
    return [
        file
        for file in TESTS
        if any(file.is_relative_to(path) for path in named) and not any(file.is_relative_to(path) for path in ignored)
    ]


@pytest.mark.parametrize(
    ("target", "parts", "mark"), [("test", 2, ""), ("test-slow", 3, "slow"), ("test-laion", 1, "laion")]
)
def test_every_test_file_is_run_once_whatever_part_it_is_in(target: str, parts: int, mark: str) -> None:
    """A file that no part names would be left out, one that two name run twice."""
    lines = pytest_lines(target)
    assert len(lines) == parts
    runs = Counter(file for words in lines if not mark or words[:2] == ["-m", mark] for file in files_run(words))
    marked = f"pytest.mark.{mark}" if mark else ""
    assert set(runs.values()) == {1}
    assert set(runs) == {file for file in TESTS if marked in (ROOT / file).read_text()}


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

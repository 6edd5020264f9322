"""README holds: every command in it is understood, every command of the program is in it, and they run in order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from flows.cli import app
from flows.train import RECIPES
from generation.audio import Clip, write_clip
from generation.shipped import config_path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
# Line by line of the shell blocks.
SHELL_LINES = [
    line for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
# Every other place that spells a command out: inline, and in the picture on top.
SPOKEN = [*re.findall(r"`(nightcrate [^`]+)`", README), *re.findall(r" {3,}(nightcrate .+)$", README, re.MULTILINE)]
OURS = [line for line in [*SHELL_LINES, *SPOKEN] if line.startswith("nightcrate ")]
# Lines that are not run here, and why.
NOT_RUN = {
    "git clone": "this is the clone",
    ". .venv/bin/activate": "the tests' PATH does that",
    "apt-get install": "for whoever sets the machine up",
    "nightcrate corpus": "minutes of rendering; tests/generation/test_render.py renders a small one",
    "nightcrate evaluate": "hours of making; tests/flows/test_evaluation_tables.py and _rows.py evaluate toys",
    "nightcrate listen": "people listen; tests/browser takes the test as they do",
    "nightcrate train": "an hour of training; the recipes' own tests train at toy size",
    "python3 -m venv .venv-laion": "make test-slow makes this environment",
    ".venv-laion/bin/pip": "make test-slow makes this environment",
    "make test": "this is it",
    "make lint": "runs before the tests",
}


def parse(arguments: list[str]) -> dict[str, Any]:
    """Let the program's own parser read the arguments, without running anything; usage errors are raised."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("nightcrate", list(arguments))
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return dict(context.params)


def all_commands(command: Any, prefix: str = "nightcrate") -> Iterator[tuple[str, Any]]:
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from all_commands(inner, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", inner


COMMANDS = dict(all_commands(typer.main.get_command(app)))


def test_the_page_opens_with_the_picture_and_two_commands() -> None:
    picture, commands = README.index("```text"), README.index("```sh")
    assert README.index("# nightcrate") < picture < commands < 4_000
    block = README[commands:].split("```")[1]
    assert [line.split()[0] for line in block.splitlines()[1:]] == ["git", "make"]


@pytest.mark.parametrize("line", sorted(set(OURS)))
def test_every_command_is_understood(line: str) -> None:
    parameters = parse(shlex.split(line)[1:])
    if "recipe" in parameters:
        assert parameters["recipe"] in RECIPES
    if shlex.split(line)[1] in ("night", "plan"):
        config_path("night", parameters["config"])
    if line.startswith("nightcrate train") and parameters["config"]:
        config_path("train", parameters["config"])


def test_the_parser_would_notice_a_wrong_option() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["search", "bass", "--no-such-option"])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_explained_and_on_the_page(name: str) -> None:
    assert (COMMANDS[name].help or "").strip(), "no help"
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", "") or parameter.name == "help", f"{parameter.name} has no help"
    assert re.search(rf"{re.escape(name)}(?![\w-])", README), "not in README.md"


def test_every_make_target_exists() -> None:
    targets = {
        line.split()[1] for line in [*SHELL_LINES, *re.findall(r"`(make [^`]+)`", README)] if line.startswith("make ")
    }
    assert {"night", "test", "test-slow", "lint"} <= targets
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_every_module_that_is_run_exists() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", README)) - {"venv", "pip"}
    assert {"flows.train", "flows.ledger"} <= modules
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_every_file_named_in_the_checkout_exists() -> None:
    named = re.findall(r"`((?:configs|constraints|\.ci)/[\w./-]+|LICENSE)`", README)
    assert named
    assert [name for name in named if "*" not in name and not (ROOT / name).exists()] == []


def is_run(line: str) -> bool:
    return not line.startswith(tuple(NOT_RUN))


def test_every_excuse_is_needed() -> None:
    assert [excuse for excuse in NOT_RUN if not any(line.startswith(excuse) for line in SHELL_LINES)] == []


# -------------------- slow: a new user's evening


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the page in a folder, as after `. .venv/bin/activate`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTCRATE_", "PYTEST_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    if line.startswith("make night"):
        line = f"make -C {shlex.quote(str(ROOT))} night LIBRARY={shlex.quote(str(folder / 'library'))}"
    return subprocess.run(
        line, shell=True, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=1_500
    )


@pytest.mark.slow
@pytest.mark.timeout(2_400)
def test_the_page_is_followed_from_top_to_bottom(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / ".installed").is_file():
        pytest.skip("this checkout was not installed by make; run make test-slow")
    assert shutil.which("make")
    time_s = np.arange(9_600) / 48_000
    snare = np.random.default_rng(0).standard_normal(9_600) * np.exp(-time_s / 0.05)
    write_clip(tmp_path / "my-snare.wav", Clip((snare / np.abs(snare).max()).astype(np.float32)[None], 48_000))
    ran = 0
    for line in filter(is_run, SHELL_LINES):
        done = shell(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
        assert "Traceback" not in done.stderr, line
        assert done.stdout.strip(), f"{line} said nothing"
        ran += 1
    assert ran > 15
    assert (tmp_path / "library" / "nights" / "starter" / "index.html").is_file()
    assert {path.name for path in tmp_path.glob("*.zip")} == {"dark-basses.zip", "mallets.zip"}

    before = shell("nightcrate verify --json", tmp_path)
    started = time.monotonic()
    again = shell("make night", tmp_path)
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - started < 60, "a second night makes nothing and is quick"
    assert shell("nightcrate verify --json", tmp_path).stdout == before.stdout

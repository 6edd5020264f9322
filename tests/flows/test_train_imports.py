"""Training from the command line, on a machine without Prefect, SQLAlchemy, FAISS and typer; its mistakes.

tests/test_architecture.py imports every other recipe on such a machine.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flows.train import main, parse_overrides, run_recipe
from generation.training.record import portable
from tests.toy_corpus import write_toy_corpus

ROOT = Path(__file__).resolve().parents[2]
TOY_JUDGE = (
    "steps=2", "batch_size=4", "warmup_steps=0", "validate_every=2", "checkpoint_every=2", "widths=[4, 8]",
    "embedding_dim=8",
)  # fmt: skip

BLOCKER = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("prefect", "sqlalchemy", "alembic", "faiss", "typer", "fastapi"):
            raise ModuleNotFoundError(f"{name} is not on a bare GPU machine")
sys.meta_path.insert(0, Blocker())
"""


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BLOCKER + program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def settings(assignments: tuple[str, ...]) -> list[str]:
    return [part for each in assignments for part in ("--set", each)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpora") / "tones")


def test_the_blocker_blocks() -> None:
    done = python("import sqlalchemy")
    assert done.returncode == 1 and "is not on a bare GPU machine" in done.stderr


def test_a_recipe_trains_on_a_bare_machine(corpus: Path, tmp_path: Path) -> None:
    program = "import flows.train; raise SystemExit(flows.train.main())"
    out = tmp_path / "judge run"
    done = python(
        program, "judge", "--corpus", str(corpus), "--out", str(out), *settings((*TOY_JUDGE, "clip_norm=null"))
    )
    assert done.returncode == 0, done.stderr
    assert "step 2/2" in done.stderr and "valid" in done.stderr
    assert done.stdout.startswith(f"{out / 'model'}: 2 steps")
    facts = json.loads((out / "model/training.json").read_text())
    assert facts["recipe"] == "judge"
    assert facts["corpus"] == {
        "name": "toy corpus", "licence": "CC0-1.0", "attribution": "made by a test", "url": None,
    }  # fmt: skip
    assert facts["command"].startswith("nightcrate train judge --corpus tones --out judge --set steps=2 ")
    words = shlex.split(facts["command"])
    told = [word for flag, word in zip(words, words[1:], strict=False) if flag == "--set"]
    assert told == [*TOY_JUDGE, "clip_norm=null"], "as it was asked, so that it can be asked again"
    assert facts["parents"] == []
    assert str(tmp_path) not in json.dumps(facts) and str(corpus.parent) not in json.dumps(facts)


def test_a_parent_is_recorded_by_its_weights(tmp_path: Path) -> None:
    from flows.parents import parents_of
    from generation.training.recipes.chopan import Settings

    parent = tmp_path / "clip"
    parent.mkdir()
    (parent / "weights.bin").write_bytes(b"1")
    settings = Settings(steps=1, batch_size=1, learning_rate=0.1, clip=str(parent))
    assert parents_of(settings) == []
    (parent / "training.json").write_text(json.dumps({"recipe": "clip", "command": "c", "settings": {}}))
    (facts,) = parents_of(settings)
    assert (facts["recipe"], facts["command"], len(facts["fingerprint"])) == ("clip", "c", 64)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chopn"], "there is no recipe 'chopn'; did you mean 'chopan'? (known: audio-diffusion, "),
        (["judge", "--config", "juge"], "no train configuration 'juge'; did you mean 'judge'?"),
        (["judge", "--set", "stepz=3"], "judge.yaml with --set: unknown key 'stepz'; did you mean 'steps'?"),
        (["judge", "--set", "steps=many"], 'steps is "many"; it must be a whole number'),
        (["judge", "--set", "steps"], "--set steps: key=value is needed"),
        (["judge", "--set", "steps.x=1"], "--set steps.x: 'steps' has no inner settings"),
        (["judge", "--set", "betas=["], "--set betas: line 1"),
        (["judge", "--device", "cuda:99"], "cuda:99"),
        (["judge", "--device", "gpu"], "there is no device 'gpu'"),
        (["judge"], "no corpus here"),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "no corpus here", tmp_path / "out"
    status = main([arguments[0], "--corpus", str(corpus), "--out", str(out), *arguments[1:]])
    error = capsys.readouterr().err
    assert status == 1
    assert error.startswith("nightcrate: ") and error.count("\n") == 1
    assert told in error
    assert not out.exists()


def test_overrides_mean_what_they_mean_in_yaml() -> None:
    told = parse_overrides(["steps=20", "betas=[0.9, 0.99]", "clip_norm=null", "clip=a=b", "learning_rate=1e-3"])
    assert told == {
        "steps": 20, "betas": [0.9, 0.99], "clip_norm": None, "clip": "a=b", "learning_rate": 0.001,
    }  # fmt: skip


def test_a_run_goes_on_where_it_was(corpus: Path, tmp_path: Path) -> None:
    overrides = parse_overrides(TOY_JUDGE)
    assert run_recipe("judge", overrides, corpus, tmp_path, device="cpu").resumed_from is None
    assert run_recipe("judge", overrides, corpus, tmp_path, device="cpu").resumed_from == 2


def test_records_name_no_place() -> None:
    told = portable({"clip": "/home/someone/runs/clip", "paths": [Path("/a/b"), "c/d"], "steps": 3, "none": None})
    assert told == {"clip": "clip", "paths": ["b", "c/d"], "steps": 3, "none": None}

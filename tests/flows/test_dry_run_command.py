"""`--dry-run` from both command lines: figures for people and machines, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import train
from tests.flows.command_line import run as nightcrate
from tests.toy_corpus import write_toy_corpus

TOY = [
    part
    for each in ("steps=40", "batch_size=4", "widths=[4, 8]", "embedding_dim=8", "ema_decay=null")
    for part in ("--set", each)
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpora") / "tones")


def module(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = train.main(list(arguments)[1:])
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, error = capsys.readouterr()
    return status, out, error


BOTH = pytest.mark.parametrize("run", [nightcrate, module])


@BOTH
def test_it_says_what_a_run_takes_and_writes_nothing(
    run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "judge", "--corpus", str(corpus), "--device", "cpu", "--dry-run", *TOY]
    status, out, _ = run(capsys, *arguments, "--out", "run", "--at-tflops", "100", "--json")
    assert status == 0
    facts = json.loads(out)
    assert (facts["recipe"], facts["steps"], facts["device"], facts["at_tflops"]) == ("judge", 40, "cpu", 100.0)
    assert facts["hours"] == pytest.approx(40 * facts["step_s"] / 3600) and facts["average_bytes"] == 0
    assert facts["hours_at_tflops"] == pytest.approx(40 * facts["tflop_a_step"] / 100 / 3600)
    assert sum(part["trained"] for part in facts["parts"]) * 4 == facts["gradients_bytes"] > 0
    assert facts["activations_bytes"] > 0 and list(tmp_path.iterdir()) == []
    status, out, _ = run(capsys, *arguments)
    assert status == 0 and out.startswith("judge on cpu: 40 steps of 4 items")
    assert list(tmp_path.iterdir()) == []


@BOTH
@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "--out"),
        (["--out", "x", "--at-tflops", "100"], 2, "--dry-run"),
        (["--dry-run", "--at-tflops", "0"], 1, "--at-tflops 0: a number above 0 is needed"),
        (["--dry-run", "--set", "steps=many"], 1, "steps is"),
    ],
)
def test_mistakes_are_told(
    run, arguments: list[str], status: int, told: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, error = run(capsys, "train", "judge", "--corpus", str(corpus), "--device", "cpu", *arguments)
    assert ended == status and told in error


@BOTH
def test_a_finished_run_answers_in_json(run, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    short = ["--set", "steps=1", "--set", "warmup_steps=0", "--json"]
    arguments = ["train", "judge", "--corpus", str(corpus), "--out", str(out), "--device", "cpu", *TOY, *short]
    status, told, error = run(capsys, *arguments)
    assert status == 0, error
    facts = json.loads(told)
    assert facts["steps"] == 1 and facts["folder"] == str(out / "model") and "valid_family_accuracy" in facts["figures"]

"""A real recipe in two processes that accelerate's launcher starts: the same training, killed or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from flows.train import parse_overrides, run_recipe
from generation.training.checkpoint import Checkpoint, load_checkpoint
from tests.toy_corpus import write_toy_corpus

ROOT = Path(__file__).resolve().parents[2]
STEPS = 40
SMALL_JUDGE = (
    f"steps={STEPS}", "batch_size=4", "warmup_steps=2", "validate_every=20", "checkpoint_every=5", "ema_decay=0.9",
    "widths=[4, 8]", "embedding_dim=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpora") / "tones")


def launch(corpus: Path, out: Path) -> subprocess.Popen[str]:
    """Start a training in two processes, in a process group of its own."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--main_process_port", "0", "-m", "flows.train"]
    command = ["judge", "--corpus", str(corpus), "--out", str(out), "--device", "cpu"]
    command += [part for each in SMALL_JUDGE for part in ("--set", each)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        launcher + command, env=environment, cwd=out.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def state(out: Path) -> Checkpoint:
    return load_checkpoint(out / "last.ckpt")


@pytest.fixture(scope="module")
def two(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A whole run in two processes: its folder, its output, its errors."""
    out = tmp_path_factory.mktemp("two") / "run"
    process = launch(corpus, out)
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    return out, told, errors


def test_two_processes_train_as_one_that_accumulates(corpus: Path, two: tuple[Path, str, str], tmp_path: Path) -> None:
    out, told, errors = two
    overrides = {**parse_overrides(SMALL_JUDGE), "accumulation": 2}
    run_recipe("judge", overrides, corpus, tmp_path / "one", device="cpu")
    both, single = state(out), state(tmp_path / "one")
    assert (both.processes, both.step, single.processes) == (2, STEPS, 1)
    assert both.average is not None and single.average is not None
    learned = [name for name in both.module if "running" not in name and "num_batches" not in name]
    assert learned
    for name in learned:
        torch.testing.assert_close(both.module[name], single.module[name], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(both.average[name], single.average[name], rtol=1e-3, atol=1e-5)
    assert told == f"{out / 'model'}: {STEPS} steps, {both.trained_s:.0f} s of training\n"
    assert errors.count(f"step {STEPS}/{STEPS}") == 1
    assert errors.count("/train: holds no example of") == 1  # a notice of the toy corpus


@pytest.mark.slow
def test_two_processes_that_were_killed_go_on_bit_for_bit(
    corpus: Path, two: tuple[Path, str, str], tmp_path: Path
) -> None:
    whole, _, _ = two
    out = tmp_path / "run"
    launcher = launch(corpus, out)
    while launcher.poll() is None and not (out / "last.ckpt").exists():
        time.sleep(0.002)
    # torch's launcher gives each worker a session of its own, where a kill of the launcher's does not reach it.
    family = psutil.Process(launcher.pid).children(recursive=True)
    for process in [*family, launcher]:
        process.send_signal(signal.SIGKILL)
    launcher.communicate()
    assert len(family) == 2 and launcher.returncode == -signal.SIGKILL
    assert 0 < state(out).step < STEPS and not (out / "model").exists()
    again = launch(corpus, out)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    killed, uninterrupted = state(out), state(whole)
    assert killed.module.keys() == uninterrupted.module.keys()
    assert all(torch.equal(killed.module[name], tensor) for name, tensor in uninterrupted.module.items())
    assert killed.average is not None and uninterrupted.average is not None
    assert all(torch.equal(killed.average[name], tensor) for name, tensor in uninterrupted.average.items())

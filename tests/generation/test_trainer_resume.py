"""Runs that were stopped go on bit for bit, and only in their own folder under their own settings."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from generation.errors import TrainingError
from generation.training.trainer import CHECKPOINT, train
from tests.generation.toy_training import (
    STEPS,
    Stop,
    StoppingTask,
    ToyTask,
    equal,
    exported,
    run,
    toy_settings,
    train_and_tell,
    without_time,
)


def killed_near(out: Path, target: int, delay_s: float) -> int | None:
    """Train in another process, kill it `delay_s` after step `target` if it comes there; give the exit code."""
    # One process imports torch, and each run is forked from it.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.generation.toy_training"])
    listener, teller = processes.Pipe(duplex=False)
    process = processes.Process(target=train_and_tell, args=(out, teller))
    process.start()
    teller.close()
    with contextlib.suppress(EOFError):
        while listener.recv() < target:
            pass
        time.sleep(delay_s)
        process.kill()
    process.join()
    return process.exitcode


def test_killed_at_random_steps_and_resumed_it_ends_with_equal_weights(tmp_path: Path) -> None:
    train(ToyTask(toy_settings()), toy_settings(), tmp_path / "whole")
    chance = random.Random()
    targets = sorted(chance.sample(range(8, STEPS - 30), 3))
    for target in targets:
        # Somewhere in the next steps: in a forward pass, in a checkpoint being written, between two rows.
        assert killed_near(tmp_path / "killed", target, chance.uniform(0, 0.01)) == -signal.SIGKILL
        assert not (tmp_path / "killed/model").exists()
    assert killed_near(tmp_path / "killed", STEPS + 1, 0) == 0
    assert equal(exported(tmp_path / "killed"), exported(tmp_path / "whole")), f"killed near steps {targets}"
    assert without_time(tmp_path / "killed") == without_time(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        ".lock", CHECKPOINT, "losses.csv", "losses.png", "model",
    ]  # fmt: skip


@pytest.mark.parametrize("stop_at", [3, 7, 14, 16, 29])
def test_stopped_before_on_and_after_a_checkpoint(tmp_path: Path, stop_at: int) -> None:
    run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "parts", StoppingTask(toy_settings(), stop_at))
    result = run(tmp_path / "parts")
    assert result.resumed_from == (stop_at // 7 * 7 or None)
    assert equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))
    assert without_time(tmp_path / "parts") == without_time(tmp_path / "whole")


def test_a_finished_run_is_exported_again_without_training(tmp_path: Path) -> None:
    run(tmp_path)
    before = exported(tmp_path)
    result = run(tmp_path, StoppingTask(toy_settings(), 0))
    assert result.resumed_from == result.steps == 30
    assert equal(exported(tmp_path), before)


def test_other_settings_do_not_resume(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(TrainingError, match=r"holds a run with learning_rate=0.01, not 0.02; ask for the same"):
        run(tmp_path, learning_rate=0.02)
    assert run(tmp_path, checkpoint_every=10).resumed_from == 30


def test_another_network_does_not_resume(tmp_path: Path) -> None:
    run(tmp_path)
    other = ToyTask(toy_settings())
    other.module = torch.nn.Linear(8, 1)
    with pytest.raises(TrainingError, match="holds another network"):
        run(tmp_path, other)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="another training is writing there"):
            run(tmp_path)
    assert run(tmp_path).steps == 30


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        run(tmp_path / "file")

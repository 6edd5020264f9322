"""Several processes that train together: same steps as one with accumulation, one writer, one fate.

They get the environment that torchrun gives; tests/flows/test_train_processes.py goes through the launcher itself.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import socket
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.launched import own_device
from generation.training.trainer import CHECKPOINT, TrainSettings, train
from tests.generation.toy_training import STEPS, ToyTask, exported, rows, run, toy_settings


class Pathed(ToyTask):
    """A layer gets a gradient in odd micro-batches alone; a micro-batch may be NaN; remembers which ones came.

    No bias before batch norm: its gradient is 0 but for rounding, which AdamW would blow up into whole steps.
    """

    def __init__(self, settings: TrainSettings, nan_at: int | None = None) -> None:
        super().__init__(settings)
        self.nan_at = nan_at
        self.seen: list[int] = []
        main = torch.nn.Sequential(torch.nn.Linear(8, 16, bias=False), *list(self.module.children())[1:])
        self.module = torch.nn.ModuleDict({"main": main, "odd": torch.nn.Linear(8, 1)})

    def batch(self, index: int) -> Any:
        self.seen.append(index)
        return super().batch(index)

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        x, y = batch
        found = self.module["main"](x)  # type: ignore[index]
        if self.seen[-1] % 2:
            found = found + self.module["odd"](x)  # type: ignore[index]
        loss = ((found - y) ** 2).mean()
        if self.seen[-1] == self.nan_at:
            loss = loss * math.nan
        return loss, {"mae": float((found - y).detach().abs().mean())}

    def validate(self) -> dict[str, float]:
        return {"mae": float((self.module["main"](self.x) - self.y).abs().mean())}  # type: ignore[index]


def _one_of(
    count: int, rank: int, port: int, out: Path, changes: dict[str, Any], task: Any, teller: Connection
) -> None:
    """What one process does: train, and tell its micro-batches, its weights or the error."""
    torch.set_num_threads(1)
    where = {"WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in where.items()})
    settings = toy_settings(**{"steps": 30, **changes})
    made = Pathed(settings, **task)
    if rank:
        with torch.no_grad():  # the first process's start is what counts
            for parameter in made.module.parameters():
                parameter.add_(1.0)
    told = 0

    def count_told(_: Any) -> None:
        nonlocal told
        told += 1

    try:
        result = train(made, settings, out, progress=count_told)
    except TrainingError as error:
        teller.send(str(error))
        return
    weights = {name: tensor.numpy() for name, tensor in made.module.state_dict().items()}
    teller.send((made.seen, weights, dict(result.figures), told))


def together(out: Path, count: int = 2, task: dict[str, Any] | None = None, **changes: Any) -> list[Any]:
    """Train in `count` processes; return what each told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["tests.generation.toy_training"])
    told = []
    started = []
    for rank in range(count):
        listener, teller = forked.Pipe(duplex=False)
        arguments = (count, rank, port, out, changes, task or {}, teller)
        process = forked.Process(target=_one_of, args=arguments)
        process.start()
        teller.close()
        started.append(process)
        told.append(listener)
    answers = [listener.recv() for listener in told]
    for process in started:
        process.join()
    return answers


def test_two_processes_are_one_that_accumulates(tmp_path: Path) -> None:
    first, second = together(tmp_path / "two", accumulation=2)
    alone = Pathed(toy_settings())
    run(tmp_path / "one", alone, accumulation=4)
    assert first[0] == list(range(0, 120, 2)) and second[0] == list(range(1, 120, 2))
    assert (first[3], second[3]) == (30, 0)  # progress
    assert first[2] == second[2]  # the figures of the result
    two, one = (load_checkpoint(tmp_path / out / CHECKPOINT) for out in ("two", "one"))
    assert set(two.module) == set(one.module)
    for name, _ in alone.module.named_parameters():
        torch.testing.assert_close(two.module[name], one.module[name], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(two.average[name], one.average[name], rtol=1e-4, atol=1e-5)  # type: ignore[index]
    # The second process never averages; it ends with the weights, and batch norm's statistics, of the first.
    assert second[1].keys() == two.module.keys()
    assert all(torch.equal(torch.from_numpy(second[1][name]), tensor) for name, tensor in two.module.items())
    for both, single in zip(rows(tmp_path / "two")[1:], rows(tmp_path / "one")[1:], strict=True):
        for name in ("loss", "mae", "grad_norm"):
            assert float(both[name]) == pytest.approx(float(single[name]), rel=1e-3)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        ".lock", CHECKPOINT, "losses.csv", "losses.png", "model",
    ]  # fmt: skip
    assert exported(tmp_path / "two").keys() == exported(tmp_path / "one").keys()


def test_a_run_may_be_shared_otherwise_when_it_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 21: the loss became nan"):
        run(tmp_path, Pathed(toy_settings(), nan_at=40), accumulation=2)
    told = together(tmp_path)
    assert [each[0] for each in told] == [list(range(28, 60, 2)), list(range(29, 60, 2))]
    message = "holds a run with accumulation=1 in 2 processes, not 1 in 1 process"
    with pytest.raises(TrainingError, match=message):
        run(tmp_path, Pathed(toy_settings()))


def test_nan_in_one_process_stops_all_with_the_same_words(tmp_path: Path) -> None:
    first, second = together(tmp_path, task={"nan_at": 31})
    assert first == second
    assert first.startswith("step 16: the loss became nan; the last good checkpoint stays in ")
    assert load_checkpoint(tmp_path / CHECKPOINT).step == 14


def test_what_stops_the_first_process_stops_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    first, second = together(tmp_path / "file")
    assert first == second and "cannot be written" in first
    first, second = together(tmp_path / "run", best_by="scor")
    assert first == second == "best_by: there is no validation figure 'scor' (known: mae)"


def test_each_process_has_the_device_its_launcher_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_device("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert [own_device(name) for name in ("cuda", "cuda:1", "cpu")] == ["cuda:3", "cuda:1", "cpu"]


def test_a_launcher_that_starts_one_process_for_two_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert run(tmp_path / "one").steps < STEPS
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(TrainingError, match="asked for several processes and started one, as it does with --cpu"):
        run(tmp_path / "two")

"""The folder of a run: held by one training at a time, and gone on with under the settings it was begun with."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generation.errors import TrainingError
from generation.training.checkpoint import Checkpoint
from generation.training.settings import TrainSettings

# They change nothing in the steps themselves. Accumulation is compared together with the number of processes.
_FREE = {"checkpoint_every", "sample_every", "export_weights", "accumulation"}


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold `out` for this training alone; the lock dies with the process, so a kill leaves none behind.

    What a killed training was writing is removed.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("wb")
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"{out}: another training is writing there; wait for it or choose another folder"
            ) from None
        for leftover in out.glob(".*.tmp"):
            if leftover.is_file():
                leftover.unlink(missing_ok=True)
        yield


def check_same_run(out: Path, checkpoint: Checkpoint, settings: TrainSettings, processes: int) -> None:
    """Raise TrainingError unless a run under these settings takes the checkpoint's remaining steps.

    A step must see as many micro-batches; how they are shared between processes does not matter.
    """
    before, now = json.loads(checkpoint.settings), json.loads(settings.model_dump_json())
    changed = [key for key in now if key not in _FREE and before.get(key) != now[key]]
    if changed:
        key = changed[0]
        raise TrainingError(
            f"{out}: holds a run with {key}={before.get(key)}, not {now[key]}; "
            "ask for the same settings to resume it, or start in another folder"
        )
    if before["accumulation"] * checkpoint.processes != settings.accumulation * processes:
        raise TrainingError(
            f"{out}: holds a run with accumulation={before['accumulation']} in {_count(checkpoint.processes)}, not "
            f"{settings.accumulation} in {_count(processes)}; a step must see as many micro-batches, "
            "or start in another folder"
        )


def _count(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"

"""What a launcher of several processes (torchrun, accelerate launch) tells each of them through the environment."""

from __future__ import annotations

import os


def process_count() -> int:
    """How many processes train together: 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process speaks for all that were launched together; True for one alone."""
    return int(os.environ.get("RANK", "0")) == 0


def own_device(device: str) -> str:
    """Return the device of this process: of plain "cuda" the one that the launcher gave it."""
    own = os.environ.get("LOCAL_RANK")
    return f"cuda:{own}" if device == "cuda" and own is not None else device


def was_launched_alone() -> bool:
    """Whether accelerate was asked for several processes and started one, as it does with --cpu and without MPI.

    It then names a place to meet, but no number of processes (accelerate 1.15, prepare_simple_launcher_cmd_env).
    """
    return "WORLD_SIZE" not in os.environ and {"ACCELERATE_USE_CPU", "MASTER_PORT"} <= os.environ.keys()

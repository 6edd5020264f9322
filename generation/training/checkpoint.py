"""The file a training run resumes from: written whole or not at all, read without running any code in it."""

from __future__ import annotations

import os
import pickle
import secrets
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from generation.errors import TrainingError

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Everything the loop needs to go on as if it had never stopped.

    step: optimiser steps done. module, average: trained weights and buffers by name (average is None
    without EMA). optimiser: its state_dict. rng: torch's generator states by device type ("cpu", "cuda"),
    uint8. settings: the run's settings as JSON. trained_s: seconds of training so far.
    losses_bytes: length of losses.csv at this step; what stands beyond it belongs to lost steps.
    """

    step: int
    module: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor] | None
    optimiser: dict[str, Any]
    rng: dict[str, torch.Tensor]
    settings: str
    trained_s: float
    losses_bytes: int


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: temporary name in the same folder, fsync, rename, fsync of the folder.

    Raises TrainingError when the disk refuses; the previous checkpoint then stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    # Not asdict: it would copy every tensor.
    content = {
        "format": FORMAT,
        **{field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)},
    }
    try:
        try:
            with temporary.open("xb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as RuntimeError.
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error}); free some space and resume"
        ) from error


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a checkpoint with weights_only (tensors, numbers and text; no pickled code can run).

    Generator states stay on the CPU, where torch wants them; all other tensors go to `device`.
    Raises TrainingError when the file is damaged or of another format.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if content.pop("format") != FORMAT:
            raise TrainingError(f"{path}: is a checkpoint of another format; start the run in another folder")
        content["rng"] = {name: state.cpu() for name, state in content["rng"].items()}
        return Checkpoint(**content)
    except (
        OSError,
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise TrainingError(
            f"{path}: is not a checkpoint that can be read ({_first_line(error)}); "
            "remove it to start over, or start in another folder"
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__

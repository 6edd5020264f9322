"""The file a training run resumes from: written whole or not at all, read without running any code in it."""

from __future__ import annotations

import os
import pickle
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from generation.audio import sync_path
from generation.errors import TrainingError

FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Everything the loop needs to go on as if it had never stopped.

    step: optimiser steps done. module, average: trained weights and buffers by name (average is None
    without EMA). optimiser: its state_dict. scaler: of the fp16 loss, else empty. best: step and figure of the
    best weights so far (see generation.training.best_weights), or None. processes: how many trained together.
    settings: the run's settings as JSON. trained_s: seconds of training so far. losses_bytes: length of losses.csv
    at this step; what stands beyond it belongs to lost steps. Generators are not in it, since every micro-batch
    seeds them anew.
    """

    step: int
    module: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor] | None
    optimiser: dict[str, Any]
    scaler: dict[str, Any]
    best: dict[str, float] | None
    processes: int
    settings: str
    trained_s: float
    losses_bytes: int


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as write_whole does."""
    # Not asdict: it would copy every tensor.
    content = {
        "format": FORMAT,
        **{field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)},
    }
    write_whole(path, lambda temporary: torch.save(content, temporary))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a file under a temporary name, force it to the disk, and put it in the place of `path`.

    Raises TrainingError when the disk refuses; what was at `path` then stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            write(temporary)
            sync_path(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_path(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch and safetensors report a full disk as errors of their own.
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({_first_line(error)}); free some space and resume"
        ) from error


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a checkpoint with weights_only (tensors, numbers and text; no pickled code can run).

    Tensors go to `device`. Raises TrainingError when the file is damaged or of another format.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if content.pop("format") != FORMAT:
            raise TrainingError(f"{path}: is a checkpoint of another format; start the run in another folder")
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

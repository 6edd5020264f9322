"""LAION's own CLAP checkpoints (630k-audioset-best.pt, music_speech_epoch_15_esc_89.25.pt), opened safely.

A .pt file is a pickle, and a pickle may run anything. These are read with torch's weights-only reader, which
builds tensors and plain containers; what the training script saved beside them (a learning rate as a numpy
number) is allowed by name. What kind of network the weights belong to is read off their shapes.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catalog.errors import EmbedderError

# Width of the first patch embedding of each audio tower in laion_clap's htsat.py.
_AUDIO_TOWERS = {96: "HTSAT-tiny", 128: "HTSAT-base", 256: "HTSAT-large"}
_FUSION_KEY = "audio_branch.patch_embed.mel_conv2d.weight"
_PATCHES = "audio_branch.patch_embed.proj.weight"
_WORDS = "text_branch.embeddings.word_embeddings.weight"
_POSITIONS = "text_branch.embeddings.position_embeddings.weight"
_TOKEN_TYPES = "text_branch.embeddings.token_type_embeddings.weight"
_FIRST_DENSE = "text_branch.encoder.layer.0.intermediate.dense.weight"
_LAST_PROJECTION = "audio_projection.2.weight"
_NEEDED = (_PATCHES, _WORDS, _POSITIONS, _TOKEN_TYPES, _FIRST_DENSE, _LAST_PROJECTION)
# transformers keeps this counter out of state dicts since 4.31; every published checkpoint still holds it.
_OBSOLETE = "text_branch.embeddings.position_ids"
_PARALLEL_PREFIX = "module."
# torch.load has no error of its own: a damaged file surfaces as whatever its parts stumble over first.
_UNREADABLE = (
    pickle.UnpicklingError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
)


@dataclass(frozen=True)
class TextTower:
    """Sizes of the RoBERTa encoder that the weights belong to."""

    vocabulary: int
    width: int
    layers: int
    dense_width: int
    positions: int


@dataclass(frozen=True, eq=False)
class LaionCheckpoint:
    """Weights of one CLAP under laion_clap's own parameter names, and what they belong to.

    audio_tower: name of laion_clap's model configuration. dim: size of the joint vectors.
    """

    weights: dict[str, torch.Tensor]
    audio_tower: str
    text_tower: TextTower
    dim: int


def read_laion_checkpoint(path: Path) -> LaionCheckpoint:
    """Read a checkpoint of LAION's training script, or the bare weights of one, on the CPU.

    Raises EmbedderError, one line, when the file is missing, is no checkpoint, wants to run code, holds other
    weights than a CLAP of HTS-AT and RoBERTa, or a fusion model (made for audio longer than 10 s).
    """
    if not path.is_file():
        raise EmbedderError(f"{path}: there is no such file; a .pt checkpoint of LAION's CLAP is needed")
    content = _load(path)
    weights = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise EmbedderError(f"{path}: holds no named weights; a .pt checkpoint of LAION's CLAP is needed")
    weights = {key.removeprefix(_PARALLEL_PREFIX): value for key, value in weights.items()}
    weights.pop(_OBSOLETE, None)
    if _FUSION_KEY in weights:
        raise EmbedderError(f"{path}: is a fusion model, made for audio longer than 10 s; use 630k-audioset-best.pt")
    missing = [key for key in _NEEDED if not isinstance(weights.get(key), torch.Tensor)]
    if missing:
        raise EmbedderError(
            f"{path}: has no {missing[0]}; a .pt checkpoint of LAION's CLAP with HTS-AT and RoBERTa is needed"
        )
    return LaionCheckpoint(
        weights, _audio_tower(path, weights), _text_tower(path, weights), weights[_LAST_PROJECTION].shape[0]
    )


def _load(path: Path) -> object:
    """Unpickle tensors, plain containers and numpy numbers; refuse all else."""
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        wanted = re.search(r"GLOBAL (\S+) (?:was not|whose module)", str(error))
        what = f"wants to run {wanted[1]}" if wanted else "is damaged or of another kind"
        raise EmbedderError(f"{path}: no checkpoint of plain tensors ({what}); fetch LAION's file again") from error


def _numpy_numbers() -> list[Any]:
    """Name what a pickled numpy number is made of, under the names of numpy 1 and numpy 2."""
    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = {type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)}
    return [*((scalar, name) for name in names), np.dtype, *kinds]


def _audio_tower(path: Path, weights: dict[str, torch.Tensor]) -> str:
    width = weights[_PATCHES].shape[0]
    if width not in _AUDIO_TOWERS:
        known = ", ".join(f"{name} {size}" for size, name in _AUDIO_TOWERS.items())
        raise EmbedderError(f"{path}: its audio patches are {width} wide; known towers: {known}")
    return _AUDIO_TOWERS[width]


def _text_tower(path: Path, weights: dict[str, torch.Tensor]) -> TextTower:
    if weights[_TOKEN_TYPES].shape[0] != 1:
        raise EmbedderError(f"{path}: its text tower is not RoBERTa; use a checkpoint trained with roberta")
    layer = re.compile(r"text_branch\.encoder\.layer\.(\d+)\.")
    layers = {found[1] for key in weights if (found := layer.match(key))}
    vocabulary, width = weights[_WORDS].shape
    return TextTower(vocabulary, width, len(layers), weights[_FIRST_DENSE].shape[0], weights[_POSITIONS].shape[0])

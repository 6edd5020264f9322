"""Weights of published judges, opened safely: the file's hash first, then tensors only, never code.

A .pth file is a pickle, and a pickle may run anything. It is read with torch's weights-only reader, which builds
tensors and plain containers; the numpy arrays that a training script left beside the weights (the state of its
sampler) are allowed by name, and for the time of that one reading. What was read is kept as safetensors beside the
file, with the hash of where it came from, so that the pickle need not be opened again. Nothing is downloaded here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from catalog.errors import EmbedderError
from generation.audio import AudioError, file_sha256, write_bytes

logger = logging.getLogger(__name__)

SAFETENSORS = ".safetensors"
_METADATA_KEY = "nightcrate"  # one key alone: several would be written in random order
# torch.load has no error of its own: a damaged file surfaces as whatever its parts stumble over first.
_UNREADABLE = (
    pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError,
    AttributeError,
)  # fmt: skip


@dataclass(frozen=True)
class PublishedFile:
    """A file of weights as its authors published it.

    sha256: of the whole file, 64 hex digits. judge: what `nightcrate models fetch` calls it. address: where its authors
    keep it. holds: its tensors in words, by which people can tell it. wrapped_in: the key under which the file keeps
    its weights, None where the file is nothing but weights. numpy_arrays: whether numpy int64 arrays lie beside them.
    """

    name: str
    sha256: str
    judge: str
    address: str
    holds: str = ""
    wrapped_in: str | None = None
    numpy_arrays: bool = False

    @property
    def described(self) -> str:
        """The file in words: its name, its hash and what it holds."""
        return f"{self.name} (sha256 {self.sha256[:16]}...{'; ' if self.holds else ''}{self.holds})"


@dataclass(frozen=True, eq=False)
class PublishedWeights:
    """Tensors by their original names, on the CPU; origin_sha256: hash of the published file they were read from."""

    tensors: dict[str, torch.Tensor]
    origin_sha256: str


def find_published(place: Path, published: PublishedFile) -> Path:
    """The file of weights that `place` is, or that lies in the folder `place`: the safetensors form before the .pth.

    Raises EmbedderError, one line that describes the file, when there is none.
    """
    if place.is_file():
        return place
    if place.is_dir():
        for name in (Path(published.name).with_suffix(SAFETENSORS).name, published.name):
            if (place / name).is_file():
                return place / name
    what = "does not hold it" if place.is_dir() else "there is no such file"
    raise EmbedderError(
        f"{place}: {what}; needed is {published.described} or its safetensors form; fetch it: nightcrate models fetch "
        f"{published.judge}, or get {published.address}"
    )


def read_published_weights(path: Path, published: PublishedFile, sha256: str | None) -> PublishedWeights:
    """Read the published .pth file, or the safetensors file that `keep_as_safetensors` made of it.

    `sha256` is what the published file must have; None takes any file. A safetensors file counts by the hash that it
    records of its origin, or by its own where it records none; that it still holds the weights which were written with
    that record is checked where the record says so. Raises EmbedderError, one line, when the file is missing, has
    another hash, is damaged, wants to run code or holds no named weights.
    """
    if not path.is_file():
        raise EmbedderError(f"{path}: there is no such file; {published.described} or its safetensors form is needed")
    if path.suffix == SAFETENSORS:
        weights = _read_safetensors(path)
        _check_hash(path, published, weights.origin_sha256, sha256)
        return weights
    origin = _sha256(path)
    _check_hash(path, published, origin, sha256)
    content = _unpickle(path, published)
    if published.wrapped_in is not None and isinstance(content, dict):
        content = content.get(published.wrapped_in)
    named = isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    )
    if not isinstance(content, dict) or not named or not content:
        raise EmbedderError(f"{path}: holds no named weights; {published.name} is needed")
    return PublishedWeights(dict(content), origin)


def load_into(net: torch.nn.Module, weights: PublishedWeights, path: Path, published: PublishedFile) -> None:
    """Load weights into a network whose names and shapes they must have, every one. Raises EmbedderError else."""
    wanted = net.state_dict()
    offences: Mapping[str, list[str]] = {
        "lacks": sorted(wanted.keys() - weights.tensors.keys()),
        "has a strange": sorted(weights.tensors.keys() - wanted.keys()),
    }
    for complaint, names in offences.items():
        if names:
            rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise EmbedderError(f"{path}: {complaint} {names[0]}{rest}; {published.name} is needed")
    for name, tensor in wanted.items():
        came = weights.tensors[name]
        if came.shape != tensor.shape:
            raise EmbedderError(
                f"{path}: {name} is {list(came.shape)}, {list(tensor.shape)} is needed; use {published.name}"
            )
    net.load_state_dict(weights.tensors)


def keep_as_safetensors(path: Path, weights: PublishedWeights) -> None:
    """Write weights as safetensors beside the .pth file they came from, once; a folder that refuses is no error."""
    beside = path.with_suffix(SAFETENSORS)
    if beside.exists():
        return
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors.items()}
    known = {
        "origin": path.name,
        "origin_sha256": weights.origin_sha256,
        "tensors_sha256": _tensors_sha256(tensors),
    }
    about = json.dumps(known, sort_keys=True)
    try:
        write_bytes(beside, save(tensors, {_METADATA_KEY: about}))
    except AudioError as error:
        logger.warning("the weights stay a pickle: %s", error)


def hold_same_weights(path: Path, beside: Path, published: PublishedFile) -> bool:
    """Whether a safetensors file holds the very tensors of the published file at `path`. Raises EmbedderError."""
    try:
        kept = _read_safetensors(beside).tensors
    except EmbedderError:
        return False
    whole = read_published_weights(path, published, published.sha256).tensors
    return kept.keys() == whole.keys() and all(torch.equal(kept[name], whole[name]) for name in whole)


def _read_safetensors(path: Path) -> PublishedWeights:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_METADATA_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        origin = about.get("origin_sha256")
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        raise EmbedderError(f"{path}: no safetensors file, or a damaged one ({error})") from error
    if origin is None:
        return PublishedWeights(tensors, _sha256(path))
    # Files of earlier versions record no hash of what they hold.
    if about.get("tensors_sha256") not in (None, _tensors_sha256(tensors)):
        raise EmbedderError(f"{path}: does not hold the weights that were written into it; remove it")
    return PublishedWeights(tensors, str(origin))


def _tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash of names, types, shapes and values, whatever their order in a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_hash(path: Path, published: PublishedFile, came: str, wanted: str | None) -> None:
    if wanted is not None and came != wanted.lower():
        raise EmbedderError(
            f"{path}: has sha256 {came[:16]}..., {wanted[:16]}... is needed; fetch {published.name} again, "
            "or give the sha256 of another file that you trust"
        )


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except AudioError as error:
        raise EmbedderError(str(error)) from error


def _unpickle(path: Path, published: PublishedFile) -> object:
    """Unpickle tensors, plain containers and, where the file has them, int64 arrays; refuse all else."""
    try:
        with torch.serialization.safe_globals(_int64_arrays() if published.numpy_arrays else []):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        wanted = re.search(r"GLOBAL (\S+) (?:was not|whose module)", str(error))
        what = f"wants to run {wanted[1]}" if wanted else "is damaged or of another kind"
        raise EmbedderError(f"{path}: no file of plain tensors ({what}); fetch {published.name} again") from error


def _int64_arrays() -> list[Any]:
    """Name what a pickled int64 array is made of, under the names of numpy 1 and numpy 2."""
    reconstruct = np.zeros(0).__reduce__()[0]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    return [*((reconstruct, name) for name in names), np.ndarray, np.dtype, type(np.dtype(np.int64))]

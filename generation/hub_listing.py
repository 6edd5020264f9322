"""Which files of a hub repository are fetched: the safe ones that a loader opens, and no second copy of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath

from generation.errors import HubError

SAFE_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Formats that run no code when they are opened."""

_WEIGHTS = ".safetensors"
_UNSAFE_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".h5", ".msgpack")
_TANGO_WEIGHTS = "pytorch_model_main.bin"
_PIPELINE = "model_index.json"
UNUSED_FOLDERS = ("safety_checker",)
"""Never loaded: it takes spectrograms for indecent pictures (generation.pipelines.riffusion)."""
VARIANTS = ("fp16", "bf16", "non_ema")
"""diffusers' names for weights in half precision, or not averaged, beside the usual ones; the best first."""
_VARIANT = re.compile(rf"\.({'|'.join(VARIANTS)})(?=[.-])")


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it: sha256 where it is stored by hash, else the id of its git blob."""

    path: str
    bytes: int
    sha256: str | None
    git_id: str


def needed_files(repo: str, files: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Choose what to fetch, sorted by path: `used_names` of what the hub lists.

    Raises:
        HubError: there are no weights, or some of them only in formats that run code when opened.
    """
    of_name = {file.path: file for file in files}
    _refuse_unsafe(repo, _of_the_model(of_name))
    return tuple(of_name[name] for name in used_names(of_name))


def used_names(names: Collection[str]) -> list[str]:
    """Which of a repository's files a loader opens, and all of these are safe; sorted.

    Of a diffusers pipeline, weights outside its components' folders are left out: they repeat those inside. So are
    variants in half precision where full ones are there; where there are none, the variant is loaded as float32.
    """
    own = _of_the_model(names)
    plain = {_folder(name) for name in own if name.endswith(_WEIGHTS) and variant_of(name) is None}
    return sorted(
        name
        for name in own
        if any(fnmatch(name, pattern) for pattern in SAFE_PATTERNS)
        and not (variant_of(name) and _folder(name) in plain)
    )


def variant_of(name: str) -> str | None:
    """Which variant a file of weights is, by its name; None for the usual weights."""
    found = _VARIANT.search(name)
    return found[1] if found else None


def _of_the_model(names: Collection[str]) -> set[str]:
    """Without folders that are never loaded, and without weights beside a pipeline's components."""
    own = {name for name in names if PurePosixPath(name).parts[0] not in UNUSED_FOLDERS}
    if _PIPELINE in own:
        parts = {_folder(name) for name in own if name.endswith("/config.json")}
        own = {name for name in own if not _is_weights(name) or _folder(name) in parts}
    return own


def _refuse_unsafe(repo: str, names: Collection[str]) -> None:
    safe = {_folder(name) for name in names if name.endswith(_WEIGHTS)}
    unsafe = sorted(name for name in names if name.endswith(_UNSAFE_WEIGHTS) and _folder(name) not in safe)
    if unsafe:
        line = f"{repo}: holds weights only as {unsafe[0]}, which can run code when opened, and is not fetched"
        option = None
        if _PIPELINE in names:
            option = "--card MODEL_OR_FOLDER"
        elif _TANGO_WEIGHTS in {PurePosixPath(name).name for name in unsafe}:
            option = "--text-encoder FLAN_T5_FOLDER"
        if option is not None:
            raise HubError(
                f"{line}; take it yourself (hf download {repo} --local-dir FOLDER) and convert it: nightcrate models "
                f"convert FOLDER {option} --out NEW_FOLDER"
            )
        raise HubError(f"{line}; a repository with safetensors is needed")
    if not safe:
        raise HubError(f"{repo}: holds no weights; a repository with safetensors is needed")


def _is_weights(name: str) -> bool:
    return name.endswith((_WEIGHTS, *_UNSAFE_WEIGHTS))


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()

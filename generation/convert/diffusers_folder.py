"""A diffusers pipeline whose weights were published as pickles -> the same folder with safetensors, and a card.

The pickles are opened as data only. Everything else of the pipeline is copied as it is; what its loader never opens,
such as a safety checker or weights a second time in another layout, stays behind. What is made is loaded once before it
counts: a card may be another model's, and only the parts know which rate and length their sounds have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from generation.cards import ModelCard, Weights, write_card
from generation.convert import ConversionError
from generation.convert.naming import named_card
from generation.convert.torch_files import read_tensors
from generation.convert.whole_folder import refuse_existing, whole_folder
from generation.errors import GenerationError
from generation.folder_parts import INDEX_FILE
from generation.hub_listing import SAFE_PATTERNS, UNUSED_FOLDERS, variant_of
from generation.registry import load_model

# Names of a network's weights in diffusers and in transformers, as a pickle and as safetensors.
_WEIGHTS = {
    "diffusion_pytorch_model.bin": "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin": "model.safetensors",
}
_SAFE = re.compile(r"(diffusion_pytorch_model|model)[.-].*safetensors")
"""Names of them as safetensors, in one file or in several, whole or of a variant."""
_PICKLE = re.compile(r"(diffusion_pytorch_model|pytorch_model)[.-].*bin")
_CONFIG = "config.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Part:
    """A file of the new folder: below both folders, and whether it is a pickle to open."""

    source: Path
    path: Path
    is_pickle: bool


def convert_diffusers(
    folder: Path,
    out: Path,
    card: ModelCard,
    name: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ModelCard:
    """Make a folder that `generation.load_model` loads of a diffusers pipeline with pickled weights.

    Args:
        folder: the pipeline, with model_index.json and a folder for each component.
        out: folder to make; it appears whole or not at all.
        card: what is known of the model; its weights become those of the new folder.
        name: of the model; None for that of the card.
        progress: told of the bytes written and of all there are.

    Returns:
        The card that lies in the folder.

    Raises:
        ConversionError: `out` exists, the card is a starter's, the folder holds no pipeline, a component has no weights
            under their usual name or pickles in several files, a pickle holds anything but tensors, a file cannot be
            read, the disk refuses, or the model does not load with this card (another technique's, rate or length).
    """
    refuse_existing(out)
    if card.tier == "starter":
        raise ConversionError(
            f"{card.name}: is a starter, whose licences are those of nightcrate's own weights; "
            "give the card of the model whose weights these are"
        )
    made = named_card(name or card.name, {**dict(card), "weights": Weights(folder=Path("."))})
    parts = _parts(folder)
    sizes = [_size(part.source) for part in parts]
    with whole_folder(out) as building:
        for number, part in enumerate(parts):
            progress(sum(sizes[:number]), sum(sizes))
            target = building / part.path
            target.parent.mkdir(exist_ok=True)
            if part.is_pickle:
                _write_safetensors(part.source, target)
            else:
                with target.open("wb") as file:
                    file.writelines(_read(part.source))
        write_card(building, made)
        _load_once(building, out)
    return made


def _load_once(building: Path, out: Path) -> None:
    """Load the finished folder as whoever uses it will; takes the memory that this takes."""
    try:
        load_model(building)
    except GenerationError as error:
        reason = str(error).removeprefix(f"{building}: ").replace(str(building), str(out))
        raise ConversionError(f"{out}: is not made, for it would not load ({reason})") from error


def _parts(folder: Path) -> list[_Part]:
    """All files of the new folder."""
    if not (folder / INDEX_FILE).is_file():
        raise ConversionError(f"{folder}: holds no {INDEX_FILE}; the folder of a diffusers pipeline is needed")
    parts = [_Part(folder / INDEX_FILE, Path(INDEX_FILE), False)]
    for component in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in UNUSED_FOLDERS):
        parts += _component(component)
    if not any(part.path.suffix == ".safetensors" for part in parts):
        raise ConversionError(f"{folder}: no component has weights; its unet, vae and others are needed beside it")
    return parts


def _component(folder: Path) -> list[_Part]:
    """Files of one component: its texts, and its weights where it is a network. None of a folder that is neither."""
    texts = [file for pattern in SAFE_PATTERNS for file in folder.glob(pattern) if file.suffix != ".safetensors"]
    if not texts:
        return []
    parts = [_Part(file, Path(folder.name, file.name), False) for file in sorted(texts)]
    return [*parts, *_weights(folder)] if (folder / _CONFIG).is_file() else parts


def _weights(folder: Path) -> list[_Part]:
    """The weights of a network: the usual ones as safetensors, else as a pickle, else a variant as safetensors."""
    names = sorted(file.name for file in folder.iterdir())
    safe = [name for name in names if _SAFE.fullmatch(name)]
    usual = [name for name in safe if variant_of(name) is None]
    pickle = next((name for name in _WEIGHTS if name in names), None)
    if pickle is not None and not usual:
        return [_Part(folder / pickle, Path(folder.name, _WEIGHTS[pickle]), True)]
    if safe:
        return [_Part(folder / name, Path(folder.name, name), False) for name in usual or safe]
    if pickles := [name for name in names if _PICKLE.fullmatch(name)]:
        raise ConversionError(
            f"{folder}: holds its weights as {pickles[0]}; only {' and '.join(_WEIGHTS)}, whole in one file, can be "
            "converted"
        )
    raise ConversionError(f"{folder}: holds none of {', '.join((*_WEIGHTS.values(), *_WEIGHTS))}; fetch its weights")


def _size(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:  # a link of the hub's cache whose file is gone
        raise _unreadable(source, error) from error


def _read(source: Path) -> Iterator[bytes]:
    """A file's bytes. What goes wrong with it is told of it, and not of the folder that is written meanwhile."""
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> ConversionError:
    return ConversionError(f"{source}: cannot be read ({error.strerror or error})")


def _write_safetensors(source: Path, target: Path) -> None:
    tensors = read_tensors(source, integers=True)
    # safetensors writes no two names of one memory: the later ones get their own.
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensors[name] = tensor.clone() if tensor.data_ptr() in seen else tensor.contiguous()
        seen.add(tensor.data_ptr())
    save_file(tensors, target, {"format": "pt"})

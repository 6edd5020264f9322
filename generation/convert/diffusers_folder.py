"""A diffusers pipeline whose weights were published as pickles -> the same folder with safetensors, and a card.

The pickles are opened as data only. Everything else of the pipeline is copied as it is; what its loader never opens,
such as a safety checker or weights a second time in another layout, stays behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from generation.cards import ModelCard, Weights, write_card
from generation.convert import ConversionError
from generation.convert.torch_files import read_tensors
from generation.convert.whole_folder import refuse_existing, whole_folder
from generation.folder_parts import INDEX_FILE
from generation.hub_listing import SAFE_PATTERNS, UNUSED_FOLDERS

# Names of a network's weights in diffusers and in transformers, as a pickle and as safetensors.
_WEIGHTS = {
    "diffusion_pytorch_model.bin": "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin": "model.safetensors",
}
_CONFIG = "config.json"


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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ModelCard:
    """Make a folder that `generation.load_model` loads of a diffusers pipeline with pickled weights.

    Args:
        folder: the pipeline, with model_index.json and a folder for each component.
        out: folder to make; it appears whole or not at all.
        card: what is known of the model; its weights become those of the new folder.
        progress: told of the bytes written and of all there are.

    Returns:
        The card that lies in the folder.

    Raises:
        ConversionError: `out` exists, the folder holds no pipeline, a component has no weights under their usual name,
            a pickle holds anything but tensors, or the disk refuses.
    """
    refuse_existing(out)
    parts = _parts(folder)
    sizes = [part.source.stat().st_size for part in parts]
    made = card.model_copy(update={"weights": Weights(folder=Path("."))})
    with whole_folder(out) as building:
        for number, part in enumerate(parts):
            progress(sum(sizes[:number]), sum(sizes))
            target = building / part.path
            target.parent.mkdir(exist_ok=True)
            if part.is_pickle:
                _write_safetensors(part.source, target)
            else:
                shutil.copyfile(part.source, target)
        write_card(building, made)
    return made


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
    small = [file for pattern in SAFE_PATTERNS for file in folder.glob(pattern) if file.suffix != ".safetensors"]
    if not small:
        return []
    parts = [_Part(file, Path(folder.name, file.name), False) for file in sorted(small)]
    if not (folder / _CONFIG).is_file():
        return parts
    for pickle, safe in _WEIGHTS.items():
        for file in (folder / safe, folder / pickle):
            if file.is_file():
                return [*parts, _Part(file, Path(folder.name, safe), file.name == pickle)]
    raise ConversionError(f"{folder}: holds none of {', '.join((*_WEIGHTS.values(), *_WEIGHTS))}; fetch its weights")


def _write_safetensors(source: Path, target: Path) -> None:
    tensors = read_tensors(source, integers=True)
    # safetensors writes no two names of one memory: the later ones get their own.
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensors[name] = tensor.clone() if tensor.data_ptr() in seen else tensor.contiguous()
        seen.add(tensor.data_ptr())
    save_file(tensors, target, {"format": "pt"})

"""PyTorch's .bin files as data: opened without running code, mapped instead of read, every key accounted for."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from generation.convert import ConversionError

_SHOWN_KEYS = 8


@dataclass(frozen=True)
class Network:
    """A network on the meta device that waits for its weights, and how the file calls each of them."""

    module: nn.Module
    original_name: Callable[[str], str]


def read_tensors(path: Path, integers: bool = False) -> dict[str, Tensor]:
    """Open a file that torch.save wrote of a state dict.

    integers: whether tensors of whole numbers may be among them, such as the positions that CLIP saves.
    A file of the zip kind, PyTorch's since 1.6, is mapped: its weights take no memory until they are used, and
    must stay on disk until then. An older one is read.

    Raises:
        ConversionError: the file is cut short or of another kind, or holds anything but dense tensors of floats
            by name. Objects of other classes are never built (torch.load with weights_only), so no code of the
            file runs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on pickles that it then refuses
            content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnpicklingError as error:
        raise ConversionError(
            f"{path}: holds something else than weights, which could run code; it was not opened"
        ) from error
    except Exception as error:  # torch lets through whatever reading nonsense raises: RuntimeError, KeyError, EOFError
        raise ConversionError(f"{path}: is cut short, or no file of PyTorch weights; fetch it again") from error
    if not isinstance(content, Mapping) or not content:
        raise ConversionError(f"{path}: holds no state dict; a mapping from names to tensors is needed")
    for name, tensor in content.items():
        dense = isinstance(tensor, Tensor) and tensor.layout is torch.strided and tensor.device.type == "cpu"
        if not isinstance(name, str) or not dense or not (integers or tensor.is_floating_point()):
            raise ConversionError(f"{path}: {name} is no tensor of floats; only such weights can be converted")
    return dict(content)


def fill_networks(path: Path, tensors: Mapping[str, Tensor], networks: Iterable[Network]) -> None:
    """Give the networks the weights of one file, without copying; each key must be used and each weight found.

    A 1x1 convolution of the file fills a linear layer.

    Args:
        path: of the file, for the message.
        tensors: what it holds.
        networks: all that the file is for.

    Raises:
        ConversionError: keys are missing or unknown, or weights have another shape; the message says which, the
            first eight of each by the file's own names.
    """
    missing, misshapen, left = [], [], dict.fromkeys(tensors)
    states: list[tuple[nn.Module, dict[str, Tensor]]] = []
    for network in networks:
        state = {}
        for name, wanted in network.module.state_dict().items():
            original = network.original_name(name)
            left.pop(original, None)
            tensor = tensors.get(original)
            if tensor is None:
                missing.append(original)
                continue
            if tensor.shape == (*wanted.shape, 1, 1):
                tensor = tensor.reshape(wanted.shape)
            if tensor.shape != wanted.shape:
                misshapen.append(f"{original} (is {list(tensor.shape)}, needed {list(wanted.shape)})")
            state[name] = tensor
        states.append((network.module, state))
    problems = [
        f"{len(names)} {what}: {_shown(names)}"
        for what, names in (("missing", missing), ("unknown", list(left)), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise ConversionError(f"{path}: its weights are not those of its configuration; {'; '.join(problems)}")
    for module, state in states:
        module.load_state_dict(state, assign=True)


def _shown(names: list[str]) -> str:
    more = len(names) - _SHOWN_KEYS
    return ", ".join(names[:_SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")

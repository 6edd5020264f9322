"""The parts of a saved pipeline, loaded one by one: what a folder lacks is an error that names the part.

diffusers and transformers draw weights that a file lacks at random and only warn: the same seed would give another
sound in every process.
"""

from __future__ import annotations

import inspect
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.import_utils import DummyObject, requires_backends
from transformers.feature_extraction_utils import FeatureExtractionMixin
from transformers.image_processing_base import ImageProcessingMixin
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.processing_utils import ProcessorMixin
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from generation.errors import CardError
from generation.hub_listing import VARIANTS, variant_of

Pipeline = TypeVar("Pipeline", bound=DiffusionPipeline)

INDEX_FILE = "model_index.json"
"""The file by which a folder is a diffusers pipeline."""

_SHOWN = 3


# Kinds of parts without weights, which are read from JSON and text alone. A codec of nightcrate is a SchedulerMixin.
_WITHOUT_WEIGHTS = (
    SchedulerMixin, PreTrainedTokenizerBase, FeatureExtractionMixin, ImageProcessingMixin, ProcessorMixin,
)  # fmt: skip


@contextmanager
def as_card_error(told: str) -> Iterator[None]:
    """Turn whatever a folder's file raises into a CardError, one line: what is told, and the reason behind it.

    Each file format has errors of its own, and one of them raises a plain Exception.
    """
    try:
        yield
    except Exception as error:
        raise CardError(f"{told} ({_reason(error)})") from error


class _Quiet:
    """A context in which diffusers and transformers log no warnings: whatever is wrong with a folder is an error here.

    A logger's level is the whole process': of threads that are inside at once the first one lowers it, and the last one
    that leaves puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._levels: dict[logging.Logger, int] = {}

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._levels = {
                    logger: logger.level for logger in map(logging.getLogger, ("diffusers", "transformers"))
                }
                for logger in self._levels:
                    logger.setLevel(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for logger, level in self._levels.items():
                    logger.setLevel(level)


quiet = _Quiet()
"""Around what loads a folder, and around what runs it: each prompt too long for a model would be logged whole."""


def read_index(folder: Path) -> dict[str, Any]:
    """What model_index.json says of a folder. Raises CardError when it is missing or says nothing."""
    path = folder / INDEX_FILE
    with as_card_error(f"{path}: is no pipeline's index; fetch or train the model again"):
        index = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(index, dict):
            raise TypeError(f"it holds {index!r:.20}")
        return index


def load_whole(pipeline_class: type[Pipeline], folder: Path, told: str, **added: Any) -> Pipeline:
    """Load a saved pipeline on the CPU, part by part, networks in float32 from safetensors alone.

    Args:
        pipeline_class: any of diffusers' kind.
        folder: what save_pretrained wrote.
        told: what to say when it cannot be loaded; the part and the reason are added.
        added: parts that the folder lacks, or that are used in place of its own.

    Raises:
        CardError: the folder holds no such pipeline, or one that is not whole.
    """
    index = read_index(folder)
    named = {
        name: parameter
        for name, parameter in inspect.signature(pipeline_class.__init__).parameters.items()
        if name in index and name not in added and _is_part(index[name], parameter)
    }
    own = {name for name, parameter in named.items() if _may_make(folder / name, index[name], parameter, told)}
    parts = {
        # Given the default, a pipeline makes what it can make.
        name: parameter.default if name in own else load_part(folder / name, _kind_for(index[name], parameter), told)
        for name, parameter in named.items()
    }
    with as_card_error(told), quiet:
        pipeline: Pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, **parts, **added
        )
    for name in own:
        if type(getattr(pipeline, name, None)).__name__ != index[name][1]:
            raise CardError(f"{told}: {name} (its folder is missing)")
    return pipeline


def _is_part(kind: Any, parameter: inspect.Parameter) -> bool:
    """Whether what the index says of a parameter names a part; [null, null] is one that the pipeline is without."""
    if kind == [None, None]:
        return False
    names_class = isinstance(kind, list) and len(kind) == 2 and all(isinstance(each, str) for each in kind)
    # What may be left out may be a setting: StableDiffusionPipeline has requires_safety_checker.
    return names_class or parameter.default is inspect.Parameter.empty


def _may_make(place: Path, kind: Any, parameter: inspect.Parameter, told: str) -> bool:
    """Whether a part that is not in the folder may be one that the pipeline makes itself.

    save_pretrained writes no part that has a default, though the index names it: LongCatAudioDiTPipeline's scheduler.
    A network never: it would be drawn at random.
    """
    if parameter.default is inspect.Parameter.empty or place.is_dir():
        return False
    with as_card_error(f"{told}: {place.name}"):
        return issubclass(simple_get_class_obj(*kind), _WITHOUT_WEIGHTS)


def _kind_for(kind: Any, parameter: inspect.Parameter) -> Any:
    """Library and class to load a part as: what the index says of it, or what the pipeline needs in its place.

    The published AudioLDM 2 name GPT2Model, which could write by itself before transformers 4.50. Now GPT2LMHeadModel
    does, from the same weights, since its head is the embedding (diffusers' pull request 11244, issue 12630).
    """
    if kind == ["transformers", "GPT2Model"] and parameter.annotation is GPT2LMHeadModel:
        return ["transformers", "GPT2LMHeadModel"]
    return kind


def load_part(place: Path, kind: Any, told: str) -> Any:
    """Load one part from its folder, networks in float32 from safetensors alone: other formats can run code.

    Args:
        place: the part's own folder, called by its name.
        kind: library and class, as the index names them.
        told: what to say when it cannot be loaded; the part and the reason are added.

    Raises:
        CardError: it cannot be read, a tensor is missing or of another shape, or the class is no network, tokenizer,
            scheduler or feature extractor: any other, such as a whole pipeline, may load what it likes.
    """
    try:
        with as_card_error(place.name), quiet:
            if not (isinstance(kind, list) and len(kind) == 2):
                raise ValueError(f"{INDEX_FILE} says {kind!r} of it; a library and a class are needed")
            loaded: Any = simple_get_class_obj(*kind)
            if isinstance(loaded, DummyObject):  # diffusers' stand-in for a class whose package is not here
                requires_backends(loaded, loaded._backends)
            if not place.is_dir():
                raise FileNotFoundError("its folder is missing")
            for path in place.glob("*config.json"):
                if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
                    raise TypeError(f"{path.name} says nothing")
            if isinstance(loaded, type) and issubclass(loaded, torch.nn.Module):
                return load_network(loaded, place)
            if not (isinstance(loaded, type) and issubclass(loaded, _WITHOUT_WEIGHTS)):
                named = f"{INDEX_FILE} names {'.'.join(kind)}"
                raise TypeError(f"{named}, which is no network, tokenizer, scheduler or feature extractor")
            return loaded.from_pretrained(place, local_files_only=True)
    except CardError as error:
        raise CardError(f"{told}: {error}") from error


def load_network(kind: Any, place: Path) -> Any:
    """Load a network of diffusers or transformers, ready for use, every weight of it from the folder's files.

    Where there are only weights of a variant (half precision), these are loaded, as float32 all the same. Raises
    ValueError when a weight is missing or has another shape, and what the library raises.
    """
    if not (place / "config.json").is_file():
        raise FileNotFoundError("config.json is missing")  # transformers would take its defaults
    found = {variant_of(path.name) for path in place.glob("*.safetensors")}
    variant = None if None in found else next((name for name in VARIANTS if name in found), None)
    network, told = kind.from_pretrained(
        place,
        local_files_only=True,
        use_safetensors=True,
        torch_dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told with their names below
        **({} if variant is None else {"variant": variant}),
    )
    if other := sorted(each[0] for each in told["mismatched_keys"]):
        raise ValueError(f"config.json says another shape of {_some(other)} than the weights have")
    if missing := sorted(_missing(network, told)):
        raise ValueError(f"the weights lack {_some(missing)}")
    return network.eval()


def _missing(network: Any, told: Mapping[str, Any]) -> set[str]:
    """Names of what no file held. An index of several files may promise more than they hold: that stays on "meta"."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    missing = {*told["missing_keys"], *(name for name, tensor in tensors.items() if tensor.is_meta)}
    if type(network).__module__.startswith("transformers."):
        # Whole numbers there are counted anew (positions); which of them are saved differs between versions.
        missing -= {name for name, tensor in tensors.items() if not tensor.is_floating_point()}
    return missing


def _some(names: list[str]) -> str:
    count = f"{len(names)} tensor{'s' if len(names) > 1 else ''}"
    return f"{count}: {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}"


def _reason(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

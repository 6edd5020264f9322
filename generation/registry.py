"""From a model's name to a model that makes sound: the card, then the weights, then the technique's code."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Protocol, cast

from generation.asked import guidance_of, length_of, notes_of, seeds_of, steps_of, texts_of
from generation.audio import Clip, file_sha256
from generation.cards import CARD_FILE, ModelCard, Weights, list_cards, read_card, read_card_file
from generation.devices import check_device
from generation.errors import CardError, HubError
from generation.hub import open_source, source_here, used_files
from generation.portions import Portions
from generation.shared_parts import shared_parts
from generation.shipped import config_names, config_path, starter_dir
from generation.strict_yaml import unknown_name

__all__ = [
    "LoadedModel",
    "ModelIdentity",
    "Technique",
    "identify",
    "list_cards",
    "load_model",
    "read_card",
    "weights_fingerprint",
]

# Technique -> the module that has load(folder, card, device, dtype) -> Technique and TECHNIQUE_VERSION.
_TECHNIQUES = {
    "chopan": "generation.pipelines.chopan",
    "audio-diffusion": "generation.pipelines.audio_diffusion",
    "audio-latent-diffusion": "generation.pipelines.audio_diffusion",
    "riffusion": "generation.pipelines.riffusion",
    "tango": "generation.pipelines.tango",
    "diffusers": "generation.pipelines.any_diffusers",
}

# What a folder of weights holds besides weights: how it came to be, which changes no sound.
_RECORDS = frozenset({CARD_FILE, "training.json", "losses.csv", "losses.png", "README.md"})

# While diffusers and transformers build a model, every other module made in the process comes out without its weights.
_loading = Lock()

_fingerprints: dict[tuple[tuple[str, int, int], ...], str] = {}


class Technique(Protocol):
    """A loaded pipeline; clip i depends on prompts[i], notes[i] and seeds[i] alone, up to rounding.

    LoadedModel asks it, with lists of one length and the card's defaults filled in.
    """

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: int | None,
        guidance_scale: float | None,
        notes: Sequence[int | None] | None,
        scheduler: str | None = None,
        length_s: float | None = None,
    ) -> list[Clip]:
        """Return one raw clip for each prompt."""


@dataclass(frozen=True)
class ModelIdentity:
    """What tells a model from every other: its card, the hash of its weights, the version of its code."""

    card: ModelCard
    fingerprint: str
    technique_version: str


class LoadedModel:
    """A model ready to make sound, with the three facts that go into every job key."""

    def __init__(self, card: ModelCard, fingerprint: str, technique_version: str, technique: Technique) -> None:
        """Wrap a loaded technique; use `load_model`."""
        self.card = card
        self.fingerprint = fingerprint
        self.technique_version = technique_version
        self._technique = technique
        self._portions = Portions()

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: int | None = None,
        guidance_scale: float | None = None,
        notes: Sequence[int | str | None] | None = None,
        scheduler: str | None = None,
        length_s: float | None = None,
    ) -> list[Clip]:
        """Return one raw, not normalised Clip for each prompt; it may hold NaN or exceed 1.

        prompts: a list of texts, empty ones too; what is beyond a model's number of tokens is cut off.
        seeds: one whole number for each prompt, from -2^63 to 2^64 - 1; the noise of item i depends on seeds[i] alone.
        steps, guidance_scale, scheduler ("ddim", "ddpm", "dpm-solver++", ...), length_s: None takes the card's; a
        length in seconds is for TANGO and pipelines of diffusers, the others have one of their own.
        notes: MIDI numbers or names ("A2") asked for, None where any will do; what a prompt says of its note gives way.
        All go through the model at once; what does not fit into memory goes in halves.
        Raises CardError when the lists differ in length, and GenerationError, one line, for anything that cannot be.
        """
        prompts, seeds, asked_notes = texts_of(prompts), seeds_of(seeds), notes_of(notes)
        steps, guidance_scale, length_s = steps_of(steps), guidance_of(guidance_scale), length_of(length_s)
        if len(seeds) != len(prompts) or (asked_notes is not None and len(asked_notes) != len(prompts)):
            came = f"{len(prompts)} prompts, {len(seeds)} seeds" + (
                f", {len(asked_notes)} notes" if asked_notes is not None else ""
            )
            raise CardError(f"generate got {came}; one seed (and one note, if any) is needed for each prompt")
        if not prompts:
            return []
        defaults = self.card.defaults

        def make(first: int, end: int) -> list[Clip]:
            clips = self._technique.generate(
                prompts[first:end],
                seeds[first:end],
                steps=defaults.steps if steps is None else steps,
                guidance_scale=defaults.guidance_scale if guidance_scale is None else guidance_scale,
                notes=None if asked_notes is None else asked_notes[first:end],
                scheduler=defaults.scheduler if scheduler is None else scheduler,
                length_s=None if length_s == self.card.length_s else length_s,
            )
            if len(clips) != end - first:
                raise CardError(
                    f"{self.card.name}: made {len(clips)} clips for {end - first} prompts; report this defect"
                )
            return clips

        return self._in_portions(len(prompts), make)

    def _in_portions(self, count: int, make: Callable[[int, int], list[Clip]]) -> list[Clip]:
        from generation.exact import exact_float32  # it needs torch, and planning does not

        with exact_float32:
            return self._portions.make(count, make)

    def through_codec(self, clips: Sequence[Clip], seeds: Sequence[int]) -> list[Clip]:
        """Return real sounds through this model's pictures and autoencoder and back: the ceiling of what it can sound.

        seeds: one whole number for each clip. Raises CardError where the technique has no such way, or when the lists
        differ in length.
        """
        through = getattr(self._technique, "through_codec", None)
        if through is None:
            raise CardError(f"{self.card.name}: {self.card.technique} cannot send a given sound through its codec")
        if len(clips) != len(seeds):
            raise CardError(f"through_codec got {len(clips)} sounds, {len(seeds)} seeds; one seed is needed for each")

        def make(first: int, end: int) -> list[Clip]:
            made: list[Clip] = through(clips[first:end], seeds[first:end])
            return made

        return self._in_portions(len(clips), make)


def load_model(name_or_folder: str | os.PathLike[str], device: str = "cpu", dtype: str = "float32") -> LoadedModel:
    """Load a shipped model by name, or one that `nightcrate train` made by its folder.

    device: "cpu", "cuda" or "cuda:N". dtype: "bfloat16" lets the denoising network compute in that, which on a GPU
    takes half the memory for it and less time; a seed's sound is then a little another.

    Threads may load at the same time; they load one after the other.
    Raises CardError (unknown name with the nearest one, weights that must be trained or fetched first or that are
    damaged, an unknown technique, a dtype that it cannot have), GenerationError (an unknown dtype) or ConfigError (a
    card that is not one, a device that is not there), each in one line.
    """
    from generation.precision import check_dtype  # it needs torch, and planning does not

    check_device(device)
    check_dtype(dtype)
    card, folder, module = _find(name_or_folder)
    fingerprint = model_fingerprint(card, folder)
    with _loading:
        technique = cast(Technique, module.load(folder, card, device, dtype))
    return LoadedModel(card, fingerprint, module.TECHNIQUE_VERSION, technique)


def identify(name_or_folder: str | os.PathLike[str]) -> ModelIdentity:
    """Return what goes into the job keys of a model without opening its weights (they are only hashed).

    Raises CardError or ConfigError as `load_model` does.
    """
    card, folder, module = _find(name_or_folder)
    return ModelIdentity(card, model_fingerprint(card, folder), module.TECHNIQUE_VERSION)


def model_folder(name_or_folder: str | os.PathLike[str]) -> Path:
    """Return the folder of a model's weights, by its shipped name or its folder. Raises as `load_model` does."""
    return _find(name_or_folder)[1]


def weights_here(name_or_folder: str | os.PathLike[str]) -> tuple[ModelCard, Path | None]:
    """Return a model's card and the folder of its weights; None where they must be trained or fetched first.

    Asks no network. Raises CardError or ConfigError for a card that is not there or is none.
    """
    card, card_file = find_card(name_or_folder)
    if card.weights is None:
        return card, None
    if card.weights.hub is not None:
        return card, source_here(card.weights.hub, card.weights.revision)
    folder = _own_folder(card.weights, card_file)
    return card, folder if folder.is_dir() else None


def find_card(name_or_folder: str | os.PathLike[str]) -> tuple[ModelCard, Path]:
    """Return the card that a name or a folder means, and its file.

    A shipped name wins over a folder of the same name; "./name" means the folder. A run's --out folder
    stands for the model folder inside it, and a card's own file (card.yaml) for its folder. Raises CardError when
    there is neither.
    """
    if not isinstance(name_or_folder, str | os.PathLike) or not os.fspath(name_or_folder):
        raise CardError(f"{name_or_folder!r} came; a model's name or a folder is needed")
    text = os.fspath(name_or_folder)
    if text in config_names("models"):
        return read_card(text), config_path("models", text)
    folder = Path(text)
    if folder.suffix == Path(CARD_FILE).suffix and folder.is_file():
        return read_card_file(folder), folder
    for place in (folder, folder / "model"):
        if (place / CARD_FILE).is_file():
            return read_card_file(place / CARD_FILE), place / CARD_FILE
    if folder.is_dir():
        raise CardError(f"{folder}: holds no {CARD_FILE}; name a model or a folder that 'nightcrate train' made")
    raise CardError(unknown_name("model", text, config_names("models")))


def model_fingerprint(card: ModelCard, folder: Path) -> str:
    """Return 64 hex characters that change when any weight of a model does, those it shares included.

    Raises CardError for a folder without weights, its own or a shared one.
    """
    hub = card.weights.hub if card.weights else None
    revision = card.weights.revision if card.weights else None
    own = weights_fingerprint(folder, None if hub is None else used_files(hub, revision, folder))
    if not card.shared:
        return own
    lines = [f"{weights_fingerprint(place)}  {name}" for name, place in sorted(shared_parts(card).items())]
    return hashlib.sha256("\n".join([own, *lines]).encode()).hexdigest()


def weights_fingerprint(folder: Path, used: Iterable[Path] | None = None) -> str:
    """Return 64 hex characters that change when any weight file in `folder` does, or any of the `used` ones there.

    sha256 over "sha256  name" lines of all files sorted by relative name, cards and records left out.
    Kept for the process as long as no file changes in size or time. Raises CardError for an empty folder.
    """
    files = [
        path
        for path in sorted(
            folder.rglob("*") if used is None else used, key=lambda each: each.relative_to(folder).as_posix()
        )
        if path.is_file() and path.name not in _RECORDS and not path.name.startswith(".")
    ]
    if not files:
        raise CardError(f"{folder}: holds no weights; install nightcrate again or train the model")
    key = tuple((str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    if key not in _fingerprints:
        digest = hashlib.sha256()
        for path in files:
            digest.update(f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n".encode())
        _fingerprints[key] = digest.hexdigest()
    return _fingerprints[key]


def _find(name_or_folder: str | os.PathLike[str]) -> tuple[ModelCard, Path, ModuleType]:
    """Return a model's card, the folder of its weights and the module of its technique."""
    card, card_file = find_card(name_or_folder)
    if card.technique not in _TECHNIQUES:
        raise CardError(f"{card.name}: {unknown_name('technique', card.technique, _TECHNIQUES)}")
    folder = _weights_folder(card, card_file)
    return card, folder, importlib.import_module(_TECHNIQUES[card.technique])


def _weights_folder(card: ModelCard, card_file: Path) -> Path:
    weights = card.weights
    if weights is None:
        make = f"make them with: {card.trained_by}" if card.trained_by else "train them first"
        raise CardError(f"{card.name}: no weights can be fetched; {make}; then name that folder as the model")
    if weights.hub is not None:
        try:
            return open_source(weights.hub, weights.revision)
        except HubError as error:
            raise CardError(f"{card.name}: {error}") from error
    folder = _own_folder(weights, card_file)
    if not folder.is_dir():
        missing = "the card's folder of weights is not there"
        if weights.starter is not None:
            missing = "the shipped weights are missing; install nightcrate again"
        raise CardError(f"{card.name}: {missing} ({folder})")
    return folder


def _own_folder(weights: Weights, card_file: Path) -> Path:
    """The folder of weights that lie on no hub, there or not."""
    if weights.starter is not None:
        return starter_dir() / weights.starter
    return card_file.parent / cast(Path, weights.folder)

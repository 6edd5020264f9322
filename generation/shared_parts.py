"""Components that several starter models share: one text encoder, one autoencoder, each shipped once."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch

from generation.cards import ModelCard
from generation.errors import CardError
from generation.shipped import starter_dir


def shared_parts(card: ModelCard) -> dict[str, Path]:
    """Return the folder of each component that a model shares. Raises CardError where one is not there."""
    places = {name: starter_dir() / folder / name for name, folder in card.shared.items()}
    for name, place in places.items():
        if not place.is_dir():
            raise CardError(f"{card.name}: the shipped {name} is missing ({place}); install nightcrate again")
    return places


def load_shared(card: ModelCard, index: Path) -> dict[str, Any]:
    """Load what a model shares, networks in float32 from safetensors alone; `index` is its model_index.json.

    Raises CardError where a part is missing, cannot be read, or is no part of the pipeline.
    """
    places = shared_parts(card)
    if not places:
        return {}
    try:
        classes = json.loads(index.read_text(encoding="utf-8"))
        return {name: _load(place, *classes[name]) for name, place in places.items()}
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CardError(f"{card.name}: a part that it shares cannot be loaded ({reason})") from error


def _load(place: Path, library: str, kind: str) -> Any:
    loaded = getattr(importlib.import_module(library), kind)
    network = issubclass(loaded, torch.nn.Module)
    how = {"torch_dtype": torch.float32, "use_safetensors": True} if network else {}
    part = loaded.from_pretrained(place, local_files_only=True, **how)
    return part.eval() if network else part

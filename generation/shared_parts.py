"""Components that several starter models share: one text encoder, one autoencoder, each shipped once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def load_shared(card: ModelCard, folder: Path) -> dict[str, Any]:
    """Load what a model shares, networks in float32 from safetensors alone; `folder` is the model's own.

    Raises CardError where a part is missing, cannot be read, or is no part of the pipeline.
    """
    # It needs diffusers, which whoever only looks a card up need not wait for.
    from generation.folder_parts import load_part, read_index

    places = shared_parts(card)
    kinds = read_index(folder) if places else {}
    told = f"{card.name}: a part that it shares cannot be loaded"
    return {name: load_part(place, kinds.get(name), told) for name, place in places.items()}

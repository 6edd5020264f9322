"""What a training run builds on, as its training.json tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.cards import CARD_FILE, read_card
from generation.published_parts import is_hub_id
from generation.registry import model_folder, weights_fingerprint
from generation.shipped import config_names
from generation.training.export import MODEL_FOLDER
from generation.training.licence_links import source_links
from generation.training.record import RECORD, read_record

if TYPE_CHECKING:
    from generation.training.settings import TrainSettings

# Any of these makes a folder one of weights.
_MARKS = (RECORD, CARD_FILE, "model_index.json", "config.json")


def parents_of(settings: TrainSettings) -> list[dict[str, Any]]:
    """Return what training.json tells of the models that a run builds on.

    They are the shipped name that `base` may be, and the folders of weights and the hub ids among its settings.
    """
    shipped = [str(value) for name, value in settings if name == "base" and value in config_names("models")]
    named = [str(value) for _, value in settings if isinstance(value, (str, Path)) and value and value not in shipped]
    places = [Path(name, inner) for name in named for inner in ("", MODEL_FOLDER)]
    folders = [place for place in places if any((place / mark).is_file() for mark in _MARKS)]
    return [
        *(_shipped_facts(name) for name in shipped),
        *(_parent_facts(folder) for folder in folders),
        *({"hub": name} for name in named if is_hub_id(name)),
    ]


def _shipped_facts(name: str) -> dict[str, Any]:
    """Return what is known of a model that nightcrate has a card of."""
    facts = _parent_facts(model_folder(name))
    if "licence_chain" in facts:  # fetched weights have no card in their folder; the shipped one says more
        card = read_card(name)
        facts |= {"name": card.name, "licence_chain": [link.model_dump(mode="json") for link in card.licence_chain]}
    return facts


def _parent_facts(folder: Path) -> dict[str, Any]:
    """Return what a run's folder recorded; of weights that nightcrate did not train, name and licence chain."""
    known: dict[str, Any] = {"fingerprint": weights_fingerprint(folder)}
    if (folder / RECORD).is_file():
        facts = read_record(folder / RECORD)
        return known | {key: facts.get(key) for key in ("recipe", "command", "corpus", "parents")}
    chain = [link.model_dump(mode="json") for link in source_links(str(folder))]
    return known | {"name": folder.resolve().name, "licence_chain": chain}

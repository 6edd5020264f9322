"""Model cards: everything that tells one model from another, and what its sounds may be used for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from generation.audio import write_bytes
from generation.errors import CardError
from generation.shipped import config_names, config_path
from generation.strict_yaml import StrictModel, dump_yaml, load_yaml, unknown_name

CARD_FILE = "card.yaml"
"""Name of the card inside a folder of weights that `nightcrate train` made."""

Commercial = Literal["yes", "no", "undeclared"]

# SPDX identifiers (spdx.org/licenses) and whether the licence text lets its subject be used to earn money.
_COMMERCIAL_USE: dict[str, Commercial] = {
    "MIT": "yes",
    "Apache-2.0": "yes",
    "BSD-3-Clause": "yes",
    "CC0-1.0": "yes",
    "CC-BY-4.0": "yes",
    "CC-BY-NC-4.0": "no",
    "CC-BY-NC-SA-4.0": "no",
    "CC-BY-NC-ND-4.0": "no",
}


def commercial_use(licence: str | None) -> Commercial:
    """Return what a licence says of commercial use; "undeclared" for none and for an unknown one."""
    return _COMMERCIAL_USE.get(licence or "", "undeclared")


def strictest(uses: Iterable[Commercial]) -> Commercial:
    """Return the use a chain allows: "no" beats "undeclared", which beats "yes"; no link is undeclared."""
    found = set(uses)
    if "no" in found:
        return "no"
    return "yes" if found == {"yes"} else "undeclared"


class LicenceLink(StrictModel):
    """One part of a model (weights, text encoder, training data, ...) and its terms.

    licence: SPDX identifier where there is one; null when none was declared. attribution: the line that
    must travel with the sounds, null when the licence asks for none.
    """

    part: str
    name: str
    licence: str | None
    commercial: Commercial
    attribution: str | None
    url: str | None = None

    @model_validator(mode="after")
    def _licence_agrees(self) -> LicenceLink:
        known = _COMMERCIAL_USE.get(self.licence) if self.licence else "undeclared"
        if known is not None and self.commercial != known:
            raise ValueError(f"commercial is '{self.commercial}', but licence {self.licence or 'null'} means '{known}'")
        return self


class Weights(StrictModel):
    """Where weights lie: one of starter (shipped folder), folder (relative to the card's file), hub (id).

    revision: the hub commit; null follows the repository's default branch, which may change.
    shared: component -> the shipped folder that holds it for several starter models.
    """

    starter: str | None = None
    folder: Path | None = None
    hub: str | None = None
    revision: str | None = None
    shared: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> Weights:
        if sum(source is not None for source in (self.starter, self.folder, self.hub)) != 1:
            raise ValueError("name one of starter, folder and hub")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision belongs to hub")
        if self.shared and self.starter is None:
            raise ValueError("shared belongs to starter")
        return self


class Defaults(StrictModel):
    """How a model samples when nobody asks otherwise; null where the technique has no such thing."""

    steps: int | None = Field(default=None, gt=0)
    guidance_scale: float | None = Field(default=None, ge=0)
    scheduler: str | None = None


class Pace(StrictModel):
    """How long one sound took where somebody measured it, and on what, for a first estimate of a night."""

    seconds_per_sound: float = Field(gt=0)
    on: str


class ModelCard(StrictModel):
    """All that is known of a model before its weights are opened.

    tier: starter (shipped), full (the published size) or own (trained by the user). weights: null when
    they must be trained first. sample_rate_hz, length_s: of the sounds as the model makes them.
    prompt_style: what the model was trained on, NSynth tags or plain captions. trained_by: the command
    that made the weights, or that will when weights is null. pace: null until somebody measured it.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    technique: str
    description: str
    tier: Literal["starter", "full", "own"]
    weights: Weights | None
    sample_rate_hz: int = Field(gt=0)
    length_s: float = Field(gt=0)
    defaults: Defaults = Defaults()
    prompt_style: Literal["tags", "caption"]
    licence_chain: tuple[LicenceLink, ...]
    pace: Pace | None = None
    trained_by: str | None = None

    @property
    def shared(self) -> dict[str, str]:
        """Component -> shipped folder, of the parts that lie outside the model's own folder."""
        return self.weights.shared if self.weights else {}

    @property
    def commercial(self) -> Commercial:
        """May the sounds be sold: the strictest link of the licence chain."""
        return strictest(link.commercial for link in self.licence_chain)


def list_cards() -> tuple[ModelCard, ...]:
    """Return the shipped cards, sorted by name. Raises ConfigError when one is not a card."""
    return tuple(read_card(name) for name in config_names("models"))


def read_card(name: str) -> ModelCard:
    """Return the shipped card of a model. Raises CardError with the nearest name and all names there are."""
    names = config_names("models")
    if name not in names:
        raise CardError(unknown_name("model", name, names))
    card = read_card_file(config_path("models", name))
    if card.name != name:
        raise CardError(f"{config_path('models', name)}: is named '{card.name}' inside; the two must agree")
    return card


def read_card_file(path: Path) -> ModelCard:
    """Read one card from its YAML file. Raises ConfigError, one line."""
    return load_yaml(path, ModelCard)


def write_card(folder: Path, card: ModelCard) -> Path:
    """Write a card into a folder of weights, atomically, so that the folder loads by itself."""
    path = folder / CARD_FILE
    write_bytes(path, dump_yaml(json.loads(card.model_dump_json())).encode("utf-8"))
    return path

"""Cards and model folders for tests: of the toy technique, or of another that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generation.cards import LicenceLink, ModelCard, Weights, write_card


def licence_link(**changes: Any) -> LicenceLink:
    fields = {"part": "data", "name": "x", "licence": "MIT", "commercial": "yes", "attribution": None}
    return LicenceLink(**{**fields, **changes})


def model_card(**changes: Any) -> ModelCard:
    """The card of a second of sound whose weights lie beside it."""
    fields: dict[str, Any] = {
        "name": "toy",
        "technique": "toy",
        "description": "a toy: with 'quotes' and ©",
        "tier": "own",
        "weights": Weights(folder=Path(".")),
        "sample_rate_hz": 16000,
        "length_s": 1.0,
        "prompt_style": "tags",
        "licence_chain": (licence_link(),),
    }
    return ModelCard(**{**fields, **changes})


def write_model(folder: Path, **changes: Any) -> Path:
    """Make a folder of the toy technique (tests.generation.toy_technique)."""
    folder.mkdir(parents=True)
    (folder / "loudness.txt").write_text("0.5")
    return write_model_card(folder, **changes)


def write_model_card(folder: Path, **changes: Any) -> Path:
    """Put a card into a folder that is there; return the folder."""
    fields = {"name": "toy-own", "defaults": {"steps": 20, "guidance_scale": 3.0}}
    write_card(folder, model_card(**{**fields, **changes}))
    return folder

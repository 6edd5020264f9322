"""A model folder for tests of the registry, of the toy technique or of another that its card names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generation.cards import LicenceLink, ModelCard, Weights, write_card


def write_model(folder: Path, **changes: Any) -> Path:
    """Make a folder of the toy technique (tests.generation.toy_technique)."""
    folder.mkdir(parents=True)
    (folder / "loudness.txt").write_text("0.5")
    return write_model_card(folder, **changes)


def write_model_card(folder: Path, **changes: Any) -> Path:
    """Put a card into a folder that is there; return the folder."""
    fields: dict[str, Any] = {
        "name": "toy-own",
        "technique": "toy",
        "description": "a toy",
        "tier": "own",
        "weights": Weights(folder=Path(".")),
        "sample_rate_hz": 16000,
        "length_s": 1.0,
        "defaults": {"steps": 20, "guidance_scale": 3.0},
        "prompt_style": "tags",
        "licence_chain": (LicenceLink(part="data", name="x", licence="MIT", commercial="yes", attribution=None),),
    }
    write_card(folder, ModelCard(**{**fields, **changes}))
    return folder

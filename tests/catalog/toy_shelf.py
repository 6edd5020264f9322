"""A shelf of seven sounds whose tags, prompts, notes and cosines are known, for searches."""

from __future__ import annotations

from typing import Any

from catalog.search import Hit
from tests.catalog.toy_embedder import ToyEmbedder

EMBEDDER = ToyEmbedder()


# What each sound of the toy library is made of, its measured note and what it was asked for as.
SOUNDS: dict[str, tuple[dict[str, float], int | None, dict[str, Any]]] = {
    "dark bass": (
        {"bass": 1, "dark": 1},
        33,
        {"family": "bass", "source": "synthetic", "qualities": ("dark",), "prompt": "synthetic dark bass"},
    ),
    "bright bass": (
        {"bass": 1, "bright": 1},
        45,
        {
            "family": "bass",
            "source": "synthetic",
            "qualities": ("bright",),
            "prompt": "synthetic bright bass",
        },
    ),
    "dirty bass": (
        {"bass": 1, "dark": 0.5},
        40,
        {
            "family": "bass",
            "source": "electronic",
            "qualities": ("dark", "distortion"),
            "prompt": "a gritty dark bass",
        },
    ),
    "flute": ({"flute": 1}, 72, {"family": "flute", "qualities": (), "prompt": "acoustic flute"}),
    "bassy flute": (
        {"flute": 0.2, "bass": 1, "dark": 1},
        60,
        {"family": "flute", "qualities": (), "prompt": "acoustic flute"},
    ),
    "harpsichord": (
        {"plucked": 1},
        None,
        {"family": "keyboard", "qualities": (), "prompt": "a harpsichord, zorbish"},
    ),
    "organ": ({"organ": 1}, 33, {"family": "organ", "qualities": (), "prompt": "acoustic organ"}),
}


def ids(hits: list[Hit]) -> list[int]:
    """The ids of the sounds that were found, in their order."""
    return [hit.sample.id for hit in hits]

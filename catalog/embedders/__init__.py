"""Clips and words to vectors, and clips to judgements; nothing is downloaded at import.

An embedder has `id`, `dim`, `sample_rate_hz`, `embed_audio(clips)` and `embed_text(texts)`; a judge has `id` and
`posteriors(clips)`. All vectors are float32 and of length 1 where they are compared by cosine. `VGGish` and `Cnn14`,
the judges of published FAD, FD and KL, hear 16 kHz waveforms and are loaded on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from catalog.errors import EmbedderError
from generation.audio import Clip

if TYPE_CHECKING:
    from catalog.embedders.panns import Cnn14
    from catalog.embedders.vggish import VGGish

__all__ = ["STARTER_DIR", "Cnn14", "Embedder", "VGGish", "load_embedder"]

STARTER_DIR = Path(__file__).resolve().parents[1] / "starter"
STARTER_NAME = "clap-starter"
_NETWORKS = {"VGGish": "catalog.embedders.vggish", "Cnn14": "catalog.embedders.panns"}


def __getattr__(name: str) -> object:
    """Load a network on first use, so that importing the package does not import torch."""
    if name in _NETWORKS:
        return getattr(import_module(_NETWORKS[name]), name)
    raise AttributeError(f"module 'catalog.embedders' has no attribute {name!r}")


class Embedder(Protocol):
    """Puts sounds and words into one space, where near means alike."""

    @property
    def id(self) -> str:
        """`name@revision`, equal only for equal vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate at which clips are heard."""

    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        """Return float32 [n, dim], rows of length 1."""

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [n, dim], rows of length 1."""


def load_embedder(spec: str = "starter", device: str | Callable[[], str] = "cpu") -> Embedder:
    """Load an embedder: "starter", "transformers:FOLDER_OR_HUB_ID[@REVISION]" or "laion:FILE.pt".

    Every backend passes the self-test for collapsed text vectors before it is handed out.

    Args:
        spec: which one.
        device: where it runs. A function that says so lets the starter answer words at once and load what hears
            sounds with the first of them, for a search may hear none; the others ask it right away.

    Raises:
        EmbedderError: there is no such embedder, or it is damaged or of no use.
    """
    kind, _, place = spec.partition(":")
    if kind == "starter" and not place and callable(device):
        from catalog.embedders.starter_clap import StarterClap

        embedder: Embedder = StarterClap(STARTER_DIR / "clap", STARTER_NAME, device)
        return _checked(embedder)
    device = device() if callable(device) else device
    if kind == "starter" and not place:
        from catalog.embedders.clap import TransformersClap

        embedder = TransformersClap(str(STARTER_DIR / "clap"), STARTER_NAME, device)
    elif kind == "transformers" and place:
        from catalog.embedders.clap import TransformersClap

        embedder = TransformersClap(place, device=device)
    elif kind == "laion" and place:
        from catalog.embedders.laion import LaionClap

        embedder = LaionClap(Path(place), device=device)
    else:
        raise EmbedderError(
            f"embedder '{spec}' is not known; use starter, transformers:FOLDER_OR_HUB_ID or laion:FILE.pt"
        )
    return _checked(embedder)


def _checked(embedder: Embedder) -> Embedder:
    from catalog.embedders.selftest import check_text_vectors

    check_text_vectors(embedder)
    return embedder

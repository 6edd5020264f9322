"""The shipped CLAP: words at once, by numpy; sounds by transformers, which is loaded when the first one comes.

A search by words or by a sound of the library hears no sound, so it need not wait for torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalog.embedders.text_tower import TextTower
from catalog.errors import EmbedderError, first_line
from generation.audio import Clip

if TYPE_CHECKING:
    from catalog.embedders.clap import TransformersClap


class StarterClap:
    """A small ClapModel in a folder, loaded half by half; it gives what TransformersClap gives."""

    sample_rate_hz = 16_000

    def __init__(self, folder: Path, name: str, device: Callable[[], str]) -> None:
        """Load the text half.

        Args:
            folder: what save_pretrained wrote.
            name: of the id.
            device: says where sounds are heard; asked with the first one.

        Raises:
            EmbedderError: the folder does not hold it, in one line.
        """
        try:
            self._text = TextTower(folder)
            self._text.embed(["bass"])  # only now is every setting and every weight of it known to be there
        except Exception as error:  # each file format has errors of its own
            told = f"no CLAP model at {folder} ({first_line(error)}); install nightcrate again"
            raise EmbedderError(told) from error
        self._folder, self._name, self._device = folder, name, device
        self._whole: TransformersClap | None = None

    @property
    def id(self) -> str:
        """Name and a hash of the weights."""
        return f"{self._name}@{self._text.fingerprint}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._text.dim

    def embed_audio(self, clips: Sequence[Clip]) -> np.ndarray:
        """Embed clips of any rate. Returns float32 [n, dim], rows of length 1. Raises EmbedderError at the first."""
        if self._whole is None:
            from catalog.embedders.clap import TransformersClap

            self._whole = TransformersClap(str(self._folder), self._name, self._device())
        return self._whole.embed_audio(clips)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Embed sentences. Returns float32 [n, dim], rows of length 1."""
        return self._text.embed(texts)

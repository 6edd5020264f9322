"""ChopAN's bank: recorded notes as pictures, with the CLIP embedding of each.

A pipeline component without trained weights: buffers in one safetensors file, and what is known of each
note in config.json. The notes are part of every sound made from them, so their names travel with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # base name must be bound for pipeline loading
from torch import Tensor

_PICTURE_DTYPES = {"uint8": torch.uint8, "float16": torch.float16}


class ClipBank(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers types config_name in two ways
    """Pictures, ranges and embeddings of the notes that ChopAN mixes.

    Buffers: `embeddings` float16 [notes, embedding_size], L2-normalised; `pictures` uint8 (times 255) or
    float16 [notes, rows, columns], [0, 1]; `ranges` float32 [notes, 2], smallest and largest dB.
    """

    @register_to_config
    def __init__(
        self,
        notes: Sequence[Mapping[str, Any]],
        rows: int = 256,
        columns: int = 64,
        embedding_size: int = 128,
        picture_dtype: str = "uint8",
    ) -> None:
        """Make room for the notes; `filled` puts them in.

        Args:
            notes: note_str (NSynth name), pitch (MIDI), family, source and qualities (list) of each.
            rows: frequency bins of a picture.
            columns: frames of a picture.
            embedding_size: numbers in a CLIP embedding.
            picture_dtype: how pictures are stored, "uint8" (steps of 0.3 dB) or "float16".

        Raises:
            ValueError: the picture type is another.
        """
        super().__init__()
        if picture_dtype not in _PICTURE_DTYPES:
            needed = " or ".join(_PICTURE_DTYPES)
            raise ValueError(f"picture_dtype is {picture_dtype!r}; {needed} is needed")
        self.embeddings: Tensor
        self.pictures: Tensor
        self.ranges: Tensor
        self.register_buffer("embeddings", torch.zeros(len(notes), embedding_size, dtype=torch.float16))
        dtype = _PICTURE_DTYPES[picture_dtype]
        self.register_buffer("pictures", torch.zeros(len(notes), rows, columns, dtype=dtype))
        self.register_buffer("ranges", torch.zeros(len(notes), 2))

    @classmethod
    def filled(
        cls,
        notes: Sequence[Mapping[str, Any]],
        embeddings: Tensor,
        pictures: Tensor,
        ranges: Tensor,
        picture_dtype: str = "uint8",
    ) -> ClipBank:
        """Build a bank from its notes.

        Args:
            notes: see `__init__`.
            embeddings: float [notes, embedding_size], L2-normalised.
            pictures: float [notes, 1, rows, columns] in [0, 1].
            ranges: float [notes, 2], dB.
            picture_dtype: "uint8" or "float16".
        """
        _, _, rows, columns = pictures.shape
        bank = cls(list(notes), rows, columns, embeddings.shape[1], picture_dtype)
        stored = (pictures[:, 0] * 255).round() if picture_dtype == "uint8" else pictures[:, 0]
        bank.embeddings.copy_(embeddings)
        bank.pictures.copy_(stored)
        bank.ranges.copy_(ranges)
        return bank

    def __len__(self) -> int:
        """Count the notes."""
        return len(self.config["notes"])

    @property
    def note_strs(self) -> list[str]:
        """NSynth name of each note."""
        return [note["note_str"] for note in self.config["notes"]]

    @property
    def pitches(self) -> list[int]:
        """MIDI number of each note."""
        return [note["pitch"] for note in self.config["notes"]]

    def pictures_of(self, indices: Sequence[int]) -> Tensor:
        """Pictures of some notes: float32 [indices, 1, rows, columns] in [0, 1]."""
        chosen = self.pictures[list(indices), None].float()
        return chosen / 255 if self.pictures.dtype == torch.uint8 else chosen

    def ranges_of(self, indices: Sequence[int]) -> Tensor:
        """Smallest and largest dB of some notes: float32 [indices, 2]."""
        return self.ranges[list(indices)].float()

    def similarities(self, texts: Tensor) -> Tensor:
        """Cosine of text embeddings with every note: [texts, embedding_size] -> float32 [texts, notes]."""
        return texts.float() @ self.embeddings.float().T

"""The novelty bank: what a training corpus sounds like, small enough to ship, to tell a new sound from a copy.

For every training note the bank keeps its fingerprint (catalog/fingerprint.py, four bits a level) and its CLAP vector
(eight bits a number). A sound is a copy when the likeness of its fingerprint to any note reaches the bank's
threshold; CLAP, which hardly hears pitch, only names the note that a listener would call nearest. The threshold and
the error rates that were measured with it stand in the bank.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from catalog import fingerprint
from catalog.embedders import STARTER_DIR
from catalog.errors import NoveltyError
from catalog.fingerprint import BANDS, STRETCHES
from catalog.records import Kinship
from generation.audio import Clip, write_bytes

FORMAT = 1
STARTER_BANK = STARTER_DIR / "clap" / "novelty.safetensors"
"""The shipped bank, beside the ear that heard it: the notes that the shipped models learned from."""
COPY_LIKENESS = 0.95
"""Threshold of a bank that nobody measured error rates for; what the shipped corpus gave."""
_METADATA_KEY = "nightcrate"  # one key alone: several would be written in random order


@dataclass(frozen=True, eq=False)
class NoveltyBank:
    """The notes of one corpus.

    notes: names [n]. prints: uint8 [n, STRETCHES, BANDS]. vectors: int8 [n, d], CLAP vectors times 127 and divided
    by their largest number. embedder: id of the CLAP. threshold: likeness from which a sound is a copy.
    errors: how often the threshold errs, as measured (None: nobody did). origin: name and licence of the corpus.
    """

    notes: tuple[str, ...]
    prints: np.ndarray
    vectors: np.ndarray
    embedder: str
    threshold: float = COPY_LIKENESS
    errors: Mapping[str, Any] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Name of the corpus and a hash of everything that decides the answers."""
        digest = hashlib.sha256()
        decided = f"{self.embedder}{self.threshold!r}\n" + "\n".join(self.notes)
        for part in (self.prints.tobytes(), self.vectors.tobytes(), decided.encode()):
            digest.update(part)
        return f"{self.origin.get('name') or 'corpus'}@{digest.hexdigest()[:12]}"

    def kinship(self, clip: Clip, vector: np.ndarray | None, embedder: str) -> Kinship:
        """Compare a finished clip, and its vector float32 [d] of `embedder` (None: not heard), with every note."""
        row, alike = fingerprint.nearest(clip, self.prints)
        clap_note, cosine = None, None
        if vector is not None and embedder == self.embedder:
            cosines = self._unit_vectors @ vector
            clap_row = int(cosines.argmax())
            clap_note, cosine = self.notes[clap_row], float(min(1.0, cosines[clap_row]))
        return Kinship(self.notes[row], alike, clap_note, cosine, alike >= self.threshold)

    def measured(self, threshold: float, errors: Mapping[str, Any]) -> NoveltyBank:
        """The same bank with a threshold and its measured error rates."""
        return replace(self, threshold=threshold, errors=dict(errors))

    @cached_property
    def _unit_vectors(self) -> np.ndarray:
        """CLAP vectors float32 [n, d] at length 1."""
        vectors = self.vectors.astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def save(self, path: Path) -> None:
        """Write one safetensors file, atomically; equal banks give equal bytes."""
        levels = self.prints.reshape(len(self.notes), -1)
        levels = np.pad(levels, ((0, 0), (0, levels.shape[1] % 2)))
        tensors = {
            "prints": np.ascontiguousarray(levels[:, ::2] << 4 | levels[:, 1::2]),
            "vectors": self.vectors,
            "notes": np.frombuffer("\n".join(self.notes).encode(), np.uint8),
        }
        about = {
            "format": FORMAT,
            "embedder": self.embedder,
            "threshold": self.threshold,
            "errors": dict(self.errors) if self.errors is not None else None,
            "origin": dict(self.origin),
        }
        write_bytes(path, save(tensors, {_METADATA_KEY: json.dumps(about, sort_keys=True)}))

    @classmethod
    def load(cls, path: Path) -> NoveltyBank:
        """Read a file that `save` wrote. Raises NoveltyError, one line, for anything else."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()[_METADATA_KEY])
                packed, vectors, names = (file.get_tensor(name) for name in ("prints", "vectors", "notes"))
            notes = tuple(names.tobytes().decode().split("\n"))
            levels = np.stack([packed >> 4, packed & 15], axis=2).reshape(len(packed), -1)[:, : STRETCHES * BANDS]
            prints = levels.reshape(len(notes), STRETCHES, BANDS)
            if about["format"] != FORMAT or len(vectors) != len(notes):
                raise ValueError(f"format {about['format']}, {len(notes)} names, {len(vectors)} vectors")
            return cls(notes, prints, vectors, about["embedder"], about["threshold"], about["errors"], about["origin"])
        except FileNotFoundError as error:
            raise NoveltyError(
                f"{path}: there is no novelty bank here; make one with `nightcrate corpus fingerprint`"
            ) from error
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise NoveltyError(
                f"{path}: this is no novelty bank ({error}); make it again with `nightcrate corpus fingerprint`"
            ) from error


def make_bank(
    notes: Sequence[str], prints: np.ndarray, vectors: np.ndarray, embedder: str, origin: Mapping[str, Any]
) -> NoveltyBank:
    """A bank from names [n], fingerprints uint8 [n, STRETCHES, BANDS] and CLAP vectors float32 [n, d].

    Raises NoveltyError when there is no note or the three do not fit together.
    """
    if not notes or prints.shape != (len(notes), STRETCHES, BANDS) or len(vectors) != len(notes):
        raise NoveltyError(
            f"{len(notes)} names, fingerprints {list(prints.shape)} and vectors {list(vectors.shape)} came; "
            f"as many of each, and at least one, are needed"
        )
    scale = 127.0 / max(float(np.abs(vectors).max()), 1e-9)
    return NoveltyBank(tuple(notes), prints, np.round(vectors * scale).astype(np.int8), embedder, origin=dict(origin))

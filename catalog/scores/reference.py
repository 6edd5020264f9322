"""What a judge hears in real notes: the other side of every set score.

A reference is made once from recordings of held-out instruments (or any set of one-shots) and shipped as one
safetensors file, so that scoring a library needs neither corpus nor SoundFont. It keeps, for every
(source, family) cell, the judge's features of each note and, where it is a classifier, the mean posterior. Both sides
of a score are cut to the same length, since a judge hears silence too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from catalog.errors import ScoreError
from catalog.scores.extractors import Extractor, Judge, hear
from catalog.scores.kl import label_matched_kl
from generation.audio import Clip, write_bytes

logger = logging.getLogger(__name__)

Cell = tuple[str, str]
"""(source, family)"""

REFERENCE = "reference.safetensors"
"""Name of the file, beside the weights of the judge that heard it."""
STARTER_REFERENCE = Path(__file__).parent.parent / "starter" / "judge" / REFERENCE
"""The shipped reference of the shipped judge."""

_METADATA_KEY = "nightcrate"  # one key alone: several would be written in random order


@dataclass(frozen=True, eq=False)
class Reference:
    """Real notes as one judge hears them, by cell.

    features: float32 [n, d] of each cell, rows_a_note of them for every note; posteriors: mean posterior float64
    [classes] of each cell (a starter judge's 33 are joint, source varies slowest); own_kl: what label_matched_kl gives
    for the reference notes themselves, the floor that a perfect set would reach; both are empty when the judge is no
    classifier. length_s: what every clip was cut to, None where each was heard as it is.
    """

    name: str
    judge: str
    length_s: float | None
    features: Mapping[Cell, np.ndarray]
    posteriors: Mapping[Cell, np.ndarray]
    own_kl: Mapping[Cell, float]
    rows_a_note: int = 1

    def cells(self, source: str | None, family: str) -> tuple[Cell, ...]:
        """Return the cells a prompt is measured against: its own, or without a source all of its family."""
        return tuple(cell for cell in self.features if cell[1] == family and source in (None, cell[0]))

    def pooled_features(self, cells: Iterable[Cell]) -> np.ndarray:
        """Return the features [n, d] of several cells together, in the file's order."""
        wanted = set(cells)
        return np.concatenate([rows for cell, rows in self.features.items() if cell in wanted])

    def mean_posterior(self, cells: Sequence[Cell]) -> np.ndarray:
        """Return the mean posterior [classes] over all notes of several cells."""
        counts = [len(self.features[cell]) for cell in cells]
        return np.average([self.posteriors[cell] for cell in cells], axis=0, weights=counts)

    def save(self, path: Path) -> None:
        """Write everything into one safetensors file, atomically; equal references give equal bytes."""
        write_bytes(path, self._to_bytes())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that the file holds, 12 hex digits: equal only for a reference that gives equal scores."""
        return hashlib.sha256(self._to_bytes()).hexdigest()[:12]

    def _to_bytes(self) -> bytes:
        tensors = {f"features/{source}/{family}": rows for (source, family), rows in self.features.items()}
        tensors |= {f"posterior/{source}/{family}": row for (source, family), row in self.posteriors.items()}
        about = {
            "name": self.name,
            "judge": self.judge,
            "length_s": self.length_s,
            "own_kl": {"/".join(cell): value for cell, value in self.own_kl.items()},
        }
        if self.rows_a_note != 1:
            about["rows_a_note"] = self.rows_a_note
        return save(tensors, {_METADATA_KEY: json.dumps(about, sort_keys=True)})

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read a file that save wrote. Raises ScoreError, one line, for anything else."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()[_METADATA_KEY])
                tensors = {key: file.get_tensor(key) for key in sorted(file.keys())}
            return cls(
                name=about["name"],
                judge=about["judge"],
                length_s=about["length_s"],
                features=_part(tensors, "features"),
                posteriors=_part(tensors, "posterior"),
                own_kl={_cell(key): value for key, value in about["own_kl"].items()},
                rows_a_note=about.get("rows_a_note", 1),
            )
        except FileNotFoundError as error:
            raise ScoreError(f"{path}: there is no reference here; make one with the judge") from error
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ScoreError(f"{path}: this is no reference of nightcrate ({error})") from error


def build_reference(
    judge: Judge | Extractor, clips_by_cell: Mapping[Cell, Iterable[Clip]], name: str, length_s: float | None
) -> Reference:
    """Let a judge hear real notes, finished in the same way as the sounds that will be scored.

    `name` says which notes these are. Cells with fewer than two notes, which have no covariance, are left out and
    named in the log. Raises ScoreError when no cell is left, or when the judge has not the same number of rows, one
    or more, for every note.
    """
    features: dict[Cell, np.ndarray] = {}
    posteriors: dict[Cell, np.ndarray] = {}
    own_kl: dict[Cell, float] = {}
    rows: set[int] = set()
    for cell in sorted(clips_by_cell):
        heard = hear(judge, clips_by_cell[cell], length_s)
        if len(heard.counts) < 2:
            logger.warning("%s: %d note(s) of %s; at least 2 are needed", name, len(heard.counts), " ".join(cell))
            continue
        features[cell] = heard.features
        rows |= set(heard.counts.tolist())
        if heard.posteriors is not None:
            posteriors[cell] = heard.posteriors.mean(axis=0)
            means = np.tile(posteriors[cell], (len(heard.posteriors), 1))
            own_kl[cell] = label_matched_kl(means, heard.posteriors)
    if not features:
        raise ScoreError(f"{name}: no source and family has two notes; a larger set of real notes is needed")
    if len(rows) != 1 or 0 in rows:
        raise ScoreError(
            f"{judge.id} gave {sorted(rows)} rows a note; equally many are needed, one at least: cut notes to one "
            f"length that is long enough, not to {length_s} s"
        )
    return Reference(name, judge.id, length_s, features, posteriors, own_kl, rows.pop())


def _part(tensors: Mapping[str, np.ndarray], part: str) -> dict[Cell, np.ndarray]:
    """Return the tensors of one part of the file by cell."""
    return {_cell(key.split("/", 1)[1]): tensor for key, tensor in tensors.items() if key.startswith(part + "/")}


def _cell(text: str) -> Cell:
    """Turn `source/family` into a cell."""
    source, family = text.split("/")
    return source, family

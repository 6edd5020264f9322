"""What the league keeps of the sounds it has heard, so that a grown library costs only its new sounds.

One file for each model, judge and reference, LIBRARY/index/scores-*.safetensors: the moments of features and of KL by
group of sounds (each family and each quality), in BLOCKS blocks; at most a row of d numbers for every sound and group,
1 kB for VGGish and 16 kB for Cnn14, and never more than d rows a block and group; and of a judge of families what it
took each sound for, 44 bytes a sound. A sound belongs to a block by the
hash of its identity (job key and hash of its file), and every block knows whose sounds it counted. When one of those is
no longer among the accepted ones, was gated again or has another file, its block is forgotten and heard anew: nothing
is subtracted, so no rounding and no stale sound can stay. The file can be made again from the library and is no record.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from catalog.records import SampleRecord
from catalog.scores.moments import Moments
from catalog.scores.reference import Reference
from generation.audio import write_bytes

logger = logging.getLogger(__name__)

BLOCKS = 16
FORMAT = 3
"""Of the file; another one is not read but made again."""
_METADATA_KEY = "nightcrate"
_KINDS = ("features", "kl")


def identity(sample: SampleRecord) -> str:
    """What a tally knows a sound by: its job and the bytes of its file."""
    return f"{sample.job_key}.{(sample.sha256 or '')[:12]}"


def accepted_state(samples: Sequence[SampleRecord]) -> dict[str, Any]:
    """How many sounds these are, and which: `accepted`, and a hash of their identities (12 hex digits).

    A league keeps it beside its figures, so that `stale.py` can tell when other sounds are accepted.
    """
    told = "\n".join(sorted(map(identity, samples)))
    return {"accepted": len(samples), "accepted_id": hashlib.sha256(told.encode()).hexdigest()[:12]}


def groups_of(sample: SampleRecord) -> tuple[str, ...]:
    """The groups that a sound is counted in, its family first."""
    return (f"family/{sample.family}", *(f"quality/{quality}" for quality in sorted(set(sample.qualities))))


@dataclass
class _Block:
    """What is kept of some sounds.

    heard: identity -> FAD of that sound alone; families: identity -> float32 [11], see `Heard`, of all or of none;
    moments: (kind, group) -> of the sounds of that group.
    """

    heard: dict[str, float] = field(default_factory=dict)
    families: dict[str, np.ndarray] = field(default_factory=dict)
    moments: dict[tuple[str, str], Moments] = field(default_factory=dict)


class Tally:
    """The statistics of one model's sounds."""

    def __init__(self) -> None:
        self._blocks = [_Block() for _ in range(BLOCKS)]

    @property
    def heard(self) -> dict[str, float]:
        """Identity -> FAD alone (`outliers.py`) of every sound that counts."""
        return {name: fad for block in self._blocks for name, fad in block.heard.items()}

    @property
    def families(self) -> dict[str, np.ndarray]:
        """Identity -> probabilities of NSynth's families [11] of every sound that a judge of families has heard."""
        return {name: row for block in self._blocks for name, row in block.families.items()}

    def forget(self, accepted: Collection[str]) -> int:
        """Empty the blocks that count a sound which is not among these identities; how many blocks that were."""
        stale = [i for i, block in enumerate(self._blocks) if not block.heard.keys() <= set(accepted)]
        for i in stale:
            self._blocks[i] = _Block()
        return len(stale)

    def add(
        self,
        samples: Sequence[SampleRecord],
        features: np.ndarray,
        kl: np.ndarray | None,
        fads: np.ndarray,
        families: np.ndarray | None = None,
    ) -> None:
        """Count sounds that were heard: features [n, d], or [n, f, d] for f rows a sound; kl [n, k]; FAD alone [n].

        kl is None for a listener that is no classifier, families [n, 11] for one that knows no families. A sound that
        counts already is left out.
        """
        rows: dict[tuple[int, str], list[int]] = {}
        for row, sample in enumerate(samples):
            name = identity(sample)
            number = _block_of(name)
            if name in self._blocks[number].heard:
                continue
            self._blocks[number].heard[name] = float(fads[row])
            if families is not None:
                self._blocks[number].families[name] = families[row]
            for group in groups_of(sample):
                rows.setdefault((number, group), []).append(row)
        for (number, group), wanted in rows.items():
            for kind, table in zip(_KINDS, (features, kl), strict=True):
                if table is None:
                    continue
                moments = self._blocks[number].moments
                new = Moments.of(table[wanted].reshape(-1, table.shape[-1]))
                old = moments.get((kind, group))
                moments[kind, group] = new if old is None else Moments.merge([old, new])

    def blocks(self, kind: str, groups: Collection[str]) -> list[Moments]:
        """The moments, kind "features" or "kl", of these groups together in each block that holds any."""
        parts = ([b.moments[kind, group] for group in groups if (kind, group) in b.moments] for b in self._blocks)
        return [Moments.merge(part) for part in parts if part]

    def save(self, path: Path, model: str = "") -> None:
        """Write everything into one file, atomically; `model` says whose sounds these are, for `drop_gone`."""
        tensors, counts = {}, {}
        for number, block in enumerate(self._blocks):
            for (kind, group), moments in block.moments.items():
                name = f"{number}/{kind}/{group}"
                tensors[f"{name}/mean"] = moments.mean
                # safetensors writes the memory as it lies: a transposed view would come back wrong.
                tensors[f"{name}/factor"] = np.ascontiguousarray(moments.factor)
                counts[name] = moments.n
            if block.families:
                tensors[f"{number}/families"] = np.stack([block.families[name] for name in block.heard])
        about = {"format": FORMAT, "model": model, "counts": counts, "heard": [block.heard for block in self._blocks]}
        write_bytes(path, save(tensors, {_METADATA_KEY: json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> Tally:
        """Read a file that `save` wrote; an empty tally where there is none, or none that can be read."""
        made = cls()
        if not path.exists():
            return made
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()[_METADATA_KEY])
                if about["format"] != FORMAT:
                    return cls()
                for name, n in about["counts"].items():
                    number, kind, group = name.split("/", 2)
                    moments = Moments(n, file.get_tensor(f"{name}/mean"), file.get_tensor(f"{name}/factor"))
                    made._blocks[int(number)].moments[kind, group] = moments
                tables = set(file.keys())
                for number, (block, heard) in enumerate(zip(made._blocks, about["heard"], strict=True)):
                    block.heard = heard
                    if f"{number}/families" in tables:
                        rows = file.get_tensor(f"{number}/families")
                        block.families = dict(zip(heard, rows, strict=True))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, IndexError) as error:
            logger.warning("%s: cannot be read (%s); all sounds are heard again", path, error)
            return cls()
        return made


def tally_path(library: Path, model: str, reference: Reference) -> Path:
    """Where the statistics of a model lie; another judge, reference or length has another file."""
    told = json.dumps([model, reference.judge, reference.fingerprint])
    return library / "index" / f"scores-{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"


def drop_gone(library: Path, models: Collection[str]) -> list[Path]:
    """Delete the statistics of models that are not among these, and files of another format; the deleted files."""
    gone = [path for path in sorted((library / "index").glob("scores-*.safetensors")) if _model_of(path) not in models]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _model_of(path: Path) -> str | None:
    """The model whose statistics a file keeps; None for one that is not read any more."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()[_METADATA_KEY])
            return str(about["model"]) if about["format"] == FORMAT else None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None


def _block_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % BLOCKS

"""A corpus as a recipe's pictures: made once, kept beside the sounds, read by indexing.

Single notes, a stratified part of them, or drawn mixtures of two; drawn for training by weight. Nothing is held whole
in memory: 300,000 notes take what their examples.json takes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin
from torch import Tensor

from generation.codecs.waves import fit_waves, to_peak
from generation.corpus.nsynth import CorpusInfo, Note, read_audio, read_corpus
from generation.errors import AudioError, CorpusError
from generation.prompts.vocabulary import FAMILIES
from generation.training.picture_cache import FORMAT, cached_arrays
from generation.training.sampling import step_rng

_log = logging.getLogger(__name__)
_CHUNK = 64
_QUIETER_BY_DB = 9.0
_TOLD_EVERY_S = 10.0
# Fourth numbers, which keep these generators apart from those of generation.training.sampling.
_SUBSET, _MIXTURES = 1, 2


@dataclass(frozen=True)
class Picturing:
    """How sounds become arrays.

    name: a plain file name. n_samples: waves are cut or padded with zeros to this before `encode`.
    parameters: all that decides the arrays, as JSON can say it (the codec and its configuration, a fingerprint of
    weights, element types). encode: float32 [batch, n_samples] at 16 kHz, on the CPU, to arrays with as many rows,
    on any device; called without gradients.
    """

    name: str
    n_samples: int
    parameters: Mapping[str, Any]
    encode: Callable[[Tensor], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class CorpusPictures:
    """Items, their arrays and how often each is drawn.

    items: the one note of each, or the two of a mixture, the louder first. arrays: memory-mapped, read-only,
    [items, ...]. weights: float64 [items], they sum to 1. info: origin and licence of the corpus.
    """

    items: tuple[tuple[Note, ...], ...]
    arrays: Mapping[str, np.ndarray]
    weights: np.ndarray
    info: CorpusInfo

    def __len__(self) -> int:
        """Count the items."""
        return len(self.items)

    def draw(self, seed: int, index: int, size: int) -> np.ndarray:
        """Items of batch `index`, int64 [size], drawn by weight; equal for equal (seed, index)."""
        # As Generator.choice with p does, without its sums over the whole corpus at every call.
        return self._reached.searchsorted(step_rng(seed, index).random(size), side="right")

    def take(self, name: str, indices: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """Copy some rows of an array: [indices, ...] of the array's type."""
        return torch.from_numpy(np.array(self.arrays[name][np.asarray(indices, np.int64)]))

    @cached_property
    def _reached(self) -> np.ndarray:
        reached = self.weights.cumsum()
        return reached / reached[-1]


@dataclass(frozen=True)
class _Item:
    """What is pictured: one note, or two with the second so much quieter."""

    notes: tuple[Note, ...]
    quieter_by_db: float = 0.0


def read_pictures(
    split: Path,
    picturing: Picturing,
    balance: float = 0.0,
    subset: int | None = None,
    mixtures: int | None = None,
    seed: int = 0,
) -> CorpusPictures:
    """Picture one split of a corpus, or take the pictures that an earlier run has left beside it.

    Args:
        split: a folder with examples.json.
        picturing: makes the arrays. They stay in split/.pictures; where that cannot be written, under
            XDG_CACHE_HOME (else ~/.cache).
        balance: power by which notes of rare (source, family) cells are drawn more often; 0 draws them as
            they come, 1 draws all cells alike.
        subset: how many notes to use, at least one of each instrument where that is enough, of all cells alike
            where it is not, otherwise in proportion; the notes of a smaller subset are in a larger one.
        mixtures: so many drawn sums of two notes instead of the notes: each at peak 1, the second 0 to 9 dB
            lower, the sum scaled to peak 1. Notes are drawn by `balance`, mixtures then all alike.
        seed: of the subset and of the mixtures.

    Raises:
        CorpusError: the corpus or one of its sounds cannot be read, or there is no room for the pictures.
    """
    if any(count is not None and count < 1 for count in (subset, mixtures)):
        raise ValueError(f"subset={subset}, mixtures={mixtures}: at least 1 is needed")
    corpus = read_corpus(split)
    present = {note.family for note in corpus.notes}
    missing = [family for family in FAMILIES if family not in present]
    if missing:
        _log.warning("%s: holds no example of %s; nothing is learned or measured of it", split, ", ".join(missing))
    notes = corpus.notes if subset is None else _stratified(corpus.notes, subset, seed)
    weights = _weights(notes, balance)
    if mixtures is None:
        items = [_Item((note,)) for note in notes]
    else:
        items = _mixtures(notes, weights, mixtures, seed)
        weights = np.full(mixtures, 1 / mixtures)

    def chunks() -> Iterator[dict[str, np.ndarray]]:
        began = told = time.monotonic()
        for start in range(0, len(items), _CHUNK):
            yield _pictured(items[start : start + _CHUNK], picturing)
            now, done = time.monotonic(), min(start + _CHUNK, len(items))
            if now - told >= _TOLD_EVERY_S:
                told = now
                left_s = (now - began) / done * (len(items) - done)
                _tell(f"{split}: {done} of {len(items)} {picturing.name} pictures made, left {left_s / 60:.1f} min")

    try:
        arrays = cached_arrays(_places(split), picturing.name, _key(items, picturing), len(items), chunks)
    except OSError as error:
        raise CorpusError(
            f"{split}: its {picturing.name} pictures cannot be written, neither there nor in {_places(split)[1]} "
            f"({error.strerror or error}); free some space, or set XDG_CACHE_HOME to a folder with room"
        ) from error
    return CorpusPictures(tuple(item.notes for item in items), arrays, weights, corpus.info)


def codec_parameters(codec: ConfigMixin) -> dict[str, Any]:
    """What a codec without weights adds to Picturing.parameters: its class and its configuration."""
    settings = {key: value for key, value in codec.config.items() if not key.startswith("_")}
    return {"codec": type(codec).__name__, **settings}


def _weights(notes: Sequence[Note], balance: float) -> np.ndarray:
    counts = Counter((note.source, note.family) for note in notes)
    # Rounded to float32 first: the draws of runs from before the pictures lay on disk stay the same.
    weights = np.array([counts[note.source, note.family] ** -balance for note in notes], np.float32).astype(np.float64)
    return weights / weights.sum()


def _stratified(notes: Sequence[Note], count: int, seed: int) -> tuple[Note, ...]:
    """Choose by rank: one note of each instrument first, cell by cell in turn, then the rest in proportion."""
    rng = np.random.default_rng([seed, 0, 0, _SUBSET])
    instruments: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(notes)):
        instruments[notes[index].instrument_str].append(int(index))
    seen: Counter[tuple[str, str]] = Counter()
    ranks: list[tuple[bool, float, int]] = []
    for members in instruments.values():
        cell = notes[members[0]].source, notes[members[0]].family
        ranks.append((False, seen[cell], members[0]))
        ranks += [(True, place / len(members), index) for place, index in enumerate(members[1:], 1)]
        seen[cell] += 1
    return tuple(notes[index] for index in sorted(index for _, _, index in sorted(ranks)[:count]))


def _mixtures(notes: Sequence[Note], weights: np.ndarray, count: int, seed: int) -> list[_Item]:
    if len(notes) < 2:
        raise CorpusError("mixtures need two notes, and the corpus has one; render or import more")
    rng = np.random.default_rng([seed, 0, 0, _MIXTURES])
    first = rng.choice(len(notes), count, p=weights)
    second = rng.choice(len(notes), count, p=weights)
    while (same := first == second).any():
        second[same] = rng.choice(len(notes), int(same.sum()), p=weights)
    quieter_by_db = rng.uniform(0, _QUIETER_BY_DB, count)
    return [_Item((notes[a], notes[b]), float(db)) for a, b, db in zip(first, second, quieter_by_db, strict=True)]


@torch.no_grad()
def _pictured(items: Sequence[_Item], picturing: Picturing) -> dict[str, np.ndarray]:
    waves = torch.cat([_wave(item, picturing.n_samples) for item in items])
    arrays = {name: array.cpu().numpy() for name, array in picturing.encode(waves).items()}
    if any(len(array) != len(items) for array in arrays.values()):
        raise ValueError(f"{picturing.name}: {len(items)} sounds gave { {k: v.shape for k, v in arrays.items()} }")
    return arrays


def _wave(item: _Item, n_samples: int) -> Tensor:
    """float32 [1, n_samples]; a single note at its own level, a mixture at peak 1."""
    waves = [_fitted(note, n_samples) for note in item.notes]
    if len(waves) == 1:
        return waves[0]
    louder, quieter = (to_peak(wave, 1.0) for wave in waves)
    return to_peak(louder + 10 ** (-item.quieter_by_db / 20) * quieter, 1.0)


def _fitted(note: Note, n_samples: int) -> Tensor:
    try:
        return fit_waves(torch.from_numpy(read_audio(note))[None], n_samples)
    except AudioError as error:
        raise CorpusError(f"{note.path}: {error}") from error


def _key(items: Sequence[_Item], picturing: Picturing) -> str:
    """Digest of all that decides the arrays; another size or date of a sound file counts as another sound."""
    said = {"format": FORMAT, "name": picturing.name, "n_samples": picturing.n_samples, **picturing.parameters}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    dated: dict[str, str] = {}
    for item in items:
        for note in item.notes:
            if note.note_str not in dated:
                dated[note.note_str] = _dated(note)
        digest.update("".join(dated[note.note_str] for note in item.notes).encode())
        digest.update(f"{item.quieter_by_db!r}\n".encode())
    return digest.hexdigest()


def _dated(note: Note) -> str:
    try:
        facts = os.stat(note.path)
    except OSError as error:
        raise CorpusError(
            f"{note.path}: cannot be read ({error.strerror}); make or download the corpus again"
        ) from None
    return f"{note.note_str} {facts.st_size} {facts.st_mtime_ns} "


def _places(split: Path) -> tuple[Path, Path]:
    """Beside the sounds, else the user's cache, there apart for each corpus."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    corpus = hashlib.sha256(os.fsencode(split.resolve())).hexdigest()[:16]
    return split / ".pictures", cache / "nightcrate" / "pictures" / corpus


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

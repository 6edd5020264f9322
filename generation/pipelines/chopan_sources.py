"""Which bank notes ChopAN mixes for a prompt, how loud each is, and by how much each is retuned."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChopANSettings:
    """How ChopAN mixes.

    rank_weights: share of the most similar note, of the second, ...; scaled to sum 1. Their count is the
        number of notes mixed (the thesis: five).
    one_pitch: mix only notes within `max_shift_semitones` of the most similar one, retuned to its pitch.
        False is the thesis read plainly, the most similar notes whatever their pitch: five pitches at
        once, which is a cluster and no one-shot.
    max_shift_semitones: how far a note may be retuned.
    variety: seeded noise added to the similarities, as a share of their standard deviation over the bank,
        so that another seed meets other notes. 0 is the thesis: one prompt, always the same notes.
    noise_sigma: standard deviation of the noise Z of equation 3.6, in pictures scaled to [0, 1].
    use_vae: False leaves out the autoencoder: the plain weighted sum, for comparison.
    detail: share of the weighted sum in the picture that is sounded, beside the autoencoder's. 128 numbers do not
        keep between which two rows a partial lies, and a picture without that is up to a semitone out of tune:
        of 24 sounds asked for from A2 to B3, 6 hit their note with 0 and all with 0.5. 0 is the thesis.
    iterations: rounds of Griffin-Lim.
    """

    rank_weights: tuple[float, ...] = (5.0, 4.0, 3.0, 2.0, 1.0)
    one_pitch: bool = True
    max_shift_semitones: int = 2
    variety: float = 0.5
    noise_sigma: float = 0.02
    use_vae: bool = True
    detail: float = 0.5
    iterations: int = 64


THESIS_SETTINGS = ChopANSettings(one_pitch=False, variety=0.0, detail=0.0)


@dataclass(frozen=True)
class TextRetriever:
    """Another judge of similarity than the pipeline's own CLIP, such as CLAP over the bank's sounds.

    bank_embeddings: float [notes, size], L2-normalised, in the order of the bank.
    embed_texts: texts -> float [texts, size], L2-normalised.
    """

    bank_embeddings: np.ndarray
    embed_texts: Callable[[Sequence[str]], np.ndarray]

    def similarities(self, texts: Sequence[str]) -> Tensor:
        """Cosine of every text with every bank note: float32 [texts, notes]."""
        # One at a time, so that no text's cosines depend on the batch (padding, rounding).
        rows = [np.asarray(self.embed_texts([text])) @ np.asarray(self.bank_embeddings).T for text in texts]
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))


@dataclass(frozen=True)
class Sources:
    """The notes of one sound: bank indices (most similar first), weights (sum 1), semitones to retune."""

    indices: tuple[int, ...]
    weights: tuple[float, ...]
    shifts: tuple[int, ...]


def choose_sources(similarities: Tensor, pitches: Sequence[int], note: int | None, settings: ChopANSettings) -> Sources:
    """Take the most similar notes that can sound at one pitch.

    Args:
        similarities: float [notes].
        pitches: MIDI number of each bank note.
        note: the MIDI number asked for; None takes the pitch of the most similar note.
        settings: how to mix.

    Returns:
        As many sources as there are weights, or fewer where the bank has no more near that pitch. Where
        it has none at all, the notes nearest in pitch, retuned as far as allowed: the sound then misses
        the note asked for, and a log line of level info says so.
    """
    order = torch.argsort(similarities, descending=True, stable=True).tolist()
    if note is None and not settings.one_pitch:
        return _weighted(order, [0] * len(order), settings)
    target = pitches[order[0]] if note is None else note
    reach = settings.max_shift_semitones
    near = [i for i in order if abs(pitches[i] - target) <= reach]
    if not near:
        distance = min(abs(pitch - target) for pitch in pitches)
        # The gate refuses such a sound with its reason; a line for each on the terminal would bury other news.
        _log.info("note %d is %d semitones from the bank's nearest; the sound misses it", target, distance)
        near = [i for i in order if abs(pitches[i] - target) == distance]
    shifts = [max(-reach, min(reach, target - pitches[i])) for i in near]
    return _weighted(near, shifts, settings)


def _weighted(indices: Sequence[int], shifts: Sequence[int], settings: ChopANSettings) -> Sources:
    weights = settings.rank_weights[: len(indices)]
    shares = tuple(weight / sum(weights) for weight in weights)
    return Sources(tuple(indices[: len(shares)]), shares, tuple(shifts[: len(shares)]))

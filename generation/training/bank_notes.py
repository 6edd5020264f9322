"""Building ChopAN's bank from a corpus: which notes go in, and their embeddings.

A sound is mixed from notes of one pitch (see generation.pipelines.chopan_sources), so each cell (source x
family) gathers its notes around a few pitches, and the sources of a family take different ones: together
they cover more of the keyboard. Around a pitch, instruments and sets of qualities vary.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from generation.corpus.nsynth import Note
from generation.models.clip_bank import ClipBank
from generation.models.clip_tower import ClipTower
from generation.prompts.vocabulary import SOURCES
from generation.training.stft_pictures import StftPictures

_NOTES_A_SOUND = 5
_REACH_SEMITONES = 2
_CHUNK = 64
_GOLDEN = (5**0.5 - 1) / 2


def choose_bank_notes(notes: Sequence[Note], size: int | None) -> list[int]:
    """Choose the notes of a bank.

    Args:
        notes: of the train split.
        size: how many at most, as many from every cell as the corpus allows; None takes one note for every
            instrument and set of qualities, whatever their number.

    Returns:
        Indices, sorted.
    """
    if size is None:
        return _one_of_each(notes)
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        cells[note.source, note.family].append(index)
    chosen: list[int] = []
    # Small cells first: what they cannot fill is shared among the others.
    by_size = sorted(cells, key=lambda cell: (len(cells[cell]), cell))
    for done, cell in enumerate(by_size):
        share = (size - len(chosen)) // (len(by_size) - done)
        chosen += _choose_in_cell(notes, cells[cell], share, SOURCES.index(cell[0]))
    return sorted(chosen)


def _one_of_each(notes: Sequence[Note]) -> list[int]:
    """One note for every instrument and set of qualities, their pitches spread over the range."""
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        groups[note.instrument_str, note.qualities].append(index)
    chosen = []
    for number, key in enumerate(sorted(groups)):
        members = sorted(groups[key], key=lambda i: (notes[i].pitch, notes[i].note_str))
        # The golden ratio's multiples fill [0, 1) evenly, so neighbours take different pitches.
        chosen.append(members[int(number * _GOLDEN % 1.0 * len(members))])
    return sorted(chosen)


def _choose_in_cell(notes: Sequence[Note], members: list[int], share: int, source: int) -> list[int]:
    """Fill a cell's share around its pitches; what they cannot give comes from the rest of the cell."""
    chosen: list[int] = []
    pitches = _anchor_pitches(sorted(notes[i].pitch for i in members), share, source)
    for done, pitch in enumerate(pitches):
        wanted = (share - len(chosen)) // (len(pitches) - done)
        near = [i for i in members if abs(notes[i].pitch - pitch) <= _REACH_SEMITONES and i not in chosen]
        chosen += _varied(notes, near, wanted, pitch)
    rest = [i for i in members if i not in chosen]
    return chosen + _varied(notes, rest, share - len(chosen), pitches[len(pitches) // 2] if pitches else 0)


def _anchor_pitches(pitches: list[int], share: int, source: int) -> list[int]:
    """Pitches spread over those of a cell, enough that five notes can gather at each."""
    count = max(1, share // _NOTES_A_SOUND)
    places = [(step + (source + 1) / (len(SOURCES) + 1)) / count for step in range(count)]
    return [pitches[min(len(pitches) - 1, int(place * len(pitches)))] for place in places]


def _varied(notes: Sequence[Note], members: list[int], count: int, pitch: int) -> list[int]:
    """Take `count` notes one by one, each as unlike the ones before and as near to the pitch as can be."""
    instruments: Counter[str] = Counter()
    qualities: Counter[tuple[str, ...]] = Counter()
    taken: list[int] = []
    left = list(members)
    while left and len(taken) < count:
        best = min(
            left,
            key=lambda i: (
                # A set of qualities that is there already costs as much as two semitones.
                2 * qualities[notes[i].qualities] + instruments[notes[i].instrument_str] + abs(notes[i].pitch - pitch),
                notes[i].note_str,
            ),
        )
        left.remove(best)
        taken.append(best)
        qualities[notes[best].qualities] += 1
        instruments[notes[best].instrument_str] += 1
    return taken


@torch.no_grad()
def build_bank(corpus: StftPictures, indices: Sequence[int], clip: ClipTower, picture_dtype: str) -> ClipBank:
    """Embed the chosen notes with `clip` (on its device) and put them into a bank.

    Args:
        corpus: the train split.
        indices: its notes that go in.
        clip: the trained tower.
        picture_dtype: "uint8" or "float16", see ClipBank.
    """
    pictures = corpus.take(indices)
    embeddings: list[Tensor] = []
    for part in pictures.split(_CHUNK):
        embeddings.append(clip.encode_pictures(part.to(clip.device)).float().cpu())
    notes = [_facts(corpus.notes[index]) for index in indices]
    return ClipBank.filled(notes, torch.cat(embeddings), pictures, corpus.ranges[list(indices)], picture_dtype)


def _facts(note: Note) -> dict[str, object]:
    return {
        "note_str": note.note_str,
        "pitch": note.pitch,
        "family": note.family,
        "source": note.source,
        "qualities": list(note.qualities),
    }

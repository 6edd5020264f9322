"""The prompts of every evaluation: NSynth's cells in turn, each time with one quality word and a note of the family.

Deterministic, and each list begins as every shorter one does, so that more prompts only add to what was made.
"""

from __future__ import annotations

from itertools import count

from generation.prompts.prompt import Prompt
from generation.prompts.vocabulary import CELLS, QUALITIES

RANGES: dict[str, tuple[int, int]] = {
    "bass": (36, 60), "brass": (43, 77), "flute": (60, 84), "guitar": (40, 76), "keyboard": (36, 84),
    "mallet": (48, 84), "organ": (36, 84), "reed": (46, 79), "string": (43, 84), "synth_lead": (48, 84),
    "vocal": (45, 76),
}  # fmt: skip
"""MIDI notes that a family is asked for: within what its instruments play, and within 36 to 84."""

_GOLDEN = 0.6180339887
_STRIDE = 3  # prime to the ten qualities: ten prompts of a cell have all of them


def evaluation_prompts(number: int) -> list[Prompt]:
    """The first `number` prompts; 28 have one of every cell, 280 have every quality once in every cell."""
    prompts: dict[Prompt, None] = {}
    for turn in count():
        for place, (source, family) in enumerate(CELLS):
            if len(prompts) == number:
                return list(prompts)
            prompts[_prompt(source, family, turn, place, prompts)] = None
    raise AssertionError("count never ends")


def _prompt(source: str, family: str, turn: int, place: int, taken: dict[Prompt, None]) -> Prompt:
    """The prompt of one cell in one turn; the next free note where its own was asked for already."""
    quality = QUALITIES[(_STRIDE * turn + place) % len(QUALITIES)]
    low, high = RANGES[family]
    span = high - low + 1
    first = int((_GOLDEN * (turn + 1) + 0.137 * place) % 1.0 * span)
    for step in range(span):
        prompt = Prompt(family, source, (quality,), low + (first + step) % span)
        if prompt not in taken:
            return prompt
    raise ValueError(f"{source} {family}: no note is left for another {quality} prompt")

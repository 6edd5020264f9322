"""What is asked of a model in one call, made sure of before any work: whole lists, numbers that are numbers."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Iterable
from numbers import Real
from typing import Any

from generation.errors import GenerationError
from generation.prompts.vocabulary import parse_note

_SEEDS = range(-(2**63), 2**64)
"""What torch's generators take; a negative seed is the same as itself plus 2 to the 64."""
_SAME_LENGTH_S = 0.01


def texts_of(prompts: Iterable[str]) -> list[str]:
    """Prompts as a list. Raises GenerationError for one text in the place of a list, and for what is no text."""
    texts = _listed("prompts", prompts)
    for text in texts:
        if not isinstance(text, str):
            raise GenerationError(f"prompt {_told(text)} is no text; a list of texts is needed")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise GenerationError(f"prompt {_told(text)} holds half a character; a text of whole ones is needed")
    return texts


def seeds_of(seeds: Iterable[int]) -> list[int]:
    """Seeds as a list of Python's own integers; numpy's do as well. Raises GenerationError for anything else."""
    return [_whole("seed", seed, _SEEDS, "a whole number from -2^63 to 2^64 - 1") for seed in _listed("seeds", seeds)]


def notes_of(notes: Iterable[int | str | None] | None) -> list[int | None] | None:
    """Notes as MIDI numbers, from numbers or names ("A2"); None, alone or among them, stays.

    Raises:
        GenerationError: no list came, or a note is neither a number from 0 to 127 nor a name.
    """
    return None if notes is None else [_note(note) for note in _listed("notes", notes)]


def steps_of(steps: int | None) -> int | None:
    """Steps as Python's own integer of at least 1; None stays. Raises GenerationError for anything else."""
    return None if steps is None else _whole("steps", steps, range(1, 2**31), "a whole number of at least 1")


def guidance_of(guidance_scale: float | None) -> float | None:
    """Guidance as a float of at least 0; None stays. Raises GenerationError for anything else, NaN and infinity too."""
    if guidance_scale is None:
        return None
    if not (_is_real(guidance_scale) and guidance_scale >= 0):
        raise GenerationError(f"guidance {_told(guidance_scale)} came; a number of at least 0 is needed (1: none)")
    return float(guidance_scale)


def length_of(length_s: float | None) -> float | None:
    """Seconds as a float above 0; None stays. Raises GenerationError for anything else, NaN and infinity too."""
    if length_s is None:
        return None
    if not (_is_real(length_s) and length_s > 0):
        raise GenerationError(f"length_s {_told(length_s)} came; a number of seconds above 0 is needed")
    return float(length_s)


def check_length(length_s: float | None, own_s: float) -> None:
    """Raise GenerationError when a model whose sounds all last own_s seconds is asked for another length."""
    if length_s is not None and abs(length_s - own_s) > _SAME_LENGTH_S:
        raise GenerationError(f"{length_s:g} s were asked for; this model's sounds last {own_s:.3f} s")


def _note(note: int | str | None) -> int | None:
    if note is None:
        return None
    if isinstance(note, str):
        return parse_note(note)
    return _whole("note", note, range(128), "a MIDI number from 0 to 127, a name such as A2, or None")


def _is_real(value: Any) -> bool:
    """Whether something is a finite number; True counts as 1 in Python, but nobody means it."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _listed(what: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise GenerationError(f"{what} came as {_told(values)}; a list is needed, with one entry for each sound")
    return list(values)


def _whole(what: str, value: Any, allowed: range, needed: str) -> int:
    try:
        # True counts as 1 in Python, but nobody means it.
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number not in allowed:
        raise GenerationError(f"{what} {_told(value)} came; {needed} is needed")
    return number


def _told(value: object) -> str:
    """A value as one short line."""
    return " ".join(reprlib.repr(value).split())

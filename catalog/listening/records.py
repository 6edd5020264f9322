"""What a listening test consists of: plain frozen records, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from generation.audio import Clip

REAL = "real notes"
"""What real notes are called beside the models."""


@dataclass(frozen=True)
class Candidate:
    """A sound that may be chosen: `origin` is the key of its job, or the name of a real note (no sample, no model)."""

    origin: str
    sample_id: int | None
    model: str | None
    family: str | None
    prompt: str

    @property
    def maker(self) -> str:
        """The model, or `real notes`."""
        return REAL if self.model is None else self.model


@dataclass(frozen=True, eq=False)
class ChosenSound:
    """A sound of the set with what is heard of it."""

    candidate: Candidate
    clip: Clip


@dataclass(frozen=True)
class HeardSound:
    """One sound of a test; `token` is the only name by which a listener meets it."""

    id: int
    token: str
    candidate: Candidate
    sha256: str


@dataclass(frozen=True)
class ListeningTest:
    """One set of sounds, in the order of their tokens; fixed when made. lufs: loudness of every copy."""

    id: int
    name: str
    seed: int
    lufs: float
    made_at: datetime
    sounds: tuple[HeardSound, ...]


@dataclass(frozen=True)
class Listener:
    """One person in one test; `rehearsal` ones try the test out and are never counted."""

    id: int
    test_id: int
    code: str
    name: str
    rehearsal: bool


@dataclass(frozen=True)
class Answer:
    """What a listener said of a sound: cag, rel 0..100, and how many times it was heard to its end."""

    listener_id: int
    sound_id: int
    cag: int
    rel: int
    plays: int

"""The gate: measured facts and thresholds to a verdict with its reasons, and the canary that stops a sick cell.

A verdict follows from facts and settings alone, so sounds can be judged again under other thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from generation.descriptors import RawFacts, SoundFacts
from generation.prompts.vocabulary import note_name

RHYTHMIC = "tempo-synced"
"""The quality whose sounds start more than one note on purpose."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GateSettings(_Strict):
    """Thresholds; configs/gate says where each figure comes from. What a threshold names is its last allowed value.

    min_peak_dbfs, max_clipped_share, max_dc_offset, max_clicks, max_onset_s: of the raw clip (RawFacts).
    min_duration_s, max_onsets: of the finished one (SoundFacts); max_onsets is not asked of tempo-synced sounds.
    max_note_error_cents: distance from the note that was asked for; None asks for no note.
    """

    min_peak_dbfs: float = Field(le=0)
    max_clipped_share: float = Field(ge=0, le=1)
    max_dc_offset: float = Field(ge=0, le=1)
    max_clicks: int = Field(ge=0)
    max_onset_s: float = Field(ge=0)
    min_duration_s: float = Field(ge=0)
    max_onsets: int = Field(ge=1)
    max_note_error_cents: float | None = Field(gt=0)


class CanarySettings(_Strict):
    """When a model x family cell counts as sick: at least `min_sounds` judged, and this share of them rejected."""

    min_sounds: int = Field(ge=1)
    max_rejected_share: float = Field(gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a sound was rejected: a word for counting, a sentence for people, the figure and its limit.

    measured and limit are None where there is no figure (NaN has none, a sound without pitch neither).
    """

    code: str
    sentence: str
    measured: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted, or rejected for these reasons; all of them, not only the first."""

    reasons: tuple[Reason, ...]

    @property
    def accepted(self) -> bool:
        """True when nothing speaks against the sound."""
        return not self.reasons


def gate(
    raw: RawFacts,
    sound: SoundFacts | None,
    qualities: Collection[str],
    settings: GateSettings,
    note: int | None = None,
) -> Verdict:
    """Judge one sound.

    raw: of the untouched clip. sound: of the finished one, None when the raw clip could not be finished. qualities:
    that were asked for. note: MIDI number that was asked for, None for any.
    Raises ValueError when there is something to finish and `sound` is missing.
    """
    if not raw.finite:
        return Verdict((Reason("not_finite", "holds NaN or infinite samples", None, None),))
    if raw.silent or raw.peak_dbfs is None or raw.peak_dbfs < settings.min_peak_dbfs:
        return Verdict((_silence(raw, settings),))
    if sound is None:
        raise ValueError("a raw clip with sound needs the facts of its finished form")
    return Verdict((*_raw_reasons(raw, settings), *_sound_reasons(sound, qualities, settings, note)))


def in_cents(cents: float | None) -> str:
    """How far a sound lies from its note, as people read it: whole cents with their sign, "+3 ct"; None counts as 0."""
    return f"{round(cents or 0.0):+d} ct"  # an int: a float a little below zero would be written "-0"


def _silence(raw: RawFacts, settings: GateSettings) -> Reason:
    level = "there is none" if raw.peak_dbfs is None else f"the peak is {raw.peak_dbfs:.1f} dBFS"
    needed = f"at least {settings.min_peak_dbfs:g} dBFS is needed"
    return Reason("silence", f"no sound: {level}, {needed}", raw.peak_dbfs, settings.min_peak_dbfs)


def _raw_reasons(raw: RawFacts, settings: GateSettings) -> Iterator[Reason]:
    if (share := raw.clipped_share or 0.0) > (limit := settings.max_clipped_share):
        told = f"clipped: {100 * share:.2g} % of its samples lie on flat tops, at most {100 * limit:.2g} % may"
        yield Reason("clipping", told, share, limit)
    if (offset := raw.dc_offset or 0.0) > (limit := settings.max_dc_offset):
        told = f"off centre by {100 * offset:.2g} % of its peak, at most {100 * limit:.2g} % is allowed"
        yield Reason("dc_offset", told, offset, limit)
    if (clicks := raw.clicks or 0) > settings.max_clicks:
        yield Reason("clicks", f"clicks {clicks} times, at most {settings.max_clicks} may", clicks, settings.max_clicks)
    if (onset := raw.onset_s or 0.0) > (limit := settings.max_onset_s):
        told = f"starts after {1000 * onset:.0f} ms, at most {1000 * limit:.0f} ms may pass"
        yield Reason("late_start", told, onset, limit)


def _sound_reasons(
    sound: SoundFacts, qualities: Collection[str], settings: GateSettings, note: int | None
) -> Iterator[Reason]:
    if sound.duration_s < (limit := settings.min_duration_s):
        told = f"sounds for {1000 * sound.duration_s:.0f} ms, at least {1000 * limit:.0f} ms are needed"
        yield Reason("too_short", told, sound.duration_s, limit)
    if RHYTHMIC not in qualities and sound.onsets > settings.max_onsets:
        told = f"starts {sound.onsets} notes, at most {settings.max_onsets} may start"
        yield Reason("several_onsets", told, sound.onsets, settings.max_onsets)
    if note is None or settings.max_note_error_cents is None:
        return
    if sound.midi_note is None:
        confidence = f"confidence {sound.pitch_confidence:.2f}"
        yield Reason("no_note", f"{note_name(note)} was asked for, no pitch was measured ({confidence})", None, note)
    elif abs(100 * (sound.midi_note - note) + (sound.cents or 0.0)) > settings.max_note_error_cents:
        heard = f"{note_name(sound.midi_note)} {in_cents(sound.cents)}"
        told = f"{note_name(note)} was asked for, {heard} was measured"
        yield Reason("wrong_note", told, sound.midi_note + (sound.cents or 0.0) / 100, note)


class Canary:
    """Watches how the sounds of each model x family cell are judged, and says when one is sick."""

    def __init__(self, settings: CanarySettings) -> None:
        """Start without any sound."""
        self._settings = settings
        self._judged: dict[tuple[str, str], int] = defaultdict(int)
        self._rejected: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, model: str, family: str, accepted: bool) -> None:
        """Take one verdict."""
        self._judged[model, family] += 1
        self._rejected[model, family] += not accepted

    def sick(self, model: str, family: str) -> str | None:
        """Why a cell should be stopped, as a sentence; None while it is well or too little is known."""
        judged, rejected = self._judged[model, family], self._rejected[model, family]
        if judged < self._settings.min_sounds or rejected < self._settings.max_rejected_share * judged:
            return None
        return f"{model} {family} was stopped: {rejected} of its first {judged} sounds were rejected"

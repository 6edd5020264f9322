"""A raw clip as a finished one-shot with its facts; one that was asked at a note, and is near it, is tuned to it.

No model of the thesis hits a note exactly. What is a little off is played faster or slower, as every sampler would;
what is far off stays, for the gate to refuse. Beyond the thesis.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generation.audio import Clip
from generation.codecs.varispeed import varispeed
from generation.descriptors import SoundFacts, sound_facts
from generation.finish import FinishSettings, finish

# Nearer than the meter can tell.
_IN_TUNE_CENTS = 5.0


def finish_in_tune(clip: Clip, settings: FinishSettings, note: int | None) -> tuple[Clip, SoundFacts]:
    """Finish a raw clip (generation.finish) and measure it.

    note: MIDI number that was asked for. A sound of clear pitch at most settings.tune_semitones from it is played at
    another speed, which moves length and formants along; facts.tuned_cents says by how much it went up. When the
    tuned sound reads no nearer, the untuned one is kept.
    Raises AudioError as `finish` does.
    """
    finished = finish(clip, settings)
    facts = sound_facts(finished)
    off_cents = _cents_from(note, facts)
    if off_cents is None or not _IN_TUNE_CENTS < abs(off_cents) <= 100 * settings.tune_semitones:
        return finished, facts
    rate = clip.sample_rate_hz
    moved = [varispeed(channel, -off_cents / 100, rate) for channel in clip.samples]
    tuned = finish(replace(clip, samples=np.stack(moved)), settings)
    heard = sound_facts(tuned)
    left_cents = _cents_from(note, heard)
    if left_cents is None or abs(left_cents) >= abs(off_cents):
        return finished, facts
    return tuned, replace(heard, tuned_cents=-off_cents)


def _cents_from(note: int | None, facts: SoundFacts) -> float | None:
    """How far a sound lies above a note; None where either is missing."""
    if note is None or facts.midi_note is None or facts.cents is None:
        return None
    return 100.0 * (facts.midi_note - note) + facts.cents

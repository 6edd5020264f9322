"""The note meter: within 50 cents on held-out corpus notes and on real one-shots, and seldom an octave off."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from generation.audio import Clip
from generation.corpus.nsynth import Corpus, read_audio
from generation.descriptors import sound_facts
from generation.finish import finish
from tests.accuracy.real_oneshots import every_oneshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def errors_semitones(sounds: Iterable[tuple[Clip, int]]) -> np.ndarray:
    """Measured minus labelled pitch in semitones, NaN where none was measured."""
    errors = []
    for clip, pitch in sounds:
        facts = sound_facts(finish(clip))
        errors.append(np.nan if facts.midi_note is None else facts.midi_note + (facts.cents or 0.0) / 100 - pitch)
    return np.array(errors)


def check(name: str, errors: np.ndarray) -> None:
    right = float(np.mean(np.abs(errors) <= 0.5))
    octaves = float(np.mean(np.isin(np.round(np.abs(errors)), (12, 24, 36))))
    none = float(np.mean(np.isnan(errors)))
    print(
        f"{name}: {100 * right:.1f} % within 50 cents, {100 * octaves:.1f} % off by octaves, "
        f"{100 * none:.1f} % without a note (n = {len(errors)})"
    )
    assert right >= 0.90
    assert octaves <= 0.05


def test_on_held_out_notes(held_out: Corpus) -> None:
    # Two pitches at once, or a rhythm: the label is one of several truths there.
    notes = [note for note in held_out.notes if "multiphonic" not in note.qualities]
    assert len(notes) > 1_500
    check("held-out notes", errors_semitones((Clip(read_audio(note)[None], 16_000), note.pitch) for note in notes))


def test_on_real_one_shots(oneshots: Path) -> None:
    sounds = every_oneshot(oneshots)
    check("real one-shots", errors_semitones((sound.clip(), sound.midi_pitch) for sound in sounds))
    agreed = [sound for sound in sounds if sound.agreed]
    check("real one-shots, label confirmed", errors_semitones((sound.clip(), sound.midi_pitch) for sound in agreed))

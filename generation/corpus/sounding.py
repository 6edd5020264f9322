"""Which pitch an instrument sounds when a key is pressed: organs with a 16' stop lie an octave below it.

A corpus labels what is heard. Whoever asks for "organ, C3" wants to hear C3, whichever key plays it, so the octave
between key and sound is measured once for every instrument, over all its notes, and their labels follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from generation.pitch import SAMPLE_RATE_HZ, measure_pitch

_BEHIND_ATTACK_S = 0.03
_CLEAR = 0.7  # confidence of a note that may vote; the meter names a note from 0.4 on
_FEWEST_VOTES = 4
_AGREEING = 0.6
"""Share of the votes that must name the same octave; single misreadings of the meter never move an instrument."""


def octave_offset_semitones(keys: Sequence[int], waves: Sequence[np.ndarray]) -> int:
    """Semitones from key to sound, a multiple of 12; 0 where the notes do not agree.

    keys: MIDI numbers that were played. waves: float [n] at 16 kHz, one for each key, without effects.
    """
    votes: Counter[int] = Counter()
    for key, wave in zip(keys, waves, strict=True):
        pitch = measure_pitch(wave[round(_BEHIND_ATTACK_S * SAMPLE_RATE_HZ) :])
        if pitch.midi is not None and pitch.confidence >= _CLEAR:
            votes[round(pitch.midi - key)] += 1
    if votes.total() < _FEWEST_VOTES:
        return 0
    offset, count = votes.most_common(1)[0]
    return offset if offset % 12 == 0 and count >= _AGREEING * votes.total() else 0

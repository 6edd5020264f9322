"""Playing a recording faster or slower, as a tape does: pitch and length change together."""

from __future__ import annotations

import numpy as np
import soxr

# A recording sped up ends early; cut off without a fade it would click there.
_FADE_S = 0.01


def varispeed(wave: np.ndarray, semitones: float, sample_rate_hz: int) -> np.ndarray:
    """Move the pitch of a recording by playing it at another speed.

    Args:
        wave: float32 [n], mono.
        semitones: up (shorter) or down (longer).
        sample_rate_hz: of the recording and of the answer.

    Returns:
        float32 [about n / 2 ** (semitones / 12)], its last 10 ms faded out.
    """
    # soxr's HQ resampling holds any ratio of rates exactly, so the pitch is right to a fraction of a cent.
    moved = soxr.resample(wave, sample_rate_hz * 2.0 ** (semitones / 12.0), sample_rate_hz, quality="HQ")
    fade = min(len(moved), round(_FADE_S * sample_rate_hz))
    if fade:
        moved[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return np.asarray(moved, dtype=np.float32)

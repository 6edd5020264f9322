"""From a model's raw output to a one-shot: DC out, trimmed to the onset and the end, faded, levelled.

Finishing is deterministic and keeps rate and channels; it never adds sound, so a raw clip can be finished again with
other settings.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from generation.audio import Clip, fade
from generation.envelope import onset_s
from generation.errors import AudioError
from generation.strict_yaml import StrictModel


class FinishSettings(StrictModel):
    """How raw clips are finished.

    preroll_s: kept before the onset, so that the attack stays whole; the fade-in lies in it. tail_db: the end is cut
    where the sound stays this far below its peak. fade_out_s: over the last part; shortened to a tenth of a
    very short sound. peak_dbfs: of the finished sound. tune_semitones: a sound whose pitch is at most this far from
    the note that was asked for is tuned to it (generation.tuning); 0 tunes none.
    """

    preroll_s: float = Field(default=0.003, ge=0, le=0.05)
    fade_in_s: float = Field(default=0.001, ge=0, le=0.05)
    tail_db: float = Field(default=-60.0, lt=0)
    fade_out_s: float = Field(default=0.04, ge=0, le=1)
    peak_dbfs: float = Field(default=-1.0, le=0)
    tune_semitones: float = Field(default=2.0, ge=0, le=12)


def finish(clip: Clip, settings: FinishSettings | None = None) -> Clip:
    """Finish a raw clip: float32 [channels, n], any level, into one whose peak is `peak_dbfs`.

    The onset is where generation.envelope.onset_s finds it in the louder channel; all channels are cut alike.
    Raises AudioError for a clip that is digital silence or holds NaN or infinity.
    """
    settings = settings or FinishSettings()
    samples = clip.samples.astype(np.float64)
    if not np.isfinite(samples).all():
        raise AudioError("a clip with NaN or infinite samples cannot be finished")
    samples -= samples.mean(axis=1, keepdims=True)
    level = np.abs(samples).max(axis=0)
    onset = onset_s(level, clip.sample_rate_hz)
    if onset is None:
        raise AudioError("a silent clip cannot be finished")
    begin = max(0, round((onset - settings.preroll_s) * clip.sample_rate_hz))
    end = 1 + int(np.flatnonzero(level >= 10 ** (settings.tail_db / 20) * level.max())[-1])
    cut = replace(clip, samples=samples[:, begin:end].astype(np.float32))
    faded = fade(cut, settings.fade_in_s, min(settings.fade_out_s, 0.1 * cut.duration_s))
    peak = float(np.abs(faded.samples).max(initial=0.0))
    if peak == 0.0:
        raise AudioError("nothing is left of the clip after its fades")
    return replace(faded, samples=(faded.samples * (10 ** (settings.peak_dbfs / 20) / peak)).astype(np.float32))

"""What the judges of the literature are given to hear: checked 16 kHz waveforms, and TANGO's way to prepare them.

VGGish and Cnn14 hear mono waveforms at 16 kHz. Nothing is cropped, looped, levelled or padded in secret: what is
done to a waveform before a network moves its score, so it is a step that is called by name.
"""

from __future__ import annotations

import numpy as np

from catalog.arrays import plain_array
from catalog.errors import EmbedderError

SAMPLE_RATE_HZ = 16_000
TANGO_VENDORED = "audioldm_eval as vendored in TANGO (34ecd38)"
"""Name of the variant whose FD, KL and inception score `prepare_as_vendored_tango` follows, for score records."""
TANGO_SHORTEST = 2 * SAMPLE_RATE_HZ
LOUDEST = 1_000.0
"""No sound in [-1, 1] is louder, not even a raw one; 16-bit samples that became floats unscaled mostly are."""


def prepare_as_vendored_tango(waveform_16k: np.ndarray) -> np.ndarray:
    """Prepare a waveform for FD, KL and inception score as TANGO's own copy of audioldm_eval does.

    The mean is subtracted (DC removal, in float32), then anything shorter than 2 s gets zeros at its end; longer
    waveforms keep their length. Takes floats [samples] at 16 kHz, nominally in [-1, 1]; returns float32
    [max(samples, 32000)]. Raises EmbedderError for an empty, non-finite or otherwise unfit waveform.

    Source: declare-lab/tango 34ecd38, audioldm_eval/datasets/load_mel.py (read for its facts, not copied). For FAD
    that copy neither removes DC nor pads; later versions of audioldm_eval do both there too. Departures: rate
    conversion (every third sample of 48 kHz, no filter) and the choice of the first channel are not repeated here.
    """
    wave = checked_waveforms(one_waveform(waveform_16k), 1, "TANGO's preparation")[0].astype(np.float32)
    wave = wave - wave.mean(dtype=np.float32)
    return np.pad(wave, (0, max(0, TANGO_SHORTEST - len(wave))))


def one_waveform(waveform_16k: np.ndarray) -> np.ndarray:
    """Return a single waveform [samples] as the batch [1, samples] it is. Raises EmbedderError for another shape."""
    wave = plain_array(waveform_16k, "waveform", EmbedderError)
    if wave.ndim != 1:
        raise EmbedderError(f"a waveform of shape {wave.shape} came; one mono waveform [samples] is needed")
    return wave[None]


def checked_waveforms(waveforms_16k: np.ndarray, shortest: int, listener: str) -> np.ndarray:
    """Return waveforms [n, samples] of any float type unchanged, or raise EmbedderError saying what is wrong.

    `shortest`: samples that `listener`, named in the error, needs. Refused are other shapes, integers (their scale is
    unknown) and floats beyond LOUDEST (it is wrong), shorter waveforms and NaN or infinity, which would go through a
    network and spoil the score of a set.
    """
    waves = plain_array(waveforms_16k, "waveforms", EmbedderError)
    if waves.ndim != 2:
        raise EmbedderError(f"waveforms of shape {waves.shape} came; a batch [n, samples] of equal lengths is needed")
    if waves.dtype.kind != "f":
        raise EmbedderError(f"{waves.dtype} samples came; floats in [-1, 1] are needed")
    if waves.shape[1] < shortest:
        raise EmbedderError(
            f"too short: {waves.shape[1]} samples came, {listener} needs at least {shortest} "
            f"({shortest / SAMPLE_RATE_HZ:.3f} s at 16 kHz)"
        )
    if not np.isfinite(waves).all():
        raise EmbedderError("NaN or infinite samples came; leave the sounds out that hold them")
    peak = float(np.max(np.abs(waves), initial=0.0))
    if peak > LOUDEST:
        raise EmbedderError(f"a peak of {peak:.3g} came; floats in [-1, 1] are needed: divide 16-bit samples by 32768")
    return waves


def at_least(rows: np.ndarray, count: int) -> np.ndarray:
    """Append rows of zeros until there are `count` of them.

    Libraries compute one or two rows by other routines than many, with sums in another order; the filling keeps what
    a waveform gets independent of how many others came with it.
    """
    return np.pad(rows, [(0, max(0, count - len(rows)))] + [(0, 0)] * (rows.ndim - 1))

"""Which sounds lie farthest from real ones: the Frechet distance of one sound at a time.

Gui et al. 2023 (arXiv 2311.01616) rank the sounds of a set by the distance of each one's own frames from
the reference. Few frames have little variance, and the variance that they lack is most of the distance: sounds are
compared at equal numbers of frames only, and the figure ranks sounds, it does not score a set.
"""

from __future__ import annotations

import numpy as np

from catalog.arrays import plain_array
from catalog.errors import ScoreError
from catalog.scores.frechet import Gaussian, gaussian, gaussian_distance


def sample_fads(frames: np.ndarray, real: Gaussian) -> np.ndarray:
    """Return the distance of each sound from a reference, float64 [n], for frames [n, f, d]: f of each sound.

    With one frame a sound is a point without variance: |x - m|^2 + tr S. Sounds of other lengths have other numbers of
    frames and cannot come in the same call. Raises ScoreError for another shape, another d, NaN or infinity.
    """
    x = plain_array(frames, "frames", ScoreError).astype(np.float64, copy=False)
    if x.ndim != 3 or x.shape[1] == 0 or x.shape[2] != real.mean.size:
        raise ScoreError(f"frames of shape {x.shape} came; [n, f, {real.mean.size}] is needed, f equal for all sounds")
    if not np.isfinite(x).all():
        raise ScoreError("frames: NaN or infinite values came; leave the sounds out that made them")
    if x.shape[1] == 1:
        return np.asarray(np.sum((x[:, 0] - real.mean) ** 2, axis=1) + real.variance)
    return np.array([gaussian_distance(gaussian(sound), real) for sound in x])

"""Small pictures of sounds as inline SVG: they need no file, no script and no library to be shown."""

from __future__ import annotations

import numpy as np

from generation.audio import Clip


def waveform_svg(clip: Clip, columns: int = 160, height_px: int = 48) -> str:
    """The outline of a clip as one SVG element, `columns` wide: lowest and highest sample of each column.

    Full scale (-1..1) fills the height, so that loud and quiet sounds look different. The colour is the
    text colour around it. A clip of length 0 gives a flat line; NaN is drawn as 0.
    """
    samples = np.nan_to_num(clip.mono(), nan=0.0, posinf=1.0, neginf=-1.0)
    padded = np.zeros(max(columns, -(-len(samples) // columns) * columns), dtype=np.float32)
    padded[: len(samples)] = samples.clip(-1.0, 1.0)
    cells = padded.reshape(columns, -1)
    middle = height_px / 2
    # A silent stretch would have no area at all; half a pixel each way leaves a line to see.
    tops = np.minimum(middle - cells.max(axis=1) * middle, middle - 0.5)
    bottoms = np.maximum(middle - cells.min(axis=1) * middle, middle + 0.5)
    outline = [f"{x} {y:.1f}" for x, y in enumerate(tops)]
    outline += [f"{x} {y:.1f}" for x, y in reversed(list(enumerate(bottoms)))]
    return (
        f'<svg viewBox="0 0 {columns - 1} {height_px}" preserveAspectRatio="none" role="img" '
        f'aria-label="waveform, {clip.duration_s:.2f} s">'
        f'<path fill="currentColor" d="M{"L".join(outline)}Z"/></svg>'
    )

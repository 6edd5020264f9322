"""One pass of a denoising network: the published call, and two aids that small networks of our own may have.

Places: channels beside the sample that say where each cell lies. A convolution does not know whether it looks at the
first partial or at the tenth; with sines and cosines of the row it can put a line where a note lies (Liu et al.,
arXiv 1807.03247; the waves are those of Vaswani et al., arXiv 1706.03762, section 3.5, in two dimensions).
Pooled text: the mean state of the text, added to the embedding of the time and scaling every layer (Perez et al.,
arXiv 1709.07871), as AudioLDM conditions on its text (arXiv 2301.12503, section 3.3). It reaches the layers of full
resolution, which attend to nothing.
A network says by its own configuration which of them it has; no published one has any.
"""

from __future__ import annotations

import math

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from generation.pipelines.conditioning import TextStates

PLACE_CHANNELS = 4
"""Of each wavelength: sine and cosine of the row and of the column."""
_SHORTEST_CELLS = 4


def predict(unet: UNet2DConditionModel, noisy: Tensor, time: Tensor, text: TextStates) -> Tensor:
    """Ask the network for noise (or velocity).

    Args:
        unet: any UNet2DConditionModel; aids as above where its configuration has them.
        noisy: float32 [batch, channels, rows, columns].
        time: scalar, or one for each sample.
        text: of each sample.

    Returns:
        float32 of the shape of `noisy`.
    """
    extra = unet.config["in_channels"] - noisy.shape[1]
    if extra:
        places = place_channels(noisy.shape[2], noisy.shape[3], extra // PLACE_CHANNELS).to(noisy)
        noisy = torch.cat([noisy, places.expand(len(noisy), -1, -1, -1)], dim=1)
    labels = None if unet.config["class_embed_type"] is None else pooled(text)
    return unet(noisy, time, text.states, class_labels=labels, encoder_attention_mask=text.mask).sample


def place_channels(rows: int, columns: int, wavelengths: int) -> Tensor:
    """Waves along both sides, 4, 8, 16, ... cells long: float32 [1, 4 * wavelengths, rows, columns].

    They count cells from the first one, so a longer picture begins as a short one does.
    """
    waves = []
    for number in range(wavelengths):
        turn = 2 * math.pi / (_SHORTEST_CELLS * 2**number)
        row, column = turn * torch.arange(rows)[:, None], turn * torch.arange(columns)[None]
        waves += [part.expand(rows, columns) for part in (row.sin(), row.cos(), column.sin(), column.cos())]
    return torch.stack(waves)[None]


def pooled(text: TextStates) -> Tensor:
    """The mean state of the words of each text, padding left out: float [batch, width]."""
    if text.mask is None:
        return text.states.mean(dim=1)
    words = text.mask.to(text.states)[..., None]
    return (text.states * words).sum(dim=1) / words.sum(dim=1)

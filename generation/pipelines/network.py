"""One pass of a denoising network: the published call, and three aids that small networks of our own have.

Places: channels beside the sample that say where each cell lies. A convolution does not know whether it looks at the
first partial or at the tenth (Liu et al., arXiv 1807.03247; the waves are those of Vaswani et al., arXiv 1706.03762,
section 3.5, in two dimensions).
Comb: channels that say where the partials of the note lie which the text names. Half a semitone at A2 is 3 Hz, and a
row of latents 94 Hz: a few million parameters do not learn that arithmetic from words. It is ours.
Pooled text: the mean state of the text, added to the embedding of the time and scaling every layer (Perez et al.,
arXiv 1709.07871), as AudioLDM conditions on its text (arXiv 2301.12503, section 3.3). It reaches the layers of full
resolution, which attend to nothing.
A network says by its own configuration whether it has them; no published one does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from generation.pipelines.conditioning import TextStates

WAVELENGTHS = 5
"""Of the places: waves of 4, 8, 16, 32 and 64 cells."""
PLACE_CHANNELS = 4 * WAVELENGTHS
"""Sine and cosine of the row and of the column, for each wavelength."""
_SHORTEST_CELLS = 4


def predict(unet: UNet2DConditionModel, noisy: Tensor, time: Tensor, text: TextStates) -> Tensor:
    """Ask the network for noise (or velocity).

    Args:
        unet: any UNet2DConditionModel; aided or not, as its configuration says.
        noisy: float32 [batch, channels, rows, columns].
        time: scalar, or one for each sample.
        text: of each sample; with combs for an aided network.

    Returns:
        float32 of the shape of `noisy`.
    """
    inputs = network_inputs(unet, noisy, time, text)
    first = [inputs.pop(name) for name in ("sample", "timestep", "encoder_hidden_states")]
    answered: Tensor = unet(*first, **inputs).sample
    return answered


def network_inputs(
    unet: UNet2DConditionModel, noisy: Tensor, time: Tensor, text: TextStates
) -> dict[str, Tensor | None]:
    """What `predict` hands to the network, by the names of UNet2DConditionModel.forward."""
    inputs = {
        "sample": noisy,
        "timestep": time,
        "encoder_hidden_states": text.states,
        "encoder_attention_mask": text.mask,
    }
    if not is_aided(unet):
        return inputs
    assert text.comb is not None
    batch, _, rows, columns = noisy.shape
    places = place_channels(rows, columns).to(noisy).expand(batch, -1, -1, -1)
    combs = text.comb.to(noisy).expand(-1, -1, rows, columns)
    return inputs | {"sample": torch.cat([noisy, places, combs], dim=1), "class_labels": pooled(text)}


def is_aided(unet: UNet2DConditionModel) -> bool:
    """Whether a network was built with the aids."""
    return unet.config["class_embed_type"] is not None


def aids_config(sample_channels: int, reduction: int, text_width: int) -> dict[str, object]:
    """What the configuration of an aided network has beside that of one without.

    Args:
        sample_channels: of what it denoises.
        reduction: bands of the picture in one cell of the sample.
        text_width: numbers of a text state.
    """
    return {
        "in_channels": sample_channels + PLACE_CHANNELS + 2 * reduction,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": text_width,
        "resnet_time_scale_shift": "scale_shift",
    }


# Asked for at every step of every sound; what it gives is never written to.
@lru_cache(maxsize=8)
def place_channels(rows: int, columns: int) -> Tensor:
    """Waves along both sides: float32 [1, PLACE_CHANNELS, rows, columns].

    They count cells from the first one, so a longer picture begins as a short one does.
    """
    waves = []
    for number in range(WAVELENGTHS):
        turn = 2 * math.pi / (_SHORTEST_CELLS * 2**number)
        row, column = turn * torch.arange(rows)[:, None], turn * torch.arange(columns)[None]
        waves += [part.expand(rows, columns) for part in (row.sin(), row.cos(), column.sin(), column.cos())]
    return torch.stack(waves)[None]


def note_combs(band_hz: Tensor, notes: Sequence[int | None], reduction: int) -> Tensor:
    """Where the partials of notes lie: cosine and sine of 2 pi f / f0 at each band's f, 1 and 0 at a partial.

    A band as wide as the partials lie apart tells nothing of them; there the comb fades to 0.

    Args:
        band_hz: centre of each band of a picture, in the picture's order: float64 [bands].
        notes: MIDI numbers; None gives zeros.
        reduction: neighbouring bands that share a cell; it divides the number of bands.

    Returns:
        float32 [len(notes), 2 * reduction, bands / reduction].
    """
    width_hz = torch.gradient(band_hz)[0].abs()
    combs = torch.zeros(len(notes), 2, len(band_hz), dtype=torch.float64)
    for number, note in enumerate(notes):
        if note is None:
            continue
        fundamental_hz = 440.0 * 2 ** ((note - 69) / 12)
        kept = torch.exp(-2 * (width_hz / fundamental_hz) ** 2)
        turn = 2 * math.pi * band_hz / fundamental_hz
        combs[number] = torch.stack([turn.cos() * kept, turn.sin() * kept])
    cells = combs.unflatten(2, (-1, reduction)).transpose(2, 3)
    return cells.flatten(1, 2).float()


def pooled(text: TextStates) -> Tensor:
    """The mean state of the words of each text, padding left out: float [batch, width]."""
    if text.mask is None:
        return text.states.mean(dim=1)
    words = text.mask.to(text.states)[..., None]
    return (text.states * words).sum(dim=1) / words.sum(dim=1)

"""Convolutions: of pictures that lie on their side, under weights that keep their published shape; and exact ones.

A CPU convolves along rows, and the spectrograms of the literature are short there: 401 moments of 64 bands end as
12 x 2, where most of a row is edge. With time in rows Cnn14 takes half as long in its widest layers. The kernels
must be turned as well: they are kept in the order in which a turned kernel is read, so that turning them is a view.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def keep_turned(layer: nn.Conv2d, memory_format: torch.memory_format) -> None:
    """Lay out a layer's weight so that it, turned, has `memory_format`; its shape and values stay."""
    layer.weight.data = layer.weight.data.transpose(2, 3).contiguous(memory_format=memory_format).transpose(2, 3)


def turned_convolution(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Apply a layer made for maps [n, channels, time, frequency] to maps [n, channels, frequency, time]."""
    return nn.functional.conv2d(x, layer.weight.transpose(2, 3), layer.bias, padding=layer.padding)


def parts_in_cache(x: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    """Split a batch into parts of at most `count`, whose maps stay in a CPU's cache; a GPU takes it whole."""
    return x.split(count) if x.device.type == "cpu" else (x,)


@contextmanager
def exact_float32() -> Iterator[None]:
    """A context, or a decorator, in which cuDNN convolves float32 as such: TF32, its default, keeps three digits.

    Scores are compared to more, and what a GPU embedded is searched on a CPU.
    """
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # its name since torch 2.9
    usual, convolutions.fp32_precision = convolutions.fp32_precision, "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = usual

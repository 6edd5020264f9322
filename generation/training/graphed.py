"""A network's training passes as CUDA graphs: recorded once, then replayed without Python between the kernels.

A network of a few million parameters is done with a batch before Python has launched the next kernel; a replay leaves
the GPU as the limit. torch.cuda.make_graphed_callables records forward and backward.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.functional import pad

TOKENS = 32
"""Texts are padded, masked, to a multiple of so many tokens: each length is a recording of its own."""
_PADDED = ("encoder_hidden_states", "encoder_attention_mask")


class GraphedNetwork:
    """Answers as the network does, and gives it the same gradients; on CUDA alone."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        """Record nothing yet."""
        self._unet = unet
        self._recorded: dict[tuple[tuple[str, torch.Size], ...], nn.Module] = {}

    def __call__(self, inputs: Mapping[str, Tensor | None]) -> Tensor:
        """Answer to what generation.pipelines.network.network_inputs gives; the first time of a shape records it."""
        given = {name: tensor for name, tensor in inputs.items() if tensor is not None}
        if "encoder_attention_mask" in given:
            given |= {name: _padded(given[name]) for name in _PADDED}
        shapes = tuple((name, tensor.shape) for name, tensor in given.items())
        if shapes not in self._recorded:
            self._recorded[shapes] = _recorded(self._unet, given)
        answered: Tensor = self._recorded[shapes](*given.values())
        return answered


class _Passes(nn.Module):
    """The network with positional inputs and a tensor to return, as recording wants it."""

    def __init__(self, unet: UNet2DConditionModel, names: tuple[str, ...]) -> None:
        super().__init__()
        self.unet, self.names = unet, names

    def forward(self, *tensors: Tensor) -> Tensor:
        answered: Tensor = self.unet(**dict(zip(self.names, tensors, strict=True))).sample
        return answered


def _recorded(unet: UNet2DConditionModel, given: Mapping[str, Tensor]) -> nn.Module:
    passes = _Passes(unet, tuple(given))
    kind, enabled = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    # A weight cast before the recording and kept would be read by every replay.
    with torch.autocast("cuda", kind, enabled, cache_enabled=False):
        examples = tuple(tensor.detach().clone() for tensor in given.values())
        torch.cuda.make_graphed_callables(passes, examples, allow_unused_input=True)
    return passes


def _padded(text: Tensor) -> Tensor:
    """Zeros after the tokens: [batch, tokens, ...] to a multiple of TOKENS."""
    missing = -text.shape[1] % TOKENS
    return pad(text, (0, 0) * (text.dim() - 2) + (0, missing))

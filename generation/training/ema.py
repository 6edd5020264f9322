"""A running average of the weights, which is smoother than the last step's and is what gets exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


def trained_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters that learn and all saved buffers by name, sharing memory with the module.

    Frozen parameters are left out: a checkpoint and the average need not carry a pretrained encoder.
    """
    frozen = {
        name for name, parameter in module.named_parameters(remove_duplicate=False) if not parameter.requires_grad
    }
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name not in frozen}


class WeightAverage:
    """Exponential moving average of a module's trained state.

    Update after optimiser step t (counted from 0): average = d * average + (1 - d) * weights, with
    d = min(decay, (1 + t) / (10 + t)), so that early averages forget the random start (the same rise as
    TensorFlow's ExponentialMovingAverage with num_updates). Floating buffers such as batch norm's statistics
    are averaged alike, so they fit the averaged weights; integer buffers are copied.
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        """Start from the module's present weights."""
        self.decay = decay
        # The module's own memory, found once: there are hundreds of tensors, and a step may take milliseconds.
        self._own = trained_state(module)
        self.average = {name: tensor.clone() for name, tensor in self._own.items()}
        floating = [name for name, tensor in self._own.items() if tensor.is_floating_point()]
        self._moving = [self.average[name] for name in floating], [self._own[name] for name in floating]
        self._copied = [(self.average[name], self._own[name]) for name in self._own.keys() - set(floating)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after optimiser step `step` (from 0) into the average."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, weights = self._moving
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, tensor in self._copied:
            average.copy_(tensor)

    @torch.no_grad()
    def load(self, average: Mapping[str, torch.Tensor]) -> None:
        """Continue from a saved average with the same names."""
        for name, tensor in self.average.items():
            tensor.copy_(average[name])

    @torch.no_grad()
    def copy_to_module(self) -> None:
        """Make the averaged weights the module's own."""
        for name, tensor in self._own.items():
            tensor.copy_(self.average[name])

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Lend the averaged weights to the module for validation; afterwards it has its own again."""
        kept = {name: tensor.clone() for name, tensor in self._own.items()}
        self.copy_to_module()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self._own.items():
                    tensor.copy_(kept[name])

"""What a recipe hands to the training loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch


class Task(Protocol):
    """A network, its data, its loss and its way to a folder of weights."""

    module: torch.nn.Module

    def batch(self, index: int) -> Any:
        """Return micro-batch number `index` (from 0), on the run's device: the same one whenever asked.

        With A micro-batches accumulated by each of W processes, optimiser step s uses s*A*W to (s+1)*A*W - 1;
        process r takes those that leave the remainder r when divided by W.
        """

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the scalar loss and further figures for losses.csv (the same names whenever asked).

        Randomness comes from torch's global generators, which the loop seeds before every micro-batch by the
        run's seed and the micro-batch's number: what is drawn is a function of these two.
        """

    def validate(self) -> dict[str, float]:
        """Return figures on held-out data; called without gradients, in eval mode, with averaged weights.

        The generators have a seed of their own then, the same at every validation. With several processes the
        first one alone validates.
        """

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        """Write the finished weights (fp16 safetensors) and their card into an empty folder."""


@runtime_checkable
class SampleWriter(Protocol):
    """A task that can show what its network makes by now."""

    def write_samples(self, folder: Path) -> None:
        """Write a few sounds (wav) and pictures (png) into an empty folder; called as `validate` is."""

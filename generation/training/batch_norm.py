"""Batch-norm statistics for weights that were averaged: neither the last step's nor their running mean fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def settle_batch_norm(module: nn.Module, batches: Iterable[Any], forward: Callable[[Any], object]) -> None:
    """Measure the statistics of all batch norms of `module` anew, as plain means over `batches`.

    After Izmailov et al. 2018 (arXiv 1803.05407, section 3.2), who do so for averaged weights before they are used.
    `forward` runs the module on one batch; the module is left in the mode in which it came.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
        norm.train()
    try:
        for batch in batches:
            forward(batch)
    finally:
        for norm, momentum, training in before:
            norm.momentum = momentum
            norm.train(training)

"""The contrast between captions and sounds where a caption may be true of several sounds of a batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def spread_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of each row against an even spread over its true columns (Khosla et al. 2020, eq. 2).

    logits: float [rows, columns]. true: bool of that shape. Rows without a true column do not count; without any
    that has one the loss is NaN.
    """
    counted = true.any(dim=1)
    targets = true[counted].float()
    log_shares = functional.log_softmax(logits[counted], dim=1)
    return -((targets * log_shares).sum(dim=1) / targets.sum(dim=1)).mean()


def contrast_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Mean of both directions, from captions to sounds and back (Radford et al. 2021, figure 3).

    logits: float [captions, sounds], scaled. true: bool of that shape.
    """
    return 0.5 * (spread_loss(logits, true) + spread_loss(logits.T, true.T))

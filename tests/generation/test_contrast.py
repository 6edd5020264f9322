"""The contrastive loss by hand."""

from __future__ import annotations

import math

import pytest
import torch

from generation.training.contrast import contrast_loss, spread_loss

LOGITS = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]]))
TRUE = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])


def test_spread_loss_by_hand() -> None:
    first = -(math.log(0.5) + math.log(0.25)) / 2
    assert float(spread_loss(LOGITS, TRUE)) == pytest.approx((first - math.log(0.8)) / 2)


def test_contrast_is_the_mean_of_both_directions() -> None:
    columns = [[0.5, 0.1, 0.3], [0.25, 0.1, 0.3], [0.25, 0.8, 0.4]]
    shares = [columns[0][0] / 0.9, columns[1][0] / 0.65, columns[2][1] / 1.45]
    back = -sum(map(math.log, shares)) / 3
    assert float(contrast_loss(LOGITS, TRUE)) == pytest.approx((float(spread_loss(LOGITS, TRUE)) + back) / 2)

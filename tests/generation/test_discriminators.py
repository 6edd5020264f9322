"""Discriminators: both sides learn in one pass, and neither side's loss reaches the other's weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generation.training.discriminators import Discriminators, PeriodDiscriminator, adversarial_losses


@pytest.fixture
def judges() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators((4, 8), periods=(2, 3), scales=(1, 2))


@pytest.fixture
def maker() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(400, 400)


def gradients(module: nn.Module, loss: torch.Tensor) -> list[torch.Tensor | None]:
    return list(torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True))


def test_each_side_has_the_gradient_of_its_own_loss_alone(judges: Discriminators, maker: nn.Linear) -> None:
    real = torch.randn(2, 400)
    judging, deceiving, matching = adversarial_losses(judges, maker(torch.randn(2, 400)), real)
    assert all(gradient is None for gradient in gradients(maker, judging))
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients(judges, judging))
    for loss in (deceiving, matching):
        assert all(gradient is None for gradient in gradients(judges, loss))
        assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients(maker, loss))


def test_the_sum_has_the_gradients_of_the_alternating_losses(judges: Discriminators, maker: nn.Linear) -> None:
    """The vocoder's gradient is what HiFi-GAN computes with its discriminators attached and then ignored."""
    real, made = torch.randn(2, 400), maker(torch.randn(2, 400))
    deceiving = sum((1.0 - features[-1]).square().mean() for features in judges(made))
    attached = gradients(maker, deceiving)
    _, ours, _ = adversarial_losses(judges, made, real)
    assert float(ours.detach()) == pytest.approx(float(deceiving.detach()), rel=1e-6)
    for first, second in zip(attached, gradients(maker, ours), strict=True):
        assert first is not None and second is not None and torch.allclose(first, second, atol=1e-6)


def test_least_squares_by_hand(judges: Discriminators) -> None:
    """Judges that say 0.25 of everything: 4 x (0.75^2 + 0.25^2), 4 x 0.75^2, and nothing to match."""
    with torch.no_grad():
        for parameter in judges.parameters():
            parameter.zero_()
        for part in judges.parts:
            part.judge.bias.fill_(0.25)
    losses = adversarial_losses(judges, torch.randn(2, 400), torch.randn(2, 400))
    assert [float(loss.detach()) for loss in losses] == pytest.approx([4 * (0.5625 + 0.0625), 4 * 0.5625, 0.0])


def test_a_period_discriminator_sees_every_periodth_sample() -> None:
    """A change of sample 6 at period 3 stays in its column."""
    torch.manual_seed(0)
    part = PeriodDiscriminator(3, (4,))
    wave = torch.randn(1, 300)
    changed = wave.clone()
    changed[0, 6] += 1.0
    difference = (part(wave)[0] - part(changed)[0]).abs().sum(dim=(0, 1, 2))
    assert difference[0] > 0 and difference[1] == difference[2] == 0


def test_lengths_that_no_period_divides_are_taken(judges: Discriminators) -> None:
    assert len(judges(torch.randn(2, 401))) == 4

"""Networks that tell recorded waves from made ones, for training a vocoder against them; they are not exported.

Kong et al., "HiFi-GAN", arXiv 2010.05646, section 2.3: the wave folded at several periods, and the wave at several
scales; least squares (eq. 1 and 2) and feature matching (eq. 4). Smaller than published, without norms of weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

_SLOPE = 0.1
Features = list[list[Tensor]]
"""Of each discriminator, the output of each layer; the last one is its judgement, 1 for recorded, 0 for made."""


class PeriodDiscriminator(nn.Module):
    """Looks at every `period`-th sample."""

    def __init__(self, period: int, channels: Sequence[int]) -> None:
        """Take the period in samples and the width of each layer, each of which sees a third of the points."""
        super().__init__()
        self.period = period
        widths = (1, *channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, (5, 1), (3, 1), (2, 0))
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.judge = nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0))

    def forward(self, waves: Tensor) -> list[Tensor]:
        """[batch, samples] -> features, the judgement last."""
        waves = functional.pad(waves, (0, -waves.shape[1] % self.period), mode="reflect")
        folded = waves.reshape(len(waves), 1, -1, self.period)
        return _features(folded, self.layers, self.judge)


class ScaleDiscriminator(nn.Module):
    """Looks at waves averaged over `scale` samples."""

    def __init__(self, scale: int, channels: Sequence[int]) -> None:
        """Take the scale in samples and the width of each layer, each of which sees a quarter of the points."""
        super().__init__()
        self.scale = scale
        widths = (1, *channels)
        self.layers = nn.ModuleList(
            nn.Conv1d(before, after, 15, 4, 7) for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.judge = nn.Conv1d(widths[-1], 1, 3, 1, 1)

    def forward(self, waves: Tensor) -> list[Tensor]:
        """[batch, samples] -> features, the judgement last."""
        return _features(functional.avg_pool1d(waves[:, None], self.scale), self.layers, self.judge)


class Discriminators(nn.Module):
    """All periods and scales."""

    def __init__(self, channels: Sequence[int], periods: Sequence[int], scales: Sequence[int]) -> None:
        """Take the width of each layer, the periods and the scales in samples."""
        super().__init__()
        folded = [PeriodDiscriminator(period, channels) for period in periods]
        self.parts = nn.ModuleList([*folded, *(ScaleDiscriminator(scale, channels) for scale in scales)])

    def forward(self, waves: Tensor) -> Features:
        """[batch, samples] -> the features of each part."""
        return [part(waves) for part in self.parts]


def adversarial_losses(judges: Discriminators, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of both sides in one pass, each with a gradient for its own side alone.

    The loop knows one optimiser and one loss, so both sides step at once and their losses are added. The judges'
    loss sees the made wave detached; for the vocoder's, they are called with detached copies of their weights, so
    what comes back through them reaches the wave and stops short of them.

    Args:
        judges: the discriminators.
        made: float [batch, samples], attached to the vocoder.
        real: the recorded waves, of equal shape.

    Returns:
        Three scalars, sums over the discriminators: their least squares (eq. 1), the vocoder's (eq. 2), and the
        feature matching of the vocoder (eq. 4).
    """
    of_real, of_made = judges(real), judges(made.detach())
    judging = torch.stack(
        [
            (1.0 - ours[-1].float()).square().mean() + theirs[-1].float().square().mean()
            for ours, theirs in zip(of_real, of_made, strict=True)
        ]
    ).sum()
    frozen = {name: weight.detach() for name, weight in judges.named_parameters()}
    judged: Features = functional_call(judges, frozen, (made,))
    deceiving = torch.stack([(1.0 - features[-1].float()).square().mean() for features in judged]).sum()
    matching = torch.stack(
        [
            (ours.detach().float() - theirs.float()).abs().mean()
            for real_features, made_features in zip(of_real, judged, strict=True)
            for ours, theirs in zip(real_features[:-1], made_features[:-1], strict=True)
        ]
    ).sum()
    return judging, deceiving, matching


def _features(hidden: Tensor, layers: nn.ModuleList, judge: nn.Module) -> list[Tensor]:
    features = []
    for layer in layers:
        hidden = functional.leaky_relu(layer(hidden), _SLOPE)
        features.append(hidden)
    return [*features, judge(hidden)]

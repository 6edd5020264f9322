"""ChopAN's variational autoencoder: a 256 x 64 spectrogram picture <-> 128 numbers.

Five strided convolutions down, their mirror up, each followed by ReLU and then batch normalisation (in
that order). At the default widths it has 2,368,833 trainable parameters, 2,371,777 with the running
statistics: the "2.3M" of the thesis. Variational autoencoder: Kingma and Welling, "Auto-Encoding
Variational Bayes" (2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # base name must be bound for pipeline loading
from torch import Tensor, nn

# Keras' defaults, which the published network has: epsilon 1e-3, running statistics keep 0.99.
_NORM_EPSILON, _NORM_MOMENTUM = 1e-3, 0.01


def _down(channels_in: int, channels_out: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(channels_out, _NORM_EPSILON, _NORM_MOMENTUM),
    )


def _transposed(channels_in: int, channels_out: int, stride: tuple[int, int]) -> nn.ConvTranspose2d:
    # 'same' padding of a transposed convolution: the side grows by exactly the stride.
    extra = (stride[0] - 1, stride[1] - 1)
    return nn.ConvTranspose2d(channels_in, channels_out, 3, stride, padding=1, output_padding=extra)


def _up(channels_in: int, channels_out: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        _transposed(channels_in, channels_out, stride),
        nn.ReLU(),
        nn.BatchNorm2d(channels_out, _NORM_EPSILON, _NORM_MOMENTUM),
    )


class ChopANVae(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers types config_name in two ways
    """Encoder to mean and log variance, decoder back to a picture in [0, 1]."""

    @register_to_config
    def __init__(
        self,
        rows: int = 256,
        columns: int = 64,
        channels: Sequence[int] = (512, 256, 128, 64, 32),
        strides: Sequence[Sequence[int]] = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 1)),
        latent_size: int = 128,
    ) -> None:
        """Take the sizes.

        Args:
            rows: frequency bins of a picture.
            columns: frames of a picture.
            channels: filters of each encoder layer; the decoder mirrors all but the first.
            strides: (rows, columns) stride of each encoder layer, one per entry of `channels`.
            latent_size: numbers that a picture is squeezed into.

        Raises:
            ValueError: the strides do not divide the picture, or do not pair with `channels`.
        """
        super().__init__()
        steps = [(int(down), int(across)) for down, across in strides]
        row_stride, column_stride = math.prod(s[0] for s in steps), math.prod(s[1] for s in steps)
        if not 2 <= len(channels) == len(steps) or rows % row_stride or columns % column_stride:
            raise ValueError(f"strides {steps} for {len(channels)} layers do not divide a {rows} x {columns} picture")
        inputs = [1, *channels[:-1]]
        self.encoder = nn.Sequential(*map(_down, inputs, channels, steps))
        self.inner_shape = (channels[-1], rows // row_stride, columns // column_stride)
        inner_size = math.prod(self.inner_shape)
        self.to_mean = nn.Linear(inner_size, latent_size)
        self.to_log_variance = nn.Linear(inner_size, latent_size)
        self.from_latent = nn.Linear(latent_size, inner_size)
        # The decoder mirrors every filter count but the first, and every stride.
        widths = list(channels[::-1][:-1])
        hidden = map(_up, [channels[-1], *widths[:-1]], widths, steps[:0:-1])
        self.decoder = nn.Sequential(*hidden, _transposed(widths[-1], 1, steps[0]), nn.Sigmoid())

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [batch, 1, rows, columns] in [0, 1] -> mean and log variance, each [batch, latent_size]."""
        inner = self.encoder(pictures).flatten(1)
        return self.to_mean(inner), self.to_log_variance(inner)

    def decode(self, latents: Tensor) -> Tensor:
        """[batch, latent_size] -> picture [batch, 1, rows, columns] in [0, 1]."""
        return self.decoder(self.from_latent(latents).unflatten(1, self.inner_shape))

    def forward(self, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, sample, decode.

        Args:
            pictures: float32 [batch, 1, rows, columns] in [0, 1].
            noise: standard normal [batch, latent_size]; zeros decode the mean.

        Returns:
            reconstruction, mean, log variance.
        """
        mean, log_variance = self.encode(pictures)
        return self.decode(sample_latents(mean, log_variance, noise)), mean, log_variance


def sample_latents(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + exp(log_variance / 2) * noise (Kingma and Welling 2014, section 2.4)."""
    return mean + torch.exp(log_variance / 2) * noise


def vae_loss(
    reconstruction: Tensor,
    pictures: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    reconstruction_weight: float,
    kl_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted loss of a batch: reconstruction_weight * mse + kl_weight * kl.

    mse is the mean squared error over every pixel; kl is the divergence from a standard normal, summed
    over the latent and averaged over the batch (Kingma and Welling 2014, appendix B).

    Returns:
        loss, mse, kl: three scalars.
    """
    mse = torch.mean((reconstruction - pictures) ** 2)
    kl = -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance)).sum(dim=1).mean()
    return reconstruction_weight * mse + kl_weight * kl, mse, kl

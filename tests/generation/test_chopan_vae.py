"""ChopAN's autoencoder: the exact counts of the thesis' 2.3M, shapes, loss by hand, save and load."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from generation.models.chopan_vae import ChopANVae, sample_latents, vae_loss
from tests.generation.toy_chopan import toy_vae


def test_exact_parameter_count() -> None:
    vae = ChopANVae()
    trainable = sum(p.numel() for p in vae.parameters())
    statistics = sum(b.numel() for name, b in vae.named_buffers() if "running" in name)
    assert (trainable, trainable + statistics) == (2_368_833, 2_371_777)


def test_exact_layers() -> None:
    vae = ChopANVae()
    down = [m for m in vae.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m for m in vae.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    norms = [m for m in vae.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [(m.out_channels, m.stride) for m in down] == [
        (512, (2, 2)), (256, (2, 2)), (128, (2, 2)), (64, (2, 2)), (32, (2, 1)),
    ]  # fmt: skip
    assert [(m.out_channels, m.stride) for m in up] == [
        (32, (2, 1)), (64, (2, 2)), (128, (2, 2)), (256, (2, 2)), (1, (2, 2)),
    ]  # fmt: skip
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}
    assert [type(layer) for layer in vae.encoder[0]] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    assert isinstance(vae.decoder[-1], nn.Sigmoid)


@torch.no_grad()
def test_shapes_at_full_width() -> None:
    vae = ChopANVae().eval()
    assert vae.encoder(torch.rand(1, 1, 256, 64)).shape == (1, 32, 8, 4)
    rebuilt, mean, log_variance = vae(torch.rand(1, 1, 256, 64), torch.zeros(1, 128))
    assert rebuilt.shape == (1, 1, 256, 64)
    assert mean.shape == log_variance.shape == (1, 128)
    assert 0.0 <= float(rebuilt.min()) <= float(rebuilt.max()) <= 1.0


def test_other_sizes_mirror() -> None:
    vae = ChopANVae(32, 16, [6, 4], [(2, 2), (4, 1)], latent_size=3)
    rebuilt, mean, _ = vae(torch.rand(2, 1, 32, 16), torch.zeros(2, 3))
    assert (rebuilt.shape, mean.shape) == ((2, 1, 32, 16), (2, 3))


@pytest.mark.parametrize(
    ("rows", "channels", "strides"),
    [(250, [4, 4], [(2, 2), (2, 2)]), (256, [4, 4], [(2, 2)]), (256, [4], [(2, 2)])],
)
def test_sizes_that_do_not_fit_are_refused(rows: int, channels: list[int], strides: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        ChopANVae(rows, 64, channels, strides)


def test_sampling_moves_by_the_standard_deviation() -> None:
    mean, log_variance = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 2 * math.log(3.0)]])
    assert torch.allclose(sample_latents(mean, log_variance, torch.ones(1, 2)), torch.tensor([[2.0, 5.0]]))


def test_loss_by_hand() -> None:
    pictures, rebuilt = torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), 0.5)
    mean, log_variance = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(2, 2)
    loss, mse, kl = vae_loss(rebuilt, pictures, mean, log_variance, 1e6, 2.0)
    # KL of N(1, 1) from N(0, 1) is 1/2; of the second item 0; averaged 1/4.
    assert (float(mse), float(kl)) == (0.25, 0.25)
    assert float(loss) == pytest.approx(250_000.5)


def test_saves_and_loads_with_the_same_answer(tmp_path: Path) -> None:
    vae = toy_vae()
    pictures, noise = torch.rand(1, 1, 256, 64), torch.randn(1, 16)
    vae.save_pretrained(tmp_path)
    loaded = ChopANVae.from_pretrained(tmp_path)
    assert not loaded.training
    with torch.no_grad():
        for before, after in zip(vae(pictures, noise), loaded(pictures, noise), strict=True):
            # Not bit for bit: loaded weights lie elsewhere in memory, and matrix products round by that.
            assert torch.allclose(before, after, atol=1e-6)
    for name, tensor in vae.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])

"""Recorded passes of a network: the padding that they need changes nothing, and on CUDA the gradients are the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from generation.training.graphed import TOKENS, GraphedNetwork, _padded
from tests.generation.toy_diffusion import WIDTH, toy_unet

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def inputs(tokens: int, device: str = "cpu") -> dict[str, Tensor]:
    torch.manual_seed(tokens)
    mask = torch.ones(3, tokens, dtype=torch.bool)
    mask[1, tokens // 2 + 1 :] = False
    given = {
        "sample": torch.randn(3, 4, 8, 8), "timestep": torch.tensor([1, 20, 90]),
        "encoder_hidden_states": torch.randn(3, tokens, WIDTH), "encoder_attention_mask": mask,
    }  # fmt: skip
    return {name: tensor.to(device) for name, tensor in given.items()}


def padded(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {**given, **{name: _padded(given[name]) for name in ("encoder_hidden_states", "encoder_attention_mask")}}


@pytest.mark.parametrize("tokens", [1, 5, TOKENS, TOKENS + 1])
@torch.no_grad()
def test_padding_to_a_recorded_length_changes_no_answer(tokens: int) -> None:
    unet, given = toy_unet(4), inputs(tokens)
    longer = padded(given)
    assert longer["encoder_hidden_states"].shape[1] % TOKENS == 0
    assert not longer["encoder_attention_mask"][:, tokens:].any()
    torch.testing.assert_close(unet(**longer).sample, unet(**given).sample, rtol=1e-5, atol=1e-6)


@NEEDS_GPU
@pytest.mark.parametrize("lengths", [(5,), (5, 40, 5)])
def test_replays_give_the_gradients_of_the_network(lengths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    unet = toy_unet(4).to("cuda").train()
    graphed = GraphedNetwork(unet)
    for tokens in lengths:
        given, gradients = inputs(tokens, "cuda"), []
        for answer in (lambda given: unet(**given).sample, graphed):
            unet.zero_grad()
            answer(given).square().mean().backward()
            gradients.append(
                torch.cat([weight.grad.flatten() for weight in unet.parameters() if weight.grad is not None])
            )
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)

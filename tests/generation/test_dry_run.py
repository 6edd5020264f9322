"""A dry run's figures by hand on a network that is small enough, and that it changes nothing."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from generation.errors import TrainingError
from generation.training.dry_run import DryRun, Part, dry_run, dry_run_text, parameter_parts
from generation.training.settings import TrainSettings

BATCH = 32


def toy_settings(**changes: Any) -> TrainSettings:
    numbers = {"steps": 7200, "batch_size": BATCH, "learning_rate": 1e-2, "ema_decay": 0.9, "accumulation": 3}
    return TrainSettings(**{**numbers, **changes})


class TwoLayers:
    """Frozen 8 -> 16, then 16 -> 4 that learns, without biases; `wait_s` is slept in each batch."""

    def __init__(self, wait_s: float = 0.0, learns: bool = True) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Module()
        self.module.encoder = nn.Linear(8, 16, bias=False).requires_grad_(False)
        self.module.head = nn.Linear(16, 4, bias=False).requires_grad_(learns)
        self.module.register_parameter("scale", nn.Parameter(torch.ones(4), requires_grad=learns))
        self.module.register_buffer("shift", torch.zeros(4))
        self.wait_s = wait_s
        self.indices: list[int] = []

    def batch(self, index: int) -> torch.Tensor:
        self.indices.append(index)
        time.sleep(self.wait_s)
        return torch.ones(BATCH, 8)

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        hidden = self.module.encoder(batch)
        return (self.module.head(hidden) * self.module.scale + self.module.shift).sum(), {}

    def validate(self) -> dict[str, float]:
        raise AssertionError("a dry run does not validate")

    def export(self, folder: Any, module: nn.Module) -> None:
        raise AssertionError("a dry run exports nothing")


@pytest.fixture(scope="module")
def found() -> DryRun:
    return dry_run(TwoLayers(), toy_settings(), "cpu", at_tflops=2.0)


def test_parameters_are_counted_by_part_trained_and_frozen(found: DryRun) -> None:
    assert set(found.parts) == {Part("encoder", 0, 128), Part("head", 64, 0), Part("(itself)", 4, 0)}


def test_a_shared_parameter_counts_once() -> None:
    module = nn.Module()
    module.first = nn.Linear(4, 4, bias=False)
    module.second = module.first
    assert parameter_parts(module) == (Part("first", 16, 0),)


def test_memory_by_hand(found: DryRun) -> None:
    learned_bytes = 4 * (64 + 4)
    assert found.weights_bytes == 4 * 128 + learned_bytes + 4 * 4
    assert found.gradients_bytes == learned_bytes and found.adamw_bytes == 2 * learned_bytes
    assert found.average_bytes == learned_bytes + 4 * 4  # buffers are averaged too
    # Kept for the backward pass: what the head was given and what it gave.
    assert found.activations_bytes == 4 * BATCH * (16 + 4)
    assert found.memory_bytes == 4 * 128 + 5 * learned_bytes + 2 * 4 * 4 + found.activations_bytes
    assert dry_run(TwoLayers(), toy_settings(ema_decay=None), "cpu").average_bytes == 0


def test_operations_by_hand(found: DryRun) -> None:
    # 2 a multiplication and addition: both layers forward, the head's weights and nothing else backward.
    micro_batch = 2 * BATCH * (8 * 16 + 16 * 4 + 16 * 4)
    assert found.tflop_a_step == pytest.approx(3 * micro_batch / 1e12)
    assert found.hours_at_tflops == pytest.approx(7200 * found.tflop_a_step / 2.0 / 3600)
    assert dry_run(TwoLayers(), toy_settings(), "cpu").hours_at_tflops is None


def test_attention_counts_on_a_cpu() -> None:
    class Attention(TwoLayers):
        def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
            keys = self.module.encoder(batch)[None, None]
            return functional.scaled_dot_product_attention(keys * self.module.scale[0], keys, keys).sum(), {}

    bare = dry_run(Attention(), toy_settings(accumulation=1), "cpu").tflop_a_step
    encoder, product = 2 * BATCH * 8 * 16, 2 * BATCH * BATCH * 16
    assert bare * 1e12 >= encoder + 2 * product + 2 * product  # scores and sum forward, the way to the queries back


def test_seconds_are_those_of_warm_micro_batches_and_an_update() -> None:
    found = dry_run(TwoLayers(wait_s=0.02), toy_settings(), "cpu")
    assert 0.02 <= found.micro_batch_s < 0.08 and 0 < found.update_s < 0.02
    assert found.step_s == pytest.approx(3 * found.micro_batch_s + found.update_s)
    assert found.hours == pytest.approx(2 * found.step_s)
    assert found.reached_tflops == pytest.approx(found.tflop_a_step / found.step_s)


def test_nothing_is_learned_and_no_batch_comes_twice() -> None:
    task = TwoLayers()
    before = copy.deepcopy(task.module.state_dict())
    dry_run(task, toy_settings(), "cpu")
    assert all(torch.equal(value, before[name]) for name, value in task.module.state_dict().items())
    assert task.indices == sorted(set(task.indices))


def test_bf16_halves_what_is_kept_for_the_backward_pass() -> None:
    # Beside the activations autocast keeps its own copy of the head's weights.
    assert dry_run(TwoLayers(), toy_settings(precision="bf16"), "cpu").activations_bytes < 4 * BATCH * (16 + 4)


def test_a_network_that_cannot_learn_is_refused() -> None:
    with pytest.raises(TrainingError, match="no parameter that learns"):
        dry_run(TwoLayers(learns=False), toy_settings(), "cpu")


def test_it_reads_well(found: DryRun) -> None:
    text = dry_run_text("toy", found)
    assert text.startswith("toy on cpu: 7,200 steps of 32 x 3 items in fp32\n")
    assert "128 frozen" in text and "AdamW 544 B" in text and "where 2 TFLOP/s are reached" in text

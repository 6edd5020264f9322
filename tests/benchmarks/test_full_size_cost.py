"""What a sound costs at full size, in seconds and in memory, by batch size; networks have random weights.

Run by hand: pytest -m benchmark -s tests/benchmarks/test_full_size_cost.py
On a GPU in batches of 1 to 64, in float32 and bfloat16, with the most memory that was allocated; on a CPU one sound in
float32. A step is what more steps took longer than one, so that words, autoencoder, vocoder and phase are not in it; a
sound of as many steps as its card says is reckoned from both, since every step does the same. Nothing is downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from generation.cards import list_cards
from generation.pipelines.diffusion_model import DiffusionModel
from generation.portions import is_out_of_memory
from generation.precision import set_dtype
from tests.generation.full_size_pipelines import FULL_SIZE, full_size_pipeline, networks
from tests.generation.toy_diffusion import LONG

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCHES = (1, 2, 4, 8, 16, 32, 64) if DEVICE == "cuda" else (1,)
DTYPES = ("float32", "bfloat16") if DEVICE == "cuda" else ("float32",)
STEPS = 11 if DEVICE == "cuda" else 3
TRIES, FEW = (3 if DEVICE == "cuda" else 1), 4
ONE_SHOT_S, PUBLISHED_S = 4.0, 10.24
LENGTHS_S: dict[str, tuple[float | None, ...]] = {"tango": (ONE_SHOT_S, PUBLISHED_S)}
"""Lengths asked for, of the technique that makes any."""


@dataclass(frozen=True)
class Cost:
    """once_s: of a call without its steps; step_s: of each step; gigabytes: the most a GPU held, None on a CPU."""

    once_s: float
    step_s: float
    gigabytes: float | None


def steps_of(name: str) -> int:
    """As the card of a shipped model says."""
    steps = next(card for card in list_cards() if card.name == name).defaults.steps
    assert steps is not None
    return steps


def cost(model: DiffusionModel, batch: int) -> Cost:
    """One batch through everything: words, every step with guidance, autoencoder, vocoder or phase."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    # A few sounds wait for Python, which anything may hold up: the better of some tries.
    tries = TRIES if batch <= FEW else 1
    one_s, many_s = (min(seconds_of(model, batch, count) for _ in range(tries)) for count in (1, STEPS))
    step_s = (many_s - one_s) / (STEPS - 1)
    gigabytes = torch.cuda.max_memory_allocated() / 1e9 if DEVICE == "cuda" else None
    return Cost(one_s - step_s, step_s, gigabytes)


def seconds_of(model: DiffusionModel, batch: int, steps: int) -> float:
    started = time.perf_counter()
    clips = model.generate([LONG] * batch, list(range(batch)), steps, 3.0, None)
    seconds = time.perf_counter() - started  # the clips are in the machine's memory, so the GPU is done
    assert len(clips) == batch and all(clip.duration_s > 1 for clip in clips)
    return seconds


def costs(model: DiffusionModel) -> Iterator[tuple[int, Cost]]:
    """Batch sizes up to the first that does not fit."""
    for batch in BATCHES:
        try:
            seconds_of(model, batch, 1)  # kernels are chosen and loaded once for each size
            yield batch, cost(model, batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            print(f"  batch {batch:2d}: does not fit")
            return


def told(steps: int, batch: int, found: Cost) -> str:
    memory = "" if found.gigabytes is None else f", {found.gigabytes:.1f} GB at most"
    once_s, step_s = found.once_s / batch, found.step_s / batch
    each = f"{once_s + steps * step_s:.2f} s a sound of {steps} steps, {step_s:.4f} s each, {once_s:.2f} s once"
    return f"  batch {batch:2d}: {each}{memory}"


@pytest.mark.parametrize("name", FULL_SIZE)
def test_cost_at_full_size(name: str) -> None:
    steps, lengths_s = steps_of(name), LENGTHS_S.get(name, (None,))
    pipeline = full_size_pipeline(name, DEVICE)
    parameters = sum(weight.numel() for network in networks(pipeline) for weight in network.parameters())
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    for dtype in DTYPES:
        set_dtype(pipeline, dtype, name)
        by_length: list[dict[int, Cost]] = []
        for length_s in lengths_s:
            frames = pipeline.frames_of(length_s)
            print(f"\n{name}, {parameters:,} parameters, {frames} frames, guidance 3, {dtype}, {where}:")
            found = {}
            for batch, one in costs(DiffusionModel(pipeline, length_s)):
                found[batch] = one
                print(told(steps, batch, one), flush=True)
            by_length.append(found)
        if len(by_length) > 1:
            batch = max(by_length[0].keys() & by_length[1].keys())  # one sound alone does not fill a GPU
            ratio = by_length[1][batch].step_s / by_length[0][batch].step_s
            print(f"{batch} sounds: a step of {PUBLISHED_S} s costs {ratio:.2f} times one of {ONE_SHOT_S:g} s")
            assert ratio > 1


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
def test_all_steps_of_a_card_cost_what_is_reckoned() -> None:
    pipeline, steps, batch = full_size_pipeline("tango", DEVICE), steps_of("tango"), 8
    set_dtype(pipeline, "bfloat16", "tango")
    model = DiffusionModel(pipeline, ONE_SHOT_S)
    seconds_of(model, batch, 1)
    found = cost(model, batch)
    reckoned_s, taken_s = found.once_s + steps * found.step_s, seconds_of(model, batch, steps)
    print(f"\ntango, {steps} steps, {batch} sounds: {taken_s:.1f} s, {taken_s / reckoned_s:.2f} times what is reckoned")
    assert 0.8 < taken_s / reckoned_s < 1.25

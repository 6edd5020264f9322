"""Out of memory, a model goes on with half as many sounds at once, and the sounds stay the same."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.audio import Clip
from generation.cards import write_card
from generation.portions import Portions, is_out_of_memory
from generation.registry import load_model
from tests.generation.toy_diffusion import toy_audio_diffusion, toy_card


def clips(first: int, end: int) -> list[Clip]:
    return [Clip(np.full((1, 4), number, dtype=np.float32), 16_000) for number in range(first, end)]


def numbers(made: list[Clip]) -> list[int]:
    return [int(clip.samples[0, 0]) for clip in made]


@pytest.mark.parametrize("fits", [1, 2, 3, 5, 7])
def test_every_sound_is_made_once_and_in_order(fits: int) -> None:
    asked = []

    def make(first: int, end: int) -> list[Clip]:
        asked.append(end - first)
        if end - first > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return clips(first, end)

    portions = Portions()
    assert numbers(portions.make(7, make)) == list(range(7))
    assert portions.at_once is None or fits / 2 < portions.at_once <= fits
    asked.clear()
    assert numbers(portions.make(9, make)) == list(range(9))
    assert fits == 7 or max(asked) <= fits, "what fitted is remembered"


def test_one_sound_that_does_not_fit_is_an_error() -> None:
    def make(first: int, end: int) -> list[Clip]:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        Portions().make(4, make)


def test_other_errors_are_not_tried_again() -> None:
    asked = []

    def make(first: int, end: int) -> list[Clip]:
        asked.append(first)
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Portions().make(4, make)
    assert asked == [0]


def test_the_machines_own_refusal_is_known() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60)
    assert is_out_of_memory(refused.value)
    assert not is_out_of_memory(ValueError("memory"))


def test_a_real_network_goes_on_in_halves_with_the_same_sounds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = toy_audio_diffusion()
    pipeline.save_pretrained(tmp_path)
    write_card(tmp_path, toy_card("audio-diffusion", pipeline))
    prompts, seeds = ["bass", "flute", "dark bass", "flute", "bass"], [1, 2, 3, 4, 5]
    whole = load_model(tmp_path).generate(prompts, seeds, steps=2)
    model = load_model(tmp_path)
    unet = model._technique.pipeline.unet  # type: ignore[attr-defined]

    def too_little_memory(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if len(given[0]) > 6:  # guidance doubles a batch
            raise torch.OutOfMemoryError("CUDA out of memory")

    unet.register_forward_pre_hook(too_little_memory)
    with caplog.at_level(logging.WARNING):
        halves = model.generate(prompts, seeds, steps=2)
    assert [record.message for record in caplog.records] == ["not enough memory for 5 sounds at once; going on with 3"]
    for one, other in zip(whole, halves, strict=True):
        # A grey value may tip where sums are taken in another order.
        assert np.abs(one.samples - other.samples).mean() < 0.02

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
from tests.generation.toy_diffusion import TOYS, toy_audio_diffusion, toy_card


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
    assert fits == 7 or asked[0] <= fits, "what fitted is remembered"


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
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x2 and 3x2)"))


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "cuFFT error: CUFFT_INTERNAL_ERROR",
        "GET was unable to find an engine to execute this computation",
        "CUDA error: insufficient resources when calling `cusparseSpMM(...)`",
    ],
)
def test_what_the_libraries_of_a_gpu_say_is_known(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))


def test_a_limit_that_was_halved_grows_again() -> None:
    fits, asked = 0, []

    def make(first: int, end: int) -> list[int]:
        asked.append(end - first)
        if end - first > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(first, end))

    portions = Portions(64)
    with pytest.raises(torch.OutOfMemoryError):
        portions.make(64, make)  # another program has all of it
    fits = 1000
    assert portions.make(2000, make) == list(range(2000)) and portions.at_once == 64 == max(asked[-5:])


def test_what_never_fits_is_tried_less_and_less() -> None:
    tried = []

    def make(first: int, end: int) -> list[int]:
        tried.append(end - first > 2)
        if end - first > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(first, end))

    assert Portions(4).make(2000, make) == list(range(2000))
    apart = np.diff(np.flatnonzero(tried))
    assert len(apart) >= 3 and (apart[1:] >= 2 * apart[:-1] - 2).all()


def test_a_real_network_goes_on_in_halves_with_the_same_sounds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = toy_audio_diffusion()
    pipeline.save_pretrained(tmp_path)
    write_card(tmp_path, toy_card("audio-diffusion", pipeline))
    prompts, seeds = ["bass", "flute", "dark bass", "flute", "bass"], [1, 2, 3, 4, 5]
    whole = load_model(tmp_path).generate(prompts, seeds, steps=2)
    model = load_model(tmp_path)
    _fits(model._technique.pipeline.unet, 6)  # type: ignore[attr-defined]  # guidance doubles a batch
    with caplog.at_level(logging.WARNING):
        halves = model.generate(prompts, seeds, steps=2)
    assert [record.message for record in caplog.records] == ["not enough memory for 5 sounds at once; going on with 3"]
    for one, other in zip(whole, halves, strict=True):
        # A grey value may tip where sums are taken in another order.
        assert np.abs(one.samples - other.samples).mean() < 0.02


PASSES, FITS = 3, 2


@pytest.mark.parametrize(
    ("technique", "part"),
    [("audio-latent-diffusion", "vae"), ("riffusion", "vae"), ("tango", "vae"), ("tango", "vocoder")],
)
def test_memory_that_runs_out_behind_the_network_costs_none_of_its_passes(
    tmp_path: Path, technique: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Autoencoder and vocoder take the most memory and come last."""
    pipeline = TOYS[technique]()
    pipeline.save_pretrained(tmp_path)
    write_card(tmp_path, toy_card(technique, pipeline))
    model = load_model(tmp_path)
    parts = model._technique.pipeline  # type: ignore[attr-defined]
    passed: list[int] = []
    parts.unet.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
    _fits(parts.vae.decoder if part == "vae" else parts.vocoder, FITS)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert len(model.generate(["bass"] * 7, range(7), steps=PASSES, guidance_scale=1.0)) == 7
    assert passed == [7] * PASSES * 2
    assert len(caplog.records) == 1, "what fitted is remembered"


def test_real_sounds_go_through_the_codec_in_halves_too(tmp_path: Path) -> None:
    pipeline = TOYS["riffusion"]()
    pipeline.save_pretrained(tmp_path)
    write_card(tmp_path, toy_card("riffusion", pipeline))
    notes = [
        Clip(np.random.default_rng(seed).normal(0, 0.1, (1, 2560)).astype(np.float32), 16_000) for seed in range(5)
    ]
    whole = load_model(tmp_path).through_codec(notes, range(5))
    model = load_model(tmp_path)
    _fits(model._technique.pipeline.vae.encoder, FITS)  # type: ignore[attr-defined]
    halves = model.through_codec(notes, range(5))
    assert len(halves) == 5
    for one, other in zip(whole, halves, strict=True):
        assert np.abs(one.samples - other.samples).mean() < 0.02


def _fits(network: torch.nn.Module, count: int) -> None:
    """Let a network have memory for so many sounds at once."""

    def too_little_memory(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if len(given[0]) > count:
            raise torch.OutOfMemoryError("CUDA out of memory")

    network.register_forward_pre_hook(too_little_memory)

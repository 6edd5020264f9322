"""What all diffusion pipelines promise, on toys of each: seeds, batches, masks, guidance, NaN, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generation.errors import GenerationError
from generation.pipelines.conditioning import TextStates
from generation.pipelines.denoising import guided
from generation.pipelines.text_to_sound import TextToSoundPipeline
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, TRAIN_STEPS

STEPS = 3
PROMPTS, SEEDS = [SHORT, LONG, "nothing known"], [3, 4, 5]
MASKED = ("audio-diffusion", "audio-latent-diffusion", "tango")


@pytest.fixture(scope="module", params=TOYS)
def pipeline(request: pytest.FixtureRequest) -> TextToSoundPipeline:
    return TOYS[request.param]()


def through(
    pipeline: TextToSoundPipeline, prompts: list[str], seeds: list[int], scheduler: str = "ddpm", guidance: float = 3.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The six steps by hand: latents, pictures, waves."""
    with torch.no_grad():
        sampler, n_frames = pipeline.check_inputs(prompts, seeds, STEPS, guidance, scheduler, None)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        text, empty = pipeline.encode_prompt(prompts)
        latents = pipeline.prepare_latents(generators, sampler, n_frames)
        latents = pipeline.denoise(latents, text, empty, sampler, guidance, generators)
        pictures = pipeline.decode_latents(latents)
        return latents, pictures, pipeline.decode(pictures, generators)


def farthest(one: Any, other: Any) -> float:
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


# -------------------- seeds and batches


def test_a_call_is_the_six_steps(pipeline: TextToSoundPipeline) -> None:
    waves = pipeline(PROMPTS, SEEDS, STEPS, scheduler="ddpm").waves
    assert waves.dtype == np.float32 and waves.shape == (3, waves.shape[1])
    assert np.isfinite(waves).all() and (np.abs(waves).max(axis=1) > 0.01).all() and np.abs(waves).max() <= 1.0
    assert farthest(waves, through(pipeline, PROMPTS, SEEDS)[2]) < 1e-6


def test_same_seed_same_sound_other_seed_or_text_another(pipeline: TextToSoundPipeline) -> None:
    first = pipeline([SHORT], [3], STEPS).waves
    assert np.array_equal(first, pipeline([SHORT], [3], STEPS).waves)
    assert farthest(first, pipeline([SHORT], [4], STEPS).waves) > 1e-3
    assert farthest(first, pipeline([LONG], [3], STEPS).waves) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("scheduler", ["ddpm", "ddim", "dpm-solver++", "euler-ancestral"])
def test_a_sound_is_the_same_alone_and_in_a_padded_batch(pipeline: TextToSoundPipeline, scheduler: str) -> None:
    together = through(pipeline, PROMPTS, SEEDS, scheduler)
    for i in range(len(PROMPTS)):
        alone = through(pipeline, PROMPTS[i : i + 1], SEEDS[i : i + 1], scheduler)
        assert farthest(alone[0][0], together[0][i]) < 1e-4
        assert farthest(alone[1][0], together[1][i]) < 1e-4
        # From equal pictures, since a grey value on the edge between two may fall either way by rounding.
        generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
        one = pipeline.decode(together[1][i : i + 1], [torch.Generator().manual_seed(SEEDS[i])])
        assert farthest(one[0], pipeline.decode(together[1], generators)[i]) < 1e-4
        assert farthest(alone[2][0], together[2][i]) < 0.02  # where one did


@pytest.mark.parametrize("technique", MASKED)
def test_without_its_mask_padding_would_be_heard(technique: str) -> None:
    pipeline = TOYS[technique]()
    whole = pipeline.encode_texts

    def unmasked(texts: list[str]) -> TextStates:
        states = whole(texts)
        return TextStates(states.states, torch.ones_like(states.mask)) if states.mask is not None else states

    pipeline.encode_texts = unmasked  # type: ignore[method-assign]
    together = through(pipeline, PROMPTS, SEEDS)[0]
    assert farthest(together[0], through(pipeline, PROMPTS[:1], SEEDS[:1])[0][0]) > 1e-4


def test_nan_stays_in_its_own_sound(pipeline: TextToSoundPipeline) -> None:
    clean = through(pipeline, PROMPTS, SEEDS)[2]
    draw = pipeline.prepare_latents

    def broken(*arguments: Any) -> Tensor:
        latents = draw(*arguments)
        latents[1, 0, 0, 0] = float("nan")
        return latents

    pipeline.prepare_latents = broken  # type: ignore[method-assign]
    try:
        waves = pipeline(PROMPTS, SEEDS, STEPS, scheduler="ddpm").waves
    finally:
        del pipeline.prepare_latents
    assert np.isnan(waves[1]).any()
    assert farthest(waves[[0, 2]], clean[[0, 2]]) < 1e-6


# -------------------- guidance


def test_guidance_one_is_exactly_one_conditional_pass(pipeline: TextToSoundPipeline) -> None:
    batches: list[int] = []
    hook = pipeline.unet.register_forward_pre_hook(lambda _, given: batches.append(len(given[0])))
    try:
        latents = through(pipeline, PROMPTS, SEEDS, "ddim", guidance=1.0)[0]
        assert batches == [3] * STEPS
        batches.clear()
        through(pipeline, PROMPTS, SEEDS, "ddim", guidance=2.0)
        assert batches == [6] * STEPS
    finally:
        hook.remove()
    # By hand: the network on the prompts alone, then the scheduler.
    sampler, n_frames = pipeline.check_inputs(PROMPTS, SEEDS, STEPS, 1.0, "ddim", None)
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    with torch.no_grad():
        text = pipeline.encode_texts(PROMPTS)
        expected = pipeline.prepare_latents(generators, sampler, n_frames)
        clipped = bool(sampler.config["clip_sample"])  # the noise that is left is then that of the clipped picture
        for time in sampler.timesteps:
            noise = pipeline.unet(expected, time, text.states, encoder_attention_mask=text.mask).sample
            expected = sampler.step(noise, time, expected, use_clipped_model_output=clipped).prev_sample
    assert farthest(latents, expected) < 1e-5


def test_guidance_goes_from_the_masked_empty_prompt_through_the_text(pipeline: TextToSoundPipeline) -> None:
    with torch.no_grad():
        text, empty = pipeline.encode_prompt(PROMPTS)
        noisy = torch.randn(3, *pipeline.latent_shape(16), generator=torch.Generator().manual_seed(0))
        time = torch.tensor(50)
        # The empty prompt by itself, without any padding beside it.
        alone = pipeline.encode_texts([""])
        states = TextStates(alone.states.expand(3, -1, -1), None)
        without = guided(pipeline.unet, noisy, time, states, states, 1.0)
        with_text = guided(pipeline.unet, noisy, time, text, empty, 1.0)
        both = guided(pipeline.unet, noisy, time, text, empty, 2.5)
        assert farthest(both, without + 2.5 * (with_text - without)) < 1e-5
        assert farthest(guided(pipeline.unet, noisy, time, text, empty, 0.0), without) < 1e-5
    assert farthest(without, with_text) > 1e-3


# -------------------- schedulers and errors


def test_the_scheduler_is_chosen_per_call_and_the_saved_one_left_alone(pipeline: TextToSoundPipeline) -> None:
    before = dict(pipeline.scheduler.config)
    own = {"ddim" if "DDIM" in type(pipeline.scheduler).__name__ else "ddpm"}
    saved = pipeline([SHORT], [3], STEPS).waves
    for name in ("ddpm", "ddim", "dpm-solver++", "euler-ancestral"):
        difference = farthest(saved, pipeline([SHORT], [3], STEPS, scheduler=name).waves)
        assert difference == 0.0 if name in own else difference > 1e-3
    assert dict(pipeline.scheduler.config) == before
    assert pipeline.scheduler.num_inference_steps is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": SHORT}, "a list of at least one prompt is needed"),
        ({"prompt": [], "seeds": []}, "a list of at least one prompt is needed"),
        ({"seeds": [1, 2]}, "1 prompts, 2 seeds came"),
        ({"steps": TRAIN_STEPS + 1}, "101 steps were asked for; this model was trained on 100"),
        ({"steps": 0}, "0 steps were asked for"),
        ({"guidance_scale": -1.0}, "guidance -1.0 came; a number of at least 0"),
        ({"guidance_scale": float("nan")}, "guidance nan came"),
        ({"scheduler": "ddmp"}, "there is no scheduler 'ddmp'; did you mean 'ddpm'"),
        ({"duration_s": -3.0}, "-3 s were asked for"),
    ],
)
def test_bad_input_is_one_line_before_any_work(
    pipeline: TextToSoundPipeline, change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("started to work")

    monkeypatch.setattr(type(pipeline), "encode_texts", work)
    with pytest.raises(GenerationError, match=words) as error:
        pipeline(**{"prompt": [SHORT], "seeds": [3], **change})
    assert "\n" not in str(error.value)


def test_the_techniques_have_the_same_public_steps_in_the_same_order() -> None:
    steps = ["check_inputs", "encode_prompt", "prepare_latents", "denoise", "decode_latents", "decode"]
    assert [name for name in vars(TextToSoundPipeline) if name in steps] == steps
    for make in TOYS.values():
        own = [name for name in vars(type(make())) if name in steps]
        assert own == steps[-2:]

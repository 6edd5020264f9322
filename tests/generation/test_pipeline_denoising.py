"""Noise, samplers and text states by themselves: known answers, every count of steps, padding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from torch import Tensor

from generation.errors import ConfigError, GenerationError
from generation.models.full_size import AUDIO_LATENT_DIFFUSION_NOISE, RIFFUSION_NOISE, TANGO_NOISE
from generation.pipelines import denoising
from generation.pipelines.conditioning import TextStates, encode_fixed, encode_masked, with_note, with_notes
from generation.pipelines.denoising import SCHEDULERS, build_sampler, denoise, seeded_noise
from tests.generation.toy_diffusion import LONG, SHORT, toy_clip_text, toy_t5, toy_tokenizer

TEXT = TextStates(torch.zeros(2, 1, 4), None)


class Oracle:
    """A network that knows the answer, and so predicts its noise (or velocity) exactly."""

    def __init__(self, answer: Tensor, scheduler: DDPMScheduler) -> None:
        self.answer, self.scheduler = answer, scheduler
        self.config = {"in_channels": answer.shape[1], "class_embed_type": None}

    def __call__(self, noisy: Tensor, time: Tensor, states: Tensor, **others: None) -> Any:
        kept = self.scheduler.alphas_cumprod[int(time)]
        noise = (noisy - kept.sqrt() * self.answer) / (1 - kept).sqrt()
        if self.scheduler.config["prediction_type"] == "v_prediction":
            noise = kept.sqrt() * noise - (1 - kept).sqrt() * self.answer
        return SimpleNamespace(sample=noise)


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 200, 400])
@pytest.mark.parametrize("noise", [AUDIO_LATENT_DIFFUSION_NOISE, RIFFUSION_NOISE, TANGO_NOISE])
@pytest.mark.parametrize("name", [None, *SCHEDULERS])
def test_every_sampler_finds_what_the_network_knows(name: str | None, noise: dict[str, Any], steps: int) -> None:
    saved = DDPMScheduler(**noise)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    answer = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    sampler = build_sampler(saved, name, steps)
    start = seeded_noise(generators, (1, 4, 4)) * sampler.init_noise_sigma
    found = denoise(Oracle(answer, saved), sampler, start, TEXT, TEXT, 1.0, generators)  # type: ignore[arg-type]
    assert float((found - answer).abs().max()) < 0.05


def test_an_answer_beyond_the_range_does_not_eat_the_noise_step_by_step() -> None:
    saved = DDPMScheduler(**{**AUDIO_LATENT_DIFFUSION_NOISE, "clip_sample": True, "prediction_type": "v_prediction"})
    loud = Oracle(torch.full((2, 1, 4, 4), 1.5), saved)  # as guidance pushes a picture's white beyond 1
    left: list[Tensor] = []

    def hears_the_noise(noisy: Tensor, time: Tensor, states: Tensor, **others: None) -> Any:
        kept = saved.alphas_cumprod[int(time)]
        left.append((noisy - kept.sqrt()) / (1 - kept).sqrt())
        return loud(noisy, time, states)

    hears_the_noise.config = loud.config  # type: ignore[attr-defined]
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    start = seeded_noise(generators, (1, 4, 4))
    found = denoise(hears_the_noise, build_sampler(saved, "ddim", 100), start, TEXT, TEXT, 1.0, generators)  # type: ignore[arg-type]
    assert torch.allclose(found, torch.ones_like(found), atol=1e-4)
    # The noise that is left belongs to the clipped picture, 1, to the end.
    assert float((left[-1] - left[1]).abs().max()) < 0.02


@pytest.mark.parametrize("name", [None, *SCHEDULERS])
def test_no_count_of_steps_leaves_the_trained_times(name: str | None) -> None:
    for noise in (AUDIO_LATENT_DIFFUSION_NOISE, TANGO_NOISE):
        saved = DDPMScheduler(**noise)
        refused = []
        for steps in (*range(1, 22), 61, 103, 201, 400, 601, 999, 1000):
            try:
                times = build_sampler(saved, name, steps).timesteps
            except GenerationError as error:
                assert "ask for fewer steps" in str(error)
                refused.append(steps)
                continue
            assert len(times) == steps == len(times.unique())
            assert 0 <= times.min() and times.max() < 1000
            if name != "ddim" or steps < 100:
                assert times.max() >= 900  # in noise, whatever the count
        assert set(refused) <= {1000}


def test_ddim_says_where_it_starts_too_late(caplog: pytest.LogCaptureFixture) -> None:
    denoising._say_once.cache_clear()
    saved = DDPMScheduler(**TANGO_NOISE)
    for steps in (1, 2, 5, 7, 20, 250, 500):
        assert build_sampler(saved, "ddim", steps).timesteps.max() > 900 and not caplog.records
    for _ in range(2):
        assert build_sampler(saved, "ddim", 501).timesteps.max() == 501
    assert caplog.text.count("ddim with 501 steps starts at time 501 of 1000") == 1


def test_a_spacing_that_overruns_is_refused_and_not_sampled() -> None:
    trailing = DDPMScheduler(**{**RIFFUSION_NOISE, "timestep_spacing": "trailing"})
    with pytest.raises(GenerationError, match="finds no 61 different times among 1000"):
        build_sampler(trailing, "ddim", 61)  # diffusers gives 62 times, the last one -1
    with pytest.raises(GenerationError, match="ddim finds no 1000 different times"):
        build_sampler(DDPMScheduler(**RIFFUSION_NOISE), "ddim", 1000)


def test_a_saved_scheduler_of_another_kind_is_copied(tmp_path: Any) -> None:
    saved = PNDMScheduler(**{k: v for k, v in RIFFUSION_NOISE.items() if k != "clip_sample"}, skip_prk_steps=True)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    answer = torch.zeros(2, 1, 4, 4)
    oracle: Any = Oracle(answer, DDPMScheduler(**RIFFUSION_NOISE))
    sampler = build_sampler(saved, None, 20)
    found = denoise(oracle, sampler, seeded_noise(generators, (1, 4, 4)), TEXT, TEXT, 1.0, generators)
    assert float(found.abs().max()) < 0.05
    assert saved.num_inference_steps is None and saved.ets == []


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_samples_alike_before_and_after_it_was_saved(name: str, tmp_path: Any) -> None:
    built = DDPMScheduler(num_train_timesteps=50)
    built.save_pretrained(tmp_path)
    loaded = DDPMScheduler.from_pretrained(tmp_path)
    assert torch.equal(build_sampler(built, name, 7).timesteps, build_sampler(loaded, name, 7).timesteps)


def test_noise_belongs_to_its_seed() -> None:
    many = seeded_noise([torch.Generator().manual_seed(seed) for seed in (5, 6, 7)], (2, 3, 4))
    one = seeded_noise([torch.Generator().manual_seed(6)], (2, 3, 4))
    assert many.shape == (3, 2, 3, 4) and many.dtype == torch.float32
    assert torch.equal(many[1:2], one)


@torch.no_grad()
def test_masked_texts_are_padded_to_the_longest_and_cut_at_the_limit() -> None:
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    encoder = toy_t5(len(tokenizer))
    states = encode_masked(tokenizer, encoder, [SHORT, LONG, ""], max_tokens=64)
    assert states.mask is not None
    assert states.mask.sum(dim=1).tolist() == [3, 10, 2]  # start and end beside the words
    alone = encode_masked(tokenizer, encoder, [SHORT], max_tokens=64)
    assert float((alone.states[0] - states.states[0, :3]).abs().max()) < 1e-5
    assert encode_masked(tokenizer, encoder, [LONG], max_tokens=5).states.shape == (1, 5, 16)


@torch.no_grad()
def test_fixed_texts_fill_every_position() -> None:
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    states = encode_fixed(tokenizer, toy_clip_text(len(tokenizer)), [SHORT, " ".join([LONG] * 3)])
    assert states.states.shape == (2, 12, 16) and states.mask is None


def test_the_last_text_is_repeated_beside_the_others() -> None:
    states = TextStates(torch.arange(6.0).reshape(3, 2, 1), torch.tensor([[1, 1], [1, 0], [0, 1]]))
    others, last = states.split_last()
    assert others.mask is not None and last.mask is not None
    assert torch.equal(others.states, states.states[:2]) and torch.equal(others.mask, states.mask[:2])  # type: ignore[index]
    assert last.states.flatten().tolist() == [4.0, 5.0, 4.0, 5.0] and last.mask.tolist() == [[0, 1], [0, 1]]


def test_a_note_is_named_once() -> None:
    assert with_note("synthetic dark bass", 45) == "synthetic dark bass, A2"
    assert with_note("synthetic dark bass, A2", 45) == "synthetic dark bass, A2"
    assert with_note("bass", None) == "bass"
    assert with_note(" ", 45) == "A2"
    with pytest.raises(ConfigError, match="MIDI note 128"):
        with_note("bass", 128)


@pytest.mark.parametrize(
    ("text", "note", "said"),
    [
        ("synthetic dark bass, A3", 45, "synthetic dark bass, A2"),
        ("a dark Bb3 bass like f#1, please", 45, "a dark A2 bass like A2, please"),
        ("bass at C-1", 45, "bass at A2"),
        ("808 bass b2b A440", 45, "808 bass b2b A440, A2"),
        ("bass A♯2", 46, "bass A#2"),
        ("bass B♭2", None, "bass Bb2"),
        ("bass, C sharp 3", 45, "bass, A2"),
        ("bajo cálido en la sostenido 2", None, "bajo cálido en A#2"),
    ],
)
def test_the_note_asked_for_wins_over_the_texts(text: str, note: int | None, said: str) -> None:
    assert with_notes([text], [note]) == [said]


def test_notes_are_spelled_as_in_captions() -> None:
    assert with_notes(["bass A♯2", "B♭2", "midi 45 bass"], None) == ["bass A#2", "Bb2", "A2 bass"]

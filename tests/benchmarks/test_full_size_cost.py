"""What a sound costs at full size, in seconds and in memory, by batch size; networks have random weights.

Run by hand: pytest -m benchmark -s tests/benchmarks/test_full_size_cost.py
On a GPU in batches of 1 to 64, in float32 and bfloat16, with the most memory that was allocated; on a CPU one sound in
float32. A step is what more steps took longer than one, so that words, autoencoder, vocoder and phase are not in it; a
sound of as many steps as its card says is reckoned from both, since every step does the same. Nothing is downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import CLIPTextConfig, CLIPTextModel, SpeechT5HifiGan, SpeechT5HifiGanConfig, T5Config, T5EncoderModel

from generation.cards import list_cards
from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.models import full_size
from generation.pipelines.audio_diffusion import AudioDiffusionTextPipeline
from generation.pipelines.diffusion_model import DiffusionModel
from generation.pipelines.riffusion import RiffusionAudioPipeline
from generation.pipelines.tango import TangoPipeline
from generation.pipelines.text_to_sound import TextToSoundPipeline
from generation.portions import is_out_of_memory
from generation.precision import set_dtype
from tests.generation.toy_diffusion import LONG, toy_tokenizer

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCHES = (1, 2, 4, 8, 16, 32, 64) if DEVICE == "cuda" else (1,)
DTYPES = ("float32", "bfloat16") if DEVICE == "cuda" else ("float32",)
STEPS = 11 if DEVICE == "cuda" else 3
ONE_SHOT_S, PUBLISHED_S = 4.0, 10.24
# Sizes of google/flan-t5-large, t5-base and openai/clip-vit-large-patch14 (encoders) as their configurations say.
FLAN_T5_LARGE = {
    "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16, "feed_forward_proj": "gated-gelu",
}  # fmt: skip
T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
CLIP_LARGE = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "max_position_embeddings": 77,
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """once_s: of a call without its steps; step_s: of each step; gigabytes: the most a GPU held, None on a CPU."""

    once_s: float
    step_s: float
    gigabytes: float | None


def audio_diffusion() -> TextToSoundPipeline:
    unet, scheduler = UNet2DConditionModel(**full_size.AUDIO_DIFFUSION_UNET), full_size.AUDIO_DIFFUSION_NOISE
    text = T5EncoderModel(T5Config(**T5_BASE))
    return AudioDiffusionTextPipeline(text, toy_tokenizer(), unet, DDPMScheduler(**scheduler), MelImageCodec())


def audio_latent_diffusion() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.AUDIO_LATENT_DIFFUSION_UNET), full_size.AUDIO_LATENT_DIFFUSION_VAE
    scheduler = DDPMScheduler(**full_size.AUDIO_LATENT_DIFFUSION_NOISE)
    codec = MelImageCodec(n_mels=256, n_frames=256, hop_length=256)
    text = T5EncoderModel(T5Config(**T5_BASE))
    return AudioDiffusionTextPipeline(text, toy_tokenizer(), unet, scheduler, codec, AutoencoderKL(**vae))


def riffusion() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.RIFFUSION_UNET), AutoencoderKL(**full_size.RIFFUSION_VAE)
    scheduler = DDPMScheduler(**full_size.RIFFUSION_NOISE)
    text = CLIPTextModel(CLIPTextConfig(**CLIP_LARGE))
    return RiffusionAudioPipeline(text, toy_tokenizer(), unet, vae, scheduler, RiffusionImageCodec())


def tango() -> TextToSoundPipeline:
    unet, vae = UNet2DConditionModel(**full_size.TANGO_UNET), AutoencoderKL(**full_size.TANGO_VAE)
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**full_size.TANGO_VOCODER))
    scheduler = DDPMScheduler(**full_size.TANGO_NOISE)
    text = T5EncoderModel(T5Config(**FLAN_T5_LARGE))
    return TangoPipeline(text, toy_tokenizer(), unet, vae, vocoder, scheduler, LogMelCodec())


def networks(pipeline: TextToSoundPipeline) -> list[torch.nn.Module]:
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


def cost(model: DiffusionModel, batch: int) -> Cost:
    """One batch through everything: words, every step with guidance, autoencoder, vocoder or phase."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    one_s, many_s = (seconds_of(model, batch, count) for count in (1, STEPS))
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


@pytest.mark.parametrize(
    ("name", "build", "lengths_s"),
    [
        ("audio-diffusion", audio_diffusion, (None,)),
        ("audio-latent-diffusion", audio_latent_diffusion, (None,)),
        ("riffusion", riffusion, (None,)),
        ("tango", tango, (ONE_SHOT_S, PUBLISHED_S)),
    ],
)
def test_cost_at_full_size(
    name: str, build: Callable[[], TextToSoundPipeline], lengths_s: tuple[float | None, ...]
) -> None:
    card = next(card for card in list_cards() if card.name == name)
    steps = card.defaults.steps
    assert steps is not None
    torch.manual_seed(0)
    with torch.device(DEVICE):
        pipeline = build()
    pipeline = pipeline.to(DEVICE)
    for network in networks(pipeline):
        network.eval()
    parameters = sum(weight.numel() for network in networks(pipeline) for weight in network.parameters())
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    for dtype in DTYPES:
        set_dtype(pipeline, dtype, name)
        alone: list[float] = []
        for length_s in lengths_s:
            frames = pipeline.frames_of(length_s)
            print(f"\n{name}, {parameters:,} parameters, {frames} frames, guidance 3, {dtype}, {where}:")
            found = {}
            for batch, one in costs(DiffusionModel(pipeline, length_s)):
                found[batch] = one
                print(told(steps, batch, one), flush=True)
            alone.append(found[1].step_s)
        if len(alone) > 1:
            ratio = alone[1] / alone[0]
            print(f"{name}: a step of {PUBLISHED_S} s costs {ratio:.2f} times one of {ONE_SHOT_S:g} s, one sound")
            assert ratio > 1

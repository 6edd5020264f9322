"""Sounds and pictures of a network in training, for ears and eyes that want to know how a run goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generation.audio import Clip, write_clip
from generation.pipelines.text_to_sound import TextToSoundPipeline
from generation.training.denoising_export import ModelFacts

_STEPS = 20
_SHOWN_DB = 80.0


def write_sounds(folder: Path, pipeline: TextToSoundPipeline, captions: Sequence[str], facts: ModelFacts) -> None:
    """Write NUMBER-CAPTION.wav and .png for each caption; sound i has the seed i, so that steps can be compared."""
    seeds = range(len(captions))
    steps = min(_STEPS, pipeline.scheduler.config["num_train_timesteps"])  # type: ignore[attr-defined]
    defaults = facts.defaults
    guidance = 1.0 if defaults.guidance_scale is None else defaults.guidance_scale
    sampler, n_frames = pipeline.check_inputs(captions, seeds, steps, guidance, defaults.scheduler, None)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    text, empty = pipeline.encode_prompt(captions)
    latents = pipeline.prepare_latents(generators, sampler, n_frames)
    pictures = pipeline.decode_latents(pipeline.denoise(latents, text, empty, sampler, guidance, generators))
    waves = pipeline.decode(pictures, generators).float().cpu().numpy()
    images = grey_images(pipeline.codec.mel_amplitudes(pictures.float().cpu()))
    for number, (caption, wave, image) in enumerate(zip(captions, waves, images, strict=True)):
        name = f"{number}-{re.sub(r'[^a-zA-Z0-9#]+', '-', caption)[:60]}"
        write_clip(folder / f"{name}.wav", Clip(np.nan_to_num(wave)[None], pipeline.codec.config["sample_rate_hz"]))
        Image.fromarray(image).save(folder / f"{name}.png")


def grey_images(amplitudes: Tensor) -> np.ndarray:
    """Mel amplitudes [batch, bands, columns], lowest first, as dB below the loudest: uint8, low notes at the bottom."""
    loudest = amplitudes.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    below_db = 20.0 * torch.log10((amplitudes / loudest).clamp_min(1e-12))
    shares = (below_db / _SHOWN_DB + 1.0).clamp(0.0, 1.0)
    return (shares.nan_to_num() * 255).round().to(torch.uint8).flip(1).numpy()

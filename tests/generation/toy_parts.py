"""Folders as other runs would export them, at toy size, and the six denoising recipes on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from tests.generation.toy_diffusion import toy_clip_text, toy_t5, toy_tokenizer, toy_vae, toy_vocoder

PICTURE = {"n_mels": 16, "n_frames": 16, "hop_length": 256, "n_fft": 512}
UNET = {"block_out_channels": [8, 16], "layers_per_block": 1, "attention": [True, False], "heads": 2,
        "norm_num_groups": 4}  # fmt: skip
RECIPES = ("audio-diffusion", "audio-latent-diffusion", "riffusion", "riffusion-ft", "tango-clean", "tango-ft")
"""A base stands before the recipe that trains it further."""


def write_parts(root: Path) -> Path:
    """Write every part that the recipes build on into folders of `root`, each with the record of a run. Returns it."""
    torch.manual_seed(0)
    words = toy_tokenizer()
    pictures = {
        "mel": (toy_vae(1, latent_channels=2), MelImageCodec(**PICTURE)),
        "riffusion": (
            toy_vae(3, latent_channels=4),
            RiffusionImageCodec(n_mels=16, n_frames=16, hop_length=640, win_length=1600, n_fft=1600),
        ),
        "log-mel": (toy_vae(1, latent_channels=4), LogMelCodec(n_mels=16, n_frames=32, n_fft=512)),
    }
    for name, (vae, codec) in pictures.items():
        vae.save_pretrained(root / name / "vae")
        codec.save_pretrained(root / name / "codec")
    for name, encoder in {"t5": toy_t5(len(words)), "clip-text": toy_clip_text(len(words))}.items():
        encoder.save_pretrained(root / name / "text_encoder")
        words.save_pretrained(root / name / "tokenizer")
    toy_vocoder().save_pretrained(root / "vocoder" / "vocoder")
    for folder in root.iterdir():
        corpus = {"name": f"tones of {folder.name}", "licence": "MIT", "attribution": None, "url": None}
        (folder / "training.json").write_text(json.dumps({"recipe": folder.name, "corpus": corpus, "parents": []}))
    return root


def overrides(recipe: str, parts: Path, runs: Path, **changes: Any) -> dict[str, Any]:
    """What makes a recipe's starter configuration a run of a second; bases are taken from runs/RECIPE."""
    own: dict[str, dict[str, Any]] = {
        "audio-diffusion": {"text_encoder": str(parts / "t5"), "picture": PICTURE, "unet": UNET},
        "audio-latent-diffusion": {"text_encoder": str(parts / "t5"), "autoencoder": str(parts / "mel"), "unet": UNET},
        "riffusion": {
            "text_encoder": str(parts / "clip-text"), "autoencoder": str(parts / "riffusion"), "unet": UNET,
            "mixtures": 16,
        },
        "riffusion-ft": {"base": str(runs / "riffusion" / "model")},
        "tango-clean": {
            "text_encoder": str(parts / "t5"), "autoencoder": str(parts / "log-mel"),
            "vocoder": str(parts / "vocoder"), "unet": UNET, "picture": {"n_frames": 32},
        },
        "tango-ft": {"base": str(runs / "tango-clean" / "model"), "picture": {"n_frames": 48}},
    }  # fmt: skip
    numbers: dict[str, Any] = {
        "steps": 3, "batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 0, "ema_decay": 0.5, "validate_every": 3,
        "checkpoint_every": 3, "sample_every": 3, "precision": "fp32", "validation_items": 8,
    }  # fmt: skip
    return {**numbers, **own[recipe], **changes}

"""Sizes of the published networks, as diffusers and transformers configurations; training recipes start from them.

Facts of the thesis and of the published configurations, with our own schedule where the thesis' cannot be
sampled (100 training steps leave a third of the signal's power in the noisiest picture, and 200 inference steps
do not fit in them). Parameters are counted by the tests.
"""

from __future__ import annotations

from typing import Any

_SD_BLOCKS = {
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 2,
}


def _vae_blocks(*widths: int) -> dict[str, Any]:
    levels = len(widths)
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": 2,
    }


# -------------------- UNet2DConditionModel

AUDIO_DIFFUSION_UNET: dict[str, Any] = {
    **_SD_BLOCKS,
    "sample_size": (64, 64),
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (128, 256, 512, 512),
    "cross_attention_dim": 768,  # T5-base
}
"""142,229,121 parameters; 64 x 64 pixels."""

AUDIO_LATENT_DIFFUSION_UNET: dict[str, Any] = {**AUDIO_DIFFUSION_UNET, "sample_size": (32, 32)}
"""The same network on the latents of 256 x 256 pixels."""

RIFFUSION_UNET: dict[str, Any] = {
    **_SD_BLOCKS,
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": 8,  # read by diffusers as the number of heads, here and below
    "cross_attention_dim": 768,  # CLIP ViT-L/14
}
"""859,520,964 parameters: Stable Diffusion 1."""

TANGO_UNET: dict[str, Any] = {
    **_SD_BLOCKS,
    "sample_size": (32, 2),  # of the innermost level, as published; the latents are 256 x 16
    "in_channels": 8,
    "out_channels": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": (5, 10, 20, 20),
    "cross_attention_dim": 1024,  # FLAN-T5-large
    "use_linear_projection": True,
    "upcast_attention": True,
}
"""865,933,768 parameters."""

# -------------------- AutoencoderKL

AUDIO_LATENT_DIFFUSION_VAE: dict[str, Any] = {
    **_vae_blocks(128, 256, 512, 512),
    "in_channels": 1,
    "out_channels": 1,
    "latent_channels": 1,
    "sample_size": 256,
}
"""83,607,691 parameters; 8 times smaller on each side. Training measures its own scaling_factor."""

RIFFUSION_VAE: dict[str, Any] = {
    **_vae_blocks(128, 256, 512, 512),
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
"""83,653,863 parameters; 8 times smaller on each side."""

TANGO_VAE: dict[str, Any] = {
    **_vae_blocks(128, 256, 512),
    "in_channels": 1,
    "out_channels": 1,
    "latent_channels": 8,
    "scaling_factor": 0.9227914214134216,
}
"""55,376,873 parameters; 4 times smaller on each side."""

# -------------------- SpeechT5HifiGanConfig

TANGO_VOCODER: dict[str, Any] = {
    "model_in_dim": 64,
    "sampling_rate": 16000,
    "upsample_initial_channel": 1024,
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "normalize_before": False,
}
"""55,264,897 parameters; 160 samples a frame."""

# -------------------- DDPMScheduler

AUDIO_DIFFUSION_NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "prediction_type": "epsilon",
    "clip_sample": True,  # pixels end at -1 and 1
}

AUDIO_LATENT_DIFFUSION_NOISE: dict[str, Any] = {**AUDIO_DIFFUSION_NOISE, "clip_sample": False}

RIFFUSION_NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "steps_offset": 1,
}

TANGO_NOISE: dict[str, Any] = {**RIFFUSION_NOISE, "prediction_type": "v_prediction"}
"""That of Stable Diffusion 2.1, which TANGO took from a repository since withdrawn."""

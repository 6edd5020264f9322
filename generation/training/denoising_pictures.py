"""Clean samples for a denoising network, kept on disk: 8-bit pictures, or what a frozen autoencoder makes of them.

The autoencoder runs once over the corpus and not at every step. What is kept is the mean and the deviation of its
posterior, so a sample is still drawn anew each time (Rombach et al., arXiv 2112.10752, section 3.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from generation.pipelines.text_to_sound import TextToSoundPipeline
from generation.training.corpus_pictures import Picturing, codec_parameters

PICTURES, MEAN, DEVIATION = "pictures", "mean", "deviation"
# Pictures of the published 512 x 512 take 5 GB of memory each eight.
_AT_ONCE = 8


def picturing_of(pipeline: TextToSoundPipeline, device: str) -> Picturing:
    """How sounds become samples of a pipeline: uint8 pictures, or fp16 mean and deviation of latents (unscaled)."""
    codec = pipeline.codec
    vae: AutoencoderKL | None = getattr(pipeline, "vae", None)
    parameters = codec_parameters(codec)
    if vae is None:
        return Picturing("pixels", codec.n_samples, parameters, lambda waves: {PICTURES: _grey(codec, waves)})
    autoencoder = vae.to(device).eval()  # type: ignore[arg-type]  # the decorator of diffusers hides what it takes

    def encode(waves: Tensor) -> dict[str, Tensor]:
        means, deviations = [], []
        for part in waves.split(_AT_ONCE):
            posterior = autoencoder.encode(codec.encode(part).to(device)).latent_dist
            means.append(posterior.mean.half())
            deviations.append(posterior.std.half())
        return {MEAN: torch.cat(means), DEVIATION: torch.cat(deviations)}

    known = {**parameters, "autoencoder": fingerprint(autoencoder)}
    # A name for each codec: of one name only the last few are kept on disk.
    return Picturing(f"latents-{type(codec).__name__}", codec.n_samples, known, encode)


def clean_samples(arrays: Mapping[str, Tensor], scaling_factor: float) -> Tensor:
    """Turn rows of the arrays into samples, float32 [batch, channels, rows, columns].

    Pictures come in [-1, 1]; latents are drawn from the posterior, by torch's global generator, and scaled to about
    unit variance.
    """
    if PICTURES in arrays:
        return arrays[PICTURES].float() / 127.5 - 1.0
    mean, deviation = arrays[MEAN].float(), arrays[DEVIATION].float()
    return (mean + deviation * torch.randn_like(mean)) * scaling_factor


def fingerprint(network: AutoencoderKL) -> str:
    """64 hex characters that change when a weight does."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _grey(codec: object, waves: Tensor) -> Tensor:
    pictures: Tensor = codec.encode(waves)  # type: ignore[attr-defined]  # every codec has it
    return ((pictures + 1.0) * 127.5).round().to(torch.uint8)

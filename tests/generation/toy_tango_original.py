"""TANGO's original files at toy width: AudioLDM's networks in their first layout, with drawn weights.

Written from the published layout (names and shapes of the state dicts) and the papers' formulas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from generation.convert import tango

WIDTH, MULTIPLIERS, LATENTS, BANDS = 32, (1, 2, 4), 4, 64
VOCODER_WIDTH = 64
RATES, KERNELS = (5, 4, 2, 2, 2), (16, 16, 8, 4, 4)
TEXT_WIDTH = 32

MAIN_CONFIG: dict[str, Any] = {
    "text_encoder_name": "google/flan-t5-large",
    "scheduler_name": "stabilityai/stable-diffusion-2-1",
    "unet_model_name": None,
    "unet_model_config_path": "configs/diffusion_model_config.json",
    "snr_gamma": 5.0,
}
STFT_CONFIG: dict[str, Any] = {
    "filter_length": 1024, "hop_length": 160, "win_length": 1024, "n_mel_channels": 64, "sampling_rate": 16000,
    "mel_fmin": 0, "mel_fmax": 8000,
}  # fmt: skip
VAE_LAYERS: dict[str, Any] = {
    "double_z": True, "z_channels": 8, "resolution": 256, "downsample_time": False, "in_channels": 1, "out_ch": 1,
    "ch": 128, "ch_mult": [1, 2, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
}  # fmt: skip
VAE_CONFIG: dict[str, Any] = {
    "image_key": "fbank", "subband": 1, "embed_dim": 8, "time_shuffle": 1, "ddconfig": VAE_LAYERS,
    "scale_factor": 0.9227914214134216,
}  # fmt: skip
"""The three files as published."""

UNET_CONFIG: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": LATENTS, "out_channels": LATENTS, "block_out_channels": [32, 64], "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": TEXT_WIDTH, "attention_head_dim": [2, 4], "use_linear_projection": True,
    "upcast_attention": True,
}  # fmt: skip


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(inside), nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2, self.conv2 = norm(outside), nn.Conv2d(outside, outside, 3, padding=1)
        if inside != outside:
            self.nin_shortcut = nn.Conv2d(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2) for part in (self.q, self.k, self.v))
        weights = torch.softmax(q.transpose(1, 2) @ k / q.shape[1] ** 0.5, dim=2)
        return x + self.proj_out((v @ weights.transpose(1, 2)).reshape(x.shape))


class Mid(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1, self.attn_1 = ResnetBlock(channels, channels), Attention(channels)
        self.block_2 = ResnetBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Blocks of one width, and a convolution that a change of size needs."""

    def __init__(self, inside: int, outside: int, blocks: int, resampler: str | None, stride: int = 1) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(outside if j else inside, outside) for j in range(blocks))
        self.attn = nn.ModuleList()
        if resampler:
            holder = nn.Module()
            holder.conv = nn.Conv2d(outside, outside, 3, stride=stride, padding=2 - stride)
            self.add_module(resampler, holder)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if hasattr(self, "downsample"):
            x = self.downsample.conv(F.pad(x, (0, 1, 0, 1)))
        if hasattr(self, "upsample"):
            x = self.upsample.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [WIDTH, *(WIDTH * factor for factor in MULTIPLIERS)]
        last = len(MULTIPLIERS) - 1
        self.conv_in = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.down = nn.ModuleList(
            Level(widths[i], widths[i + 1], 2, None if i == last else "downsample", stride=2) for i in range(last + 1)
        )
        self.mid, self.norm_out = Mid(widths[-1]), norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 2 * LATENTS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Level 0 is the last to be gone through, that of the pictures' size."""

    def __init__(self) -> None:
        super().__init__()
        widths = [*(WIDTH * factor for factor in MULTIPLIERS), WIDTH * MULTIPLIERS[-1]]
        self.conv_in = nn.Conv2d(LATENTS, widths[-1], 3, padding=1)
        self.mid = Mid(widths[-1])
        self.up = nn.ModuleList(
            Level(widths[i + 1], widths[i], 3, "upsample" if i else None) for i in range(len(MULTIPLIERS))
        )
        self.norm_out, self.conv_out = norm(WIDTH), nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class ResBlock(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel - 1) * d // 2) for d in (1, 3, 5)
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in self.convs1
        )

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, 0.1)), 0.1))
        return x


class HifiGan(nn.Module):
    """[batch, bands, frames] -> [batch, 1, samples]."""

    def __init__(self) -> None:
        super().__init__()
        widths = [VOCODER_WIDTH // 2**i for i in range(len(RATES) + 1)]
        self.conv_pre = nn.Conv1d(BANDS, VOCODER_WIDTH, 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[i], widths[i + 1], kernel, rate, padding=(kernel - rate) // 2)
            for i, (rate, kernel) in enumerate(zip(RATES, KERNELS, strict=True))
        )
        self.resblocks = nn.ModuleList(ResBlock(width, kernel) for width in widths[1:] for kernel in (3, 7, 11))
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pre(x)
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, 0.1))
            x = sum(block(x) for block in self.resblocks[3 * i : 3 * i + 3]) / 3
        return torch.tanh(self.conv_post(F.leaky_relu(x)))


class OriginalVae(nn.Module):
    """Autoencoder and vocoder in one state dict, as in pytorch_model_vae.bin."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.quant_conv = nn.Conv2d(2 * LATENTS, 2 * LATENTS, 1)
        self.post_quant_conv = nn.Conv2d(LATENTS, LATENTS, 1)
        self.vocoder = HifiGan()

    def moments(self, pictures: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(pictures))

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(latents))


class OriginalMain(nn.Module):
    """Denoising network and text encoder in one state dict, as in pytorch_model_main.bin."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel.from_config(UNET_CONFIG)
        self.text_encoder = T5EncoderModel(t5_config())


@dataclass
class Original:
    """The files, and the networks they came from."""

    folder: Path
    t5_folder: Path
    main: OriginalMain
    vae: OriginalVae


def t5_config() -> T5Config:
    """FLAN-T5's kind of T5: a gated feed-forward part, and an output apart from its table of words."""
    return T5Config(
        vocab_size=64, d_model=TEXT_WIDTH, d_kv=8, d_ff=64, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )  # fmt: skip


def toy_t5_tokenizer(more_words: int = 0) -> T5Tokenizer:
    words = ["a", "bass", "dark", "drum", "loop", "of", "on", "the", *(f"word{i}" for i in range(more_words))]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"\u2581{word}", -2.0) for word in words)]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0)


@contextmanager
def original_files(folder: Path) -> Iterator[Original]:
    """Everything that a conversion needs, in two folders of `folder`; while they are in use, a narrow vocoder.

    The original files do not say the vocoder's width, which is always that of AudioLDM's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tango.TANGO_VOCODER, "upsample_initial_channel", VOCODER_WIDTH)
        yield _write(folder)


def _write(folder: Path) -> Original:
    torch.manual_seed(0)
    main, vae = OriginalMain().eval(), OriginalVae().eval()
    with torch.no_grad():  # as drawn, every normalisation is alike, and a mix-up would not be heard
        for parameter in [*main.parameters(), *vae.parameters()]:
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    original = Original(folder / "original", folder / "flan-t5", main, vae)
    original.folder.mkdir()
    write_json(original.folder / "main_config.json", MAIN_CONFIG)
    write_json(original.folder / "stft_config.json", STFT_CONFIG)
    layers = {**VAE_LAYERS, "ch": WIDTH, "ch_mult": list(MULTIPLIERS), "z_channels": LATENTS}
    write_json(original.folder / "vae_config.json", {**VAE_CONFIG, "embed_dim": LATENTS, "ddconfig": layers})
    write_json(original.folder / "configs/diffusion_model_config.json", UNET_CONFIG)
    torch.save(main.state_dict(), original.folder / "pytorch_model_main.bin")
    torch.save(vae.state_dict(), original.folder / "pytorch_model_vae.bin")
    t5_config().save_pretrained(original.t5_folder)
    toy_t5_tokenizer().save_pretrained(original.t5_folder)
    return original


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))

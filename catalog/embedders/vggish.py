"""VGGish: the 128-d features behind the Frechet audio distance.

Hershey et al. 2017, "CNN architectures for large-scale audio classification" (arXiv 1609.09430); the distance is
Kilgour et al. 2019 (arXiv 1812.08466). Names of tensors and numbers of the front end are those of
harritaylor/torchvggish f3f9096, whose published weights load unchanged. As in the evaluation tools that use it, the
embedding is the last linear layer: without the final ReLU that torchvggish puts on it, without PCA, unquantised.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from catalog.embedders.kernels import exact_float32, keep_turned, parts_in_cache, turned_convolution
from catalog.embedders.published_weights import (
    SAFETENSORS,
    PublishedFile,
    keep_as_safetensors,
    load_into,
    read_published_weights,
)
from catalog.embedders.waveforms import SAMPLE_RATE_HZ, at_least, checked_waveforms, one_waveform

PUBLISHED = PublishedFile(
    name="vggish-10086976.pth",
    # The first eight digits are in the published name itself; the rest is as third parties report it.
    sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
    judge="vggish",
    address="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",  # its hubconf.py
    holds="18 tensors of 288.6 MB, such as embeddings.4.weight [128, 4096]",
)

WINDOW, HOP, FFT = 400, 160, 512
MEL_BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
EXAMPLE_FRAMES = 96
SHORTEST = WINDOW + (EXAMPLE_FRAMES - 1) * HOP
"""Samples that one example needs: 15600, 0.975 s."""
DIM = 128
GROUP = 32
"""Examples that go through the last layers together, always so many; see `at_least`."""
IN_CACHE = 4
"""Examples that a CPU convolves at once: maps of 6.3 MB at most, which stay in its cache."""


class VGGish(nn.Module):
    """The network under its original tensor names; weights are random until they are loaded.

    It judges and does not train: parameters need no gradient, and it stays in evaluation mode.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for widths in ((64,), (128,), (256, 256), (512, 512)):
            for width in widths:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * (EXAMPLE_FRAMES // 16) * (MEL_BANDS // 16), 4096), nn.ReLU(),
            nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, DIM),
        )  # fmt: skip
        self.id = "vggish@unloaded"
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                keep_turned(layer, torch.channels_last)
        self.requires_grad_(False).eval()

    def load_weights(self, file: str | Path, sha256: str | None = PUBLISHED.sha256) -> Self:
        """Load the published file or its safetensors form; a .pth is kept as safetensors beside itself.

        `sha256`: what the file must have, the published file's own unless given (as third parties report it); None
        takes any. Afterwards `id` is `vggish@` and the start of the published file's hash. Raises EmbedderError, one
        line, for a file that is missing, has another hash, wants to run code or belongs to another network.
        """
        path = Path(file)
        weights = read_published_weights(path, PUBLISHED, sha256)
        load_into(self, weights, path, PUBLISHED)
        if path.suffix != SAFETENSORS:
            keep_as_safetensors(path, weights)
        self.id = f"vggish@{weights.origin_sha256[:12]}"
        return self

    def forward(self, examples: torch.Tensor) -> torch.Tensor:
        """Log-mel examples float32 [n, 96, 64], or [n, 1, 96, 64] as published -> embeddings [n, 128], any reals."""
        # Bands above time: the longer axis in rows, which convolutions run along. See `kernels`.
        pictures = (examples.unsqueeze(1) if examples.dim() == 3 else examples).transpose(2, 3)
        x = torch.cat([self._maps(part) for part in parts_in_cache(pictures, IN_CACHE)])
        # The weights were made where channels come last, so that is how a map [512, 6, 4] is laid out.
        return self.embeddings(x.permute(0, 3, 2, 1).flatten(1))

    def _maps(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 1, 64, 96] -> maps [n, 512, 4, 6]."""
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.features:
            x = turned_convolution(layer, x) if isinstance(layer, nn.Conv2d) else layer(x)
        return x

    def embed(self, waveform_16k: np.ndarray) -> np.ndarray:
        """Embed one mono waveform, floats [samples] at 16 kHz in [-1, 1], at least 15600 samples long.

        Returns float32 [frames, 128], one row for each whole 0.96 s from the start (`log_mel_examples` says where
        they end), unbounded. Raises EmbedderError when it is too short, non-finite or otherwise unfit.
        """
        return self.embed_batch(one_waveform(waveform_16k))[0]

    @torch.inference_mode()
    def embed_batch(self, waveforms_16k: np.ndarray) -> np.ndarray:
        """Embed n waveforms of one length, floats [n, samples]; see `embed`. Returns float32 [n, frames, 128].

        Only equal lengths make a batch: padding would change the result. A row is what `embed` gives, to 5e-7 of its
        peak.
        """
        waves = checked_waveforms(waveforms_16k, SHORTEST, "VGGish")
        heard = np.lib.stride_tricks.sliding_window_view(waves, SHORTEST, axis=1)[:, :: EXAMPLE_FRAMES * HOP]
        frames = heard.shape[1]
        out = [np.zeros((0, DIM), np.float32)]
        device = next(self.parameters()).device
        with exact_float32():
            for start in range(0, len(waves) * frames, GROUP):
                places = np.arange(start, min(start + GROUP, len(waves) * frames))
                part = log_mel_examples(heard[places // frames, places % frames])[:, 0]
                out.append(self(torch.from_numpy(at_least(part, GROUP)).to(device))[: len(part)].cpu().numpy())
        return np.concatenate(out).reshape(len(waves), frames, DIM)


def log_mel_examples(waveforms_16k: np.ndarray) -> np.ndarray:
    """What VGGish sees of waveforms, floats [n, samples] at 16 kHz: float32 [n, frames, 96, 64], natural log.

    Magnitudes (not powers) of a 512-point transform of 25 ms under a periodic Hann window, every 10 ms, neither
    centred nor padded; 64 triangles on the mel scale, plus 0.01, natural logarithm; computed in float64. 96 columns
    make an example; what is left at the end is dropped: 1 s gives 1 example, 2 s give 2, 4 s give 4. Raises
    EmbedderError for less than one example.
    """
    waves = checked_waveforms(waveforms_16k, SHORTEST, "VGGish").astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    columns = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(waves, WINDOW, axis=1)[:, ::HOP] * window)
    # torch, since threads of numpy's libraries wait busily for more, and would be in the way of the network's.
    mel = torch.fft.rfft(columns, FFT).abs() @ torch.from_numpy(mel_triangles())
    count = mel.shape[1] // EXAMPLE_FRAMES
    examples = torch.log(mel[:, : count * EXAMPLE_FRAMES] + LOG_OFFSET)
    return examples.reshape(len(waves), count, EXAMPLE_FRAMES, MEL_BANDS).float().numpy()


@lru_cache(maxsize=1)
def mel_triangles() -> np.ndarray:
    """Triangles of height 1 that are linear in mel (not in Hz), float64 [257, 64]; they hear nothing of DC."""
    bins = _mel(np.linspace(0, SAMPLE_RATE_HZ / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), MEL_BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    triangles[0] = 0.0
    return triangles


def _mel(hz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)

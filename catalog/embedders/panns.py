"""Cnn14 of PANNs at 16 kHz: the 2048-d features behind FD and the 527 logits behind KL and the inception score.

Kong et al. 2020, "PANNs: large-scale pretrained audio neural networks" (arXiv 1912.10211). Names of tensors and
numbers of the front end are those of qiuqiangkong/audioset_tagging_cnn d2f4b8c (`Cnn14_16k`), whose published
weights load unchanged. Departures: the spectrum comes from an FFT, ten times faster than the published convolution
with a Fourier matrix and within 1.3e-4 dB of it (0.05 dB in bins at the floor of -100 dB); dropout and SpecAugment,
which only training uses, are absent.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from catalog.embedders.kernels import exact_float32, keep_turned, parts_in_cache, turned_convolution
from catalog.embedders.published_weights import (
    SAFETENSORS,
    PublishedFile,
    PublishedWeights,
    keep_as_safetensors,
    load_into,
    read_published_weights,
)
from catalog.embedders.waveforms import SAMPLE_RATE_HZ, at_least, checked_waveforms, one_waveform
from catalog.errors import EmbedderError

logger = logging.getLogger(__name__)

PUBLISHED = PublishedFile(
    name="Cnn14_16k_mAP=0.438.pth",
    # As third parties report it; several repositories agree.
    sha256="e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
    judge="cnn14",
    # The record of PANNs' authors, from which audioldm_eval fetches this file too.
    address="https://zenodo.org/record/3987831/files/Cnn14_16k_mAP%3D0.438.pth",
    holds="84 tensors of 324.2 MB under 'model', such as fc_audioset.weight [527, 2048]",
    wrapped_in="model",
    numpy_arrays=True,
)

WINDOW, HOP = 512, 160
MEL_BANDS = 64
LOW_HZ, HIGH_HZ = 50, 8000
FLOOR = 1e-10
"""Least mel power: silence is -100 dB."""
WIDTHS = (64, 128, 256, 512, 1024, 2048)
SHORTEST = (2 ** (len(WIDTHS) - 1) - 1) * HOP
"""Samples that give the 32 columns which five halvings need: 4960, 0.31 s."""
DIM, CLASSES = 2048, 527
BATCH = 32  # clips; the last blocks have 57 million weights and read them once a batch
BATCH_SAMPLES = BATCH * 4 * SAMPLE_RATE_HZ
"""Samples that go through the network together at most, but for a single clip: longer clips go in smaller batches."""
FEWEST = 2
"""Clips that go through the network together at least; see `at_least`."""
EARLY = 4
"""Blocks of large maps and few weights, up to 6.6 MB a clip, which a CPU computes IN_CACHE clips at a time."""
IN_CACHE = 4
# Two float32 computations of the same matrix agree far better, another window or mel scale far worse.
_SAME_MATRIX = 1e-5
_REAL, _IMAGINARY = "spectrogram_extractor.stft.conv_real.weight", "spectrogram_extractor.stft.conv_imag.weight"
_MEL = "logmel_extractor.melW"


class Cnn14(nn.Module):
    """The network under its original tensor names; weights are random until they are loaded.

    It judges and does not train: parameters need no gradient, and `embed` puts it in evaluation mode. The published
    file carries the matrices of the front end as well. Its mel matrix is the one that is used; its Fourier matrices
    are only compared with the transform in use.
    """

    def __init__(self) -> None:
        super().__init__()
        fourier = nn.ModuleDict(
            {name: nn.Conv1d(1, WINDOW // 2 + 1, WINDOW, HOP, bias=False) for name in ("conv_real", "conv_imag")}
        )
        self.spectrogram_extractor = nn.ModuleDict({"stft": fourier})
        self.logmel_extractor = nn.ParameterDict({"melW": nn.Parameter(mel_matrix())})
        self.bn0 = nn.BatchNorm2d(MEL_BANDS)
        for number, (inputs, width) in enumerate(zip((1, *WIDTHS[:-1]), WIDTHS, strict=True), start=1):
            # The maps of the last block are too small to be fast where channels come last.
            self.add_module(f"conv_block{number}", _Block(inputs, width, channels_last=number < len(WIDTHS)))
        self.fc1 = nn.Linear(WIDTHS[-1], DIM)
        self.fc_audioset = nn.Linear(DIM, CLASSES)
        self.id = "cnn14_16k@unloaded"
        self.requires_grad_(False).eval()
        real, imaginary = fourier_matrices()
        self.get_parameter(_REAL).copy_(real)
        self.get_parameter(_IMAGINARY).copy_(imaginary)

    def load_weights(self, file: str | Path, sha256: str | None = PUBLISHED.sha256) -> Self:
        """Load the published file or its safetensors form; a .pth is kept as safetensors beside itself.

        `sha256`: what the file must have, the published file's own unless given (as third parties report it); None
        takes any. Afterwards `id` is `cnn14_16k@` and the start of the published file's hash. A file whose mel matrix
        is not the one of 50 to 8000 Hz is used with a warning. Raises EmbedderError, one line, for a file that is
        missing, has another hash, wants to run code, belongs to another network or to another window.
        """
        path = Path(file)
        weights = read_published_weights(path, PUBLISHED, sha256)
        _check_front_end(path, weights)
        load_into(self, weights, path, PUBLISHED)
        if path.suffix != SAFETENSORS:
            keep_as_safetensors(path, weights)
        self.id = f"cnn14_16k@{weights.origin_sha256[:12]}"
        return self

    def log_mel(self, waves: torch.Tensor) -> torch.Tensor:
        """What the network sees of float32 waves [n, samples]: float32 [n, 1 + samples // 160, 64] in dB.

        Power of a 512-point transform every 10 ms, Hann window, centred with reflected edges; Slaney mel bands with
        area normalisation; 10 log10 of at least 1e-10, reference 1, with no limit on the range.
        """
        window = torch.hann_window(WINDOW, periodic=True, device=waves.device)
        spectrum = torch.stft(waves, WINDOW, HOP, WINDOW, window, center=True, pad_mode="reflect", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = power.transpose(1, 2) @ self.get_parameter(_MEL)
        return 10 * torch.log10(torch.clamp(mel, min=FLOOR))

    def forward(self, waves: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 waves [n, samples] at 16 kHz -> (embedding [n, 2048], at least 0; logits [n, 527])."""
        # Frequency above time: the longer axis in rows, which convolutions run along. See `kernels`.
        x = self.bn0(self.log_mel(waves).transpose(1, 2).unsqueeze(3)).permute(0, 3, 1, 2)
        x = torch.cat([self._blocks(part, range(1, EARLY + 1)) for part in parts_in_cache(x, IN_CACHE)])
        x = self._blocks(x, range(EARLY + 1, len(WIDTHS) + 1)).transpose(2, 3)
        x = x.mean(dim=3)
        embedding = torch.relu(_exactly(self.fc1, x.amax(dim=2) + x.mean(dim=2)))
        return embedding.float(), _exactly(self.fc_audioset, embedding).float()

    def _blocks(self, x: torch.Tensor, numbers: range) -> torch.Tensor:
        for number in numbers:
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < len(WIDTHS):
                x = nn.functional.avg_pool2d(x, 2)
        return x

    def embed(self, waveform_16k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed one mono waveform, floats [samples] at 16 kHz in [-1, 1], at least 4960 samples (0.31 s) long.

        Returns (embedding float32 [2048] after its ReLU, so at least 0; logits float32 [527] before any sigmoid, in
        AudioSet's order). Nothing is padded: `prepare_as_vendored_tango` is what published FD and KL were made with.
        Raises EmbedderError when the waveform is too short, non-finite or otherwise unfit.
        """
        embedding, logits = self.embed_batch(one_waveform(waveform_16k))
        return embedding[0], logits[0]

    @torch.inference_mode()
    def embed_batch(self, waveforms_16k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed n waveforms of one length, floats [n, samples]; see `embed`.

        Returns (float32 [n, 2048], float32 [n, 527]). Only equal lengths make a batch: padding would change the result.
        A row is what `embed` gives, to 5e-7 of its peak.
        """
        waves = checked_waveforms(waveforms_16k, SHORTEST, "Cnn14").astype(np.float32)
        device = self.fc1.weight.device
        self.eval()
        embeddings, logits = [np.zeros((0, DIM), np.float32)], [np.zeros((0, CLASSES), np.float32)]
        with exact_float32():
            size = max(1, min(BATCH, BATCH_SAMPLES // waves.shape[1]))
            for start in range(0, len(waves), size):
                part = waves[start : start + size]
                embedding, logit = self(torch.from_numpy(at_least(part, FEWEST)).to(device))
                embeddings.append(embedding[: len(part)].cpu().numpy())
                logits.append(logit[: len(part)].cpu().numpy())
        return np.concatenate(embeddings), np.concatenate(logits)


class _Block(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU, of maps [n, inputs, frequency, time]."""

    def __init__(self, inputs: int, width: int, channels_last: bool) -> None:
        super().__init__()
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)
        keep_turned(self.conv1, self._format)
        keep_turned(self.conv2, self._format)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu_(self.bn1(turned_convolution(self.conv1, x.contiguous(memory_format=self._format))))
        return torch.relu_(self.bn2(turned_convolution(self.conv2, x)))


def _exactly(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """Apply a layer in float64: in float32 the order of sums, and so the result, would follow the batch size."""
    return nn.functional.linear(x.double(), layer.weight.double(), layer.bias.double())


def mel_matrix() -> torch.Tensor:
    """Slaney mel filters with area normalisation, float32 [257, 64], as librosa makes them by default."""
    from librosa.filters import mel

    return torch.from_numpy(mel(sr=SAMPLE_RATE_HZ, n_fft=WINDOW, n_mels=MEL_BANDS, fmin=LOW_HZ, fmax=HIGH_HZ).T.copy())


def fourier_matrices() -> tuple[torch.Tensor, torch.Tensor]:
    """Real and imaginary part of windowed Fourier rows, float32 [257, 1, 512], as the published file holds them."""
    time = np.arange(WINDOW)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / WINDOW)
    rows = np.exp(-2j * np.pi / WINDOW * np.outer(np.arange(WINDOW // 2 + 1), time)) * window
    return torch.from_numpy(rows.real[:, None]).float(), torch.from_numpy(rows.imag[:, None]).float()


def _check_front_end(path: Path, weights: PublishedWeights) -> None:
    """Refuse weights made for another transform; warn of another mel matrix, which is used as it comes."""
    ours = dict(zip((_REAL, _IMAGINARY, _MEL), (*fourier_matrices(), mel_matrix()), strict=True))
    for name, matrix in ours.items():
        came = weights.tensors.get(name)
        if came is None or came.shape != matrix.shape:
            return  # weights of another network, which loading names
        difference = float((came.float() - matrix).abs().max())
        if difference <= _SAME_MATRIX:
            continue
        if name != _MEL:
            raise EmbedderError(
                f"{path}: {name} differs by {difference:.2g} from a Hann window of {WINDOW}; use {PUBLISHED.name}"
            )
        logger.warning(
            "%s: its mel matrix differs by %.2g from that of %d to %d Hz; it is used, and scores are not comparable",
            path, difference, LOW_HZ, HIGH_HZ,
        )  # fmt: skip

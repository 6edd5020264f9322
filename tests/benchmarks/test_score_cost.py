"""What scores cost, against the way of the published tools: file by file, one clip a call, matrix roots by scipy.

Each test runs both ways in one process, in turns, and prints the ratio; networks have seeded weights of full size. Run
by hand, with as many threads as there are cores:
OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 MKL_NUM_THREADS=2 pytest -m benchmark -s tests/benchmarks/test_score_cost.py
NIGHTCRATE_BENCH_CLIPS says how many clips the extractors hear (300).
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.linalg import sqrtm

from catalog.embedders import Cnn14, VGGish
from catalog.embedders.frontend import clap_extractor_settings, listening_wave
from catalog.embedders.judge import Judge
from catalog.embedders.vggish import EXAMPLE_FRAMES, FFT, HOP, LOG_OFFSET, WINDOW, mel_triangles
from catalog.library import Library
from catalog.records import ResultRecord
from catalog.scores.frechet import frechet_distance
from generation.audio import Clip, read_clip
from tests.catalog.seeded_networks import seed_weights
from tests.catalog.toy_library import accepted, make, toy_job

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

CLIPS = int(os.environ.get("NIGHTCRATE_BENCH_CLIPS", "300"))
AT_ONCE = 32
LEAST_EXTRACTOR, LEAST_DISTANCE = 3.5, 10.0
RATE_HZ, LENGTH_S = 16_000, 4


@pytest.fixture(autouse=True)
def threads(one_thread: None) -> int:
    count = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(count)
    return count


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Decaying tones with noise, 4 s each, as PCM files."""
    folder = tmp_path_factory.mktemp("clips")
    rng, t = np.random.default_rng(0), np.arange(LENGTH_S * RATE_HZ) / RATE_HZ
    paths = []
    for number in range(CLIPS):
        tone = np.sin(2 * np.pi * 55 * 2 ** rng.uniform(0, 5) * t) * np.exp(-rng.uniform(0.3, 3) * t)
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], 0.5 * tone + 0.02 * rng.standard_normal(len(t)), RATE_HZ, subtype="PCM_16")
    return paths


def waves(files: list[Path]) -> np.ndarray:
    return np.stack([read_clip(path).samples[0] for path in files])


def compare(
    name: str, threads: int, files: list[Path], theirs: Callable[[Path], np.ndarray],
    ours: Callable[[list[Path]], np.ndarray], tolerance: float,
) -> None:  # fmt: skip
    """Both ways over all files, in alternating runs of a batch, so that a busy machine slows both."""
    theirs(files[0]), ours(files[:AT_ONCE])  # what is prepared once is not timed
    spent, found = {"theirs": 0.0, "ours": 0.0}, {"theirs": [], "ours": []}
    for start in range(0, len(files), AT_ONCE):
        part = files[start : start + AT_ONCE]
        began = time.perf_counter()
        found["theirs"] += [theirs(path) for path in part]
        between = time.perf_counter()
        found["ours"].append(ours(part))
        spent["theirs"] += between - began
        spent["ours"] += time.perf_counter() - between
    reference, made = np.stack(found["theirs"]), np.concatenate(found["ours"])
    difference = np.abs(made - reference).max() / np.abs(reference).max()
    ratio = spent["theirs"] / spent["ours"]
    each = {way: 1000 * seconds / len(files) for way, seconds in spent.items()}
    print(
        f"\n{name}: {ratio:.2f} times as fast on {len(files)} clips of {LENGTH_S} s, {threads} thread(s): "
        f"{each['theirs']:.1f} ms a clip one by one, {each['ours']:.1f} ms here; they differ by "
        f"{difference:.1e} of the peak"
    )
    assert difference < tolerance
    assert ratio >= LEAST_EXTRACTOR


def test_vggish(files: list[Path], threads: int) -> None:
    net = VGGish()
    seed_weights(net)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    triangles = mel_triangles()

    published = copy.deepcopy(net.features).requires_grad_(True)
    for layer in published:
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous()

    def theirs(path: Path) -> np.ndarray:
        """torchvggish in the evaluation tools: spectra by numpy, autograd left on, the four examples of one file."""
        frames = np.lib.stride_tricks.sliding_window_view(read_clip(path).samples[0].astype(np.float64), WINDOW)[::HOP]
        mel = np.abs(np.fft.rfft(frames * window, FFT)) @ triangles
        count = len(mel) // EXAMPLE_FRAMES
        log_mel = np.log(mel[: count * EXAMPLE_FRAMES] + LOG_OFFSET).reshape(count, EXAMPLE_FRAMES, -1)
        examples = torch.from_numpy(log_mel.astype(np.float32))
        return net.embeddings(published(examples[:, None]).permute(0, 2, 3, 1).flatten(1)).detach().numpy()

    compare("VGGish", threads, files, theirs, lambda part: net.embed_batch(waves(part)), 1e-5)


def test_cnn14(files: list[Path], threads: int) -> None:
    net = Cnn14()
    seed_weights(net)
    fourier, mel_matrix = net.spectrogram_extractor["stft"], net.get_parameter("logmel_extractor.melW")
    published = [copy.deepcopy(net.get_submodule(f"conv_block{number}")) for number in range(1, 7)]
    for layer in (layer for block in published for layer in (block.conv1, block.conv2)):
        layer.weight.data = layer.weight.data.contiguous()

    @torch.no_grad()
    def theirs(path: Path) -> np.ndarray:
        """The spectrum as torchlibrosa makes it, a convolution with Fourier matrices; the layers in their own order."""
        wave = torch.from_numpy(read_clip(path).samples)
        padded = torch.nn.functional.pad(wave[:, None], (256, 256), mode="reflect")
        power = fourier["conv_real"](padded) ** 2 + fourier["conv_imag"](padded) ** 2
        x = 10 * torch.log10(torch.clamp(power.transpose(1, 2) @ mel_matrix, min=1e-10))[:, None]
        x = net.bn0(x.transpose(1, 3)).transpose(1, 3)
        for number, block in enumerate(published, start=1):
            x = torch.relu_(block.bn1(block.conv1(x)))
            x = torch.relu_(block.bn2(block.conv2(x)))
            x = torch.nn.functional.avg_pool2d(x, 2) if number < len(published) else x
        x = x.mean(dim=3)
        embedding = torch.relu_(net.fc1(x.amax(dim=2) + x.mean(dim=2)))
        net.fc_audioset(embedding)
        return embedding[0].numpy()

    compare("Cnn14", threads, files, theirs, lambda part: net.embed_batch(waves(part))[0], 1e-4)


def test_the_starter_judge(files: list[Path], threads: int) -> None:
    from transformers import ClapFeatureExtractor

    judge, extractor = Judge(), ClapFeatureExtractor(**clap_extractor_settings())
    net = judge._net

    @torch.no_grad()
    def theirs(path: Path) -> np.ndarray:
        """The feature extractor of the library that it follows, then the network, a file at a time."""
        wave = listening_wave(read_clip(path))
        picture = extractor(wave, sampling_rate=RATE_HZ, return_tensors="pt")["input_features"]
        return net(picture[0].float())[1][0].numpy()

    compare("starter judge", threads, files, theirs, lambda p: judge.posteriors([read_clip(f) for f in p])[1], 1e-3)


@pytest.mark.parametrize("n", [886, 4096])
def test_frechet_distance(n: int, threads: int) -> None:
    """2048 dimensions after a ReLU, as Cnn14 gives them; the recipe of data/metric_examples.json."""
    mixing = np.random.default_rng(2).standard_normal((2048, 2048)) / np.sqrt(2048)
    x = np.maximum(np.random.default_rng(0).standard_normal((n, 2048)) @ mixing * 1.1 + 0.1, 0)
    y = np.maximum(np.random.default_rng(1).standard_normal((n, 2048)) @ mixing, 0)

    def theirs() -> float:
        s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            root, _ = sqrtm(s1 @ s2, disp=False)  # with an estimate of its error, as all of them call it
        return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)

    frechet_distance(x[:100], y[:100])
    best, values = {}, {}
    for way, figure in (("theirs", theirs), ("ours", lambda: frechet_distance(x, y))):
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            values[way] = figure()
            seconds.append(time.perf_counter() - began)
        best[way] = min(seconds)
    ratio = best["theirs"] / best["ours"]
    print(
        f"\nFrechet distance, n = {n}, 2048-d: {ratio:.1f} times as fast, {threads} thread(s): "
        f"{best['theirs']:.2f} s by sqrtm, {best['ours']:.2f} s here; {values['theirs']:.6f} and {values['ours']:.6f}"
    )
    assert values["ours"] == pytest.approx(values["theirs"], rel=1e-5)
    assert ratio >= LEAST_DISTANCE


LEAGUE = """
import re, sys
from catalog.embedders.judge import Judge
from catalog.library import Library
from catalog.scores.league import league
from catalog.scores.reference import STARTER_REFERENCE, Reference
with Library.open(sys.argv[1], read_only=True) as library:
    records = league(library, Judge(), Reference.load(STARTER_REFERENCE))
    # Not ru_maxrss, which begins with what the parent held when it started this process.
    print(records[1].n, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def test_memory_is_flat_in_the_number_of_clips(tmp_path: Path) -> None:
    peaks = {}
    for clips in (100, 400):
        with Library.open(tmp_path / str(clips), create=True) as library:
            for start in range(0, clips, 50):
                make(library, [toy_job(seed) for seed in range(start, start + 50)], noisy)
        line = [sys.executable, "-c", LEAGUE, str(tmp_path / str(clips))]
        # Large blocks go back to the system at once: what the allocator keeps in reserve hides what is held.
        exact = os.environ | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
        told = subprocess.run(line, capture_output=True, text=True, check=True, env=exact).stdout.split()
        assert int(told[0]) == clips
        peaks[clips] = int(told[1]) / 1024
    print(f"\nleague: at most {peaks[100]:.0f} MiB for 100 clips of {LENGTH_S} s, {peaks[400]:.0f} MiB for 400")
    assert peaks[400] < peaks[100] + 20


def noisy(key: str) -> ResultRecord:
    """An accepted sound of 4 s."""
    noise = np.random.default_rng(int(key[:8], 16)).uniform(-0.5, 0.5, (1, LENGTH_S * RATE_HZ))
    return replace(accepted(key), clip=Clip(noise.astype(np.float32), RATE_HZ), raw=None)

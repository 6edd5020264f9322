"""What the tests of the mel codecs share: notes, generated and recorded, and how near a picture comes back."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import Tensor

from generation.audio import read_clip, resample
from generation.codecs.phase import seeded_phase

RATE_HZ = 16_000


class CodecPipeline(DiffusionPipeline):
    """A pipeline of a codec alone."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.register_modules(codec=codec)


def note(midi_note: float, seconds: float = 4.0, decay: float = 3.0) -> np.ndarray:
    """A decaying harmonic tone, float32 [n], with an attack of 5 ms."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hz = 440.0 * 2 ** ((midi_note - 69) / 12)
    wave = sum(np.sin(2 * np.pi * hz * k * time_s + k) / k for k in range(1, 20) if k * hz < 7200)
    return (0.3 * wave * np.exp(-decay * time_s) * np.clip(time_s / 0.005, 0, 1)).astype(np.float32)


def notes(*midi_notes: float, seconds: float = 4.0) -> Tensor:
    return torch.from_numpy(np.stack([note(m, seconds) for m in midi_notes]))


def recorded_notes(folder: Path, count: int, seconds: float = 4.0) -> Tensor:
    """Real recordings on whose pitch the label and a meter agree, MIDI 33 to 90: float32 [count, n] at 16 kHz."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            row["file"]
            for row in csv.DictReader(file)
            if not row["rendered"] and row["pitch_agrees"] == "1" and 33 <= int(row["midi_pitch"]) <= 90
        ]
    # By hash: spread over the families, and the same on every machine.
    rows.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    length = round(seconds * RATE_HZ)
    waves = [resample(read_clip(folder / name), RATE_HZ).mono()[:length] for name in rows[:count]]
    return torch.from_numpy(np.stack([np.pad(wave, (0, length - len(wave))) for wave in waves]))


def start(codec: Any, seeds: Sequence[int]) -> Tensor:
    return seeded_phase([torch.Generator().manual_seed(seed) for seed in seeds], *codec.phase_shape)


def spectral_convergence(codec: Any, waves: Tensor) -> list[float]:
    """Wave -> picture -> wave -> picture: distance of the two pictures' amplitudes over the length of the first.

    The second picture may differ by a factor, since most codecs do not keep the level. Sound by sound, to
    spare memory.
    """
    misfits = []
    for seed, wave in enumerate(waves):
        picture = codec.encode(wave[None])
        before = codec.mel_amplitudes(picture)
        after = codec.mel_amplitudes(codec.encode(codec.decode(picture, start(codec, [seed]))))
        gain = (before * after).sum() / after.square().sum()
        misfits.append(float((before - gain * after).norm() / before.norm()))
    return misfits


def check_independence_of_the_batch(codec: Any, waves: Tensor) -> None:
    """The second sound of a batch equals the same sound alone, picture and wave."""
    seeds = list(range(5, 5 + len(waves)))
    pictures = codec.encode(waves)
    alone = codec.encode(waves[1:2])
    assert torch.equal(pictures[1:2], alone)
    together = codec.decode(pictures, start(codec, seeds), iterations=16)
    assert (together[1] - codec.decode(alone, start(codec, seeds[1:2]), iterations=16)[0]).abs().max() < 1e-5
    assert torch.equal(together, codec.decode(pictures, start(codec, seeds), iterations=16))


def check_nan_stays_in_its_sound(codec: Any, waves: Tensor) -> None:
    """A network's picture with NaN gives a NaN wave, which the gate rejects, and spoils no other."""
    pictures = codec.encode(waves[:2])
    clean = codec.decode(pictures, start(codec, [1, 2]), iterations=2)
    pictures[0, :, 3, 3] = float("nan")
    spoilt = codec.decode(pictures, start(codec, [1, 2]), iterations=2)
    assert bool(spoilt[0].isnan().any())
    assert (spoilt[1] - clean[1]).abs().max() < 1e-6


def check_saves_and_loads(make: Callable[[], Any], folder: Path, waves: Tensor) -> None:
    """Inside a pipeline folder; module path and class name are the checkpoint format."""
    codec = make()
    CodecPipeline(codec).save_pretrained(folder)
    index = CodecPipeline.load_config(folder)
    assert index["codec"] == [type(codec).__module__, type(codec).__name__]
    loaded = CodecPipeline.from_pretrained(folder).codec
    assert type(loaded) is type(codec)
    settings = {key: value for key, value in codec.config.items() if not key.startswith("_")}
    assert settings.items() <= dict(loaded.config).items()
    assert torch.equal(loaded.encode(waves), codec.encode(waves))


BAD_SOUNDS = [
    (torch.zeros(1, 0), "shape"),
    (torch.zeros(5), "shape"),
    (torch.full((1, 9), float("nan")), "NaN"),
    (torch.full((1, 9), float("inf")), "infinity"),
]

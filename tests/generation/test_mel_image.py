"""Audio Diffusion's codec: the grey levels of librosa, a floor that is silence, and how near a sound comes back."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.codecs.mel_image import MelImageCodec
from generation.errors import AudioError, ConfigError
from tests.generation.codec_checks import (
    BAD_SOUNDS,
    check_independence_of_the_batch,
    check_nan_stays_in_its_sound,
    check_saves_and_loads,
    note,
    notes,
    recorded_notes,
    spectral_convergence,
    start,
)

SMALL = {"n_mels": 64, "n_frames": 64, "hop_length": 1024}
LARGE = {"n_mels": 256, "n_frames": 256, "hop_length": 256}
BEYOND = {"n_mels": 128, "n_frames": 128, "hop_length": 512}
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE, BEYOND], ids=["64", "256", "128"])


def grey_levels(pictures: torch.Tensor) -> np.ndarray:
    return np.asarray((pictures.double() + 1) * 127.5)


@SIZES
@pytest.mark.parametrize("wave", [note(33), note(60, decay=8.0), np.float32(0.02) * note(84)])
def test_forward_equals_librosa(size: dict[str, int], wave: np.ndarray) -> None:
    codec = MelImageCodec(**size)
    padded = np.pad(wave, (0, codec.n_samples - len(wave))).astype(np.float64)
    power = librosa.feature.melspectrogram(
        y=padded, sr=16000, n_fft=2048, hop_length=size["hop_length"], n_mels=size["n_mels"]
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80)
    ours = codec.decibels(torch.from_numpy(wave)[None])[0].numpy()
    assert np.abs(ours - decibels).max() < 1e-3
    grey = ((decibels + 80) * 255 / 80 + 0.5).astype(np.uint8)
    difference = np.abs(grey_levels(codec.encode(torch.from_numpy(wave)[None]))[0, 0] - grey)
    assert difference.max() < 1.01
    assert (difference > 0.01).mean() < 0.001


@SIZES
def test_four_seconds_fill_the_picture(size: dict[str, int]) -> None:
    codec = MelImageCodec(**size)
    pictures = codec.encode(notes(60, 72))
    assert pictures.shape == (2, 1, size["n_mels"], size["n_frames"])
    assert pictures.dtype == torch.float32
    assert pictures.max() == 1.0
    assert pictures.min() == -1.0
    waves = codec.decode(pictures, start(codec, [0, 1]), iterations=1)
    assert waves.shape == (2, codec.n_decoded_samples)
    assert codec.duration_s >= 4.0


@settings(max_examples=15, deadline=None)
@given(
    n_samples=st.integers(1, 70000),
    n_mels=st.integers(8, 80),
    n_frames=st.integers(2, 40),
    hop_length=st.integers(64, 1024),
)
def test_any_length_and_size_gives_its_picture_and_a_finite_wave(
    n_samples: int, n_mels: int, n_frames: int, hop_length: int
) -> None:
    codec = MelImageCodec(n_mels=n_mels, n_frames=n_frames, hop_length=hop_length)
    pictures = codec.encode(torch.rand(1, n_samples, generator=torch.Generator().manual_seed(n_samples)) - 0.5)
    assert pictures.shape == (1, 1, n_mels, n_frames)
    wave = codec.decode(pictures, start(codec, [0]), iterations=2)
    assert wave.shape == (1, codec.n_decoded_samples)
    assert float(wave.abs().max()) == pytest.approx(0.5)


def test_row_0_is_the_lowest_band() -> None:
    low, high = (MelImageCodec().encode(notes(m))[0, 0].mean(dim=1).argmax() for m in (36, 96))
    assert low < 8 < high


def test_level_is_lost_and_the_decoded_peak_is_one_half() -> None:
    codec = MelImageCodec()
    loud, quiet = codec.encode(notes(60)), codec.encode(0.01 * notes(60))
    assert ((loud - quiet).abs() > 0.5 / 255).float().mean() < 0.001
    assert codec.decode(quiet, start(codec, [0])).abs().max() == pytest.approx(0.5)


def test_floor_is_exact_silence() -> None:
    wave = notes(57)
    wave[:, 20000:] = 0.0
    codec = MelImageCodec(**BEYOND)
    back = codec.decode(codec.encode(wave), start(codec, [0]))[0]
    assert back[:15000].abs().max() > 0.1
    assert back[24000:].abs().max() == 0.0


def test_a_margin_silences_what_a_network_leaves_near_the_floor() -> None:
    hum = torch.full((1, 1, 64, 64), 3 * 2 / 255 - 1)
    assert MelImageCodec().mel_amplitudes(hum).min() > 0
    assert MelImageCodec(silence_margin_db=1.0).mel_amplitudes(hum).max() == 0


def test_digital_silence_is_the_floor_and_comes_back_as_silence() -> None:
    codec = MelImageCodec()
    pictures = codec.encode(torch.zeros(1, 64000))
    assert torch.equal(pictures, torch.full((1, 1, 64, 64), -1.0))
    assert torch.equal(codec.decode(pictures, start(codec, [0])), torch.zeros(1, codec.n_decoded_samples))


@SIZES
def test_a_note_comes_back(size: dict[str, int]) -> None:
    assert max(spectral_convergence(MelImageCodec(**size), notes(45, 69))) < 0.15


@pytest.mark.slow
@pytest.mark.timeout(600)
@SIZES
def test_recordings_come_back(size: dict[str, int], oneshots: Path) -> None:
    misfits = spectral_convergence(MelImageCodec(**size), recorded_notes(oneshots, 16))
    print(f"\n{size}: spectral convergence median {np.median(misfits):.3f}, largest {max(misfits):.3f}")
    assert max(misfits) < 0.15


def test_a_sound_does_not_depend_on_its_batch() -> None:
    check_independence_of_the_batch(MelImageCodec(), notes(45, 57, 72))


def test_nan_stays_in_its_sound() -> None:
    check_nan_stays_in_its_sound(MelImageCodec(), notes(45, 57))


@pytest.mark.parametrize(("bad", "words"), BAD_SOUNDS)
def test_bad_sound_is_refused(bad: torch.Tensor, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        MelImageCodec().encode(bad)


@pytest.mark.parametrize("bad", [{"hop_length": 2048}, {"hop_length": 0}, {"n_frames": 1}, {"n_mels": 0}])
def test_sizes_that_cannot_be_inverted_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="needed|need "):
        MelImageCodec(**bad)


def test_saves_and_loads_inside_a_pipeline(tmp_path: Path) -> None:
    check_saves_and_loads(lambda: MelImageCodec(**BEYOND, silence_margin_db=1.5), tmp_path, notes(57))

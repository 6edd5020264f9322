"""ChopAN's codec: librosa's numbers, a floor that is silence, a level that survives, save and load."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.codecs.phase import seeded_phase
from generation.codecs.stft_db import StftDbCodec
from generation.errors import AudioError


@pytest.fixture(scope="module")
def codec() -> StftDbCodec:
    return StftDbCodec()


def note(frequency_hz: float = 220.0, decay: float = 4.0, n_samples: int = 16128) -> np.ndarray:
    time_s = np.arange(n_samples) / 16000
    wave = sum(np.sin(2 * np.pi * frequency_hz * k * time_s) / k for k in range(1, 6))
    return (0.3 * wave * np.exp(-decay * time_s)).astype(np.float32)


def start(batch: int) -> torch.Tensor:
    return seeded_phase([torch.Generator().manual_seed(i) for i in range(batch)], 257, 64)


@pytest.mark.parametrize("wave", [note(), note(55.0, 0.5), np.float32(0.01) * note(2000.0, 20.0)])
def test_forward_equals_librosa_within_a_thousandth_of_a_db(codec: StftDbCodec, wave: np.ndarray) -> None:
    spectrum = librosa.stft(wave.astype(np.float64), n_fft=512, hop_length=256, window="hann", center=True)[:-1]
    expected = librosa.amplitude_to_db(np.abs(spectrum), ref=1.0, top_db=80)
    pictures, ranges = codec.encode(torch.from_numpy(wave)[None])
    ours = codec.magnitude_db(torch.from_numpy(wave)[None])[0].numpy()
    assert np.abs(ours - expected).max() < 1e-3
    scaled = (expected - expected.min()) / (expected.max() - expected.min())
    assert np.abs(pictures[0, 0].numpy() - scaled).max() < 1e-4
    assert np.allclose(ranges[0].numpy(), [expected.min(), expected.max()], atol=1e-3)


@pytest.mark.parametrize("n_samples", [1, 16000, 16128, 64000])
def test_any_length_gives_256_by_64(codec: StftDbCodec, n_samples: int) -> None:
    pictures, _ = codec.encode(torch.full((2, n_samples), 0.1))
    assert pictures.shape == (2, 1, 256, 64)
    assert codec.n_samples == 16128


def test_round_trip_keeps_level_and_spectrum(codec: StftDbCodec) -> None:
    waves = torch.from_numpy(np.stack([note(196.0), 0.05 * note(440.0)]))
    back = codec.decode(*codec.encode(waves), start(2))
    level_db = 20 * torch.log10(back.square().mean(1).sqrt() / waves.square().mean(1).sqrt())
    assert level_db.abs().max() < 1.0
    before, after = codec.magnitude_db(waves), codec.magnitude_db(back)
    audible = before > before.amax(dim=(1, 2), keepdim=True) - 40
    assert (before - after).abs()[audible].mean() < 1.5


def test_floor_is_exact_silence(codec: StftDbCodec) -> None:
    wave = note(220.0, 0.0)
    wave[6000:] = 0.0
    back = codec.decode(*codec.encode(torch.from_numpy(wave)[None]), start(1))[0]
    assert back[:5000].abs().max() > 0.1
    assert back[7000:].abs().max() == 0.0


def test_digital_silence_round_trip_has_no_nan(codec: StftDbCodec) -> None:
    pictures, ranges = codec.encode(torch.zeros(1, 16128))
    assert torch.equal(pictures, torch.zeros(1, 1, 256, 64))
    assert torch.equal(codec.decode(pictures, ranges, start(1)), torch.zeros(1, 16128))


@settings(max_examples=15, deadline=None)
@given(st.floats(-25.0, 0.0), st.integers(0, 1000))
def test_gain_moves_the_range_and_not_the_picture(gain_db: float, seed: int) -> None:
    codec = StftDbCodec()
    wave = torch.rand(1, 16128, generator=torch.Generator().manual_seed(seed)) - 0.5
    loud, loud_range = codec.encode(wave)
    quiet, quiet_range = codec.encode(wave * 10 ** (gain_db / 20))
    assert (loud - quiet).abs().max() < 1e-3
    assert (loud_range + gain_db - quiet_range).abs().max() < 0.02


@pytest.mark.parametrize(
    ("bad", "words"),
    [(torch.zeros(1, 0), "shape"), (torch.zeros(5), "shape"), (torch.full((1, 9), float("nan")), "NaN")],
)
def test_bad_sound_is_refused_in_one_line(codec: StftDbCodec, bad: torch.Tensor, words: str) -> None:
    with pytest.raises(AudioError, match=words) as error:
        codec.encode(bad)
    assert "\n" not in str(error.value)


def test_saves_and_loads_as_a_component(tmp_path: Path) -> None:
    StftDbCodec(top_db=70.0, silence_margin_db=1.5).save_pretrained(tmp_path)
    assert (tmp_path / "stft_db_config.json").is_file()
    loaded = StftDbCodec.from_pretrained(tmp_path)
    assert (loaded.config.top_db, loaded.config.silence_margin_db) == (70.0, 1.5)

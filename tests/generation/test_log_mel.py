"""TANGO's codec: librosa's logarithms, time first, the wave preparation, and a way back without a vocoder."""

from __future__ import annotations

import math
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.codecs.log_mel import LogMelCodec
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

FLOOR = math.log(1e-5)
DB_PER_UNIT = 20 / math.log(10)
TINY = {"n_mels": 32, "n_frames": 64}


@pytest.mark.parametrize("n_mels", [64, 128])
@pytest.mark.parametrize("midi_note", [33, 60, 84])
def test_forward_equals_librosa_within_a_thousandth_of_a_db(n_mels: int, midi_note: int) -> None:
    codec = LogMelCodec(n_mels=n_mels, n_frames=416)
    prepared = codec.prepare(torch.from_numpy(note(midi_note))[None])
    spectrum = np.abs(librosa.stft(prepared[0].double().numpy(), n_fft=1024, hop_length=160, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=n_mels, fmin=0, fmax=8000, dtype=np.float64)
    expected = np.log(np.maximum(filters @ spectrum, 1e-5))[:, :416].T
    ours = codec.encode(torch.from_numpy(note(midi_note))[None])[0, 0].numpy()
    assert np.abs(ours - expected).max() * DB_PER_UNIT < 1e-3


@pytest.mark.parametrize(("n_frames", "n_samples"), [(1024, 163840), (416, 66560)])
def test_frames_are_160_samples_and_time_comes_first(n_frames: int, n_samples: int) -> None:
    codec = LogMelCodec(n_frames=n_frames)
    assert codec.n_samples == n_samples
    pictures = codec.encode(notes(60, 72))
    assert pictures.shape == (2, 1, n_frames, 64)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= np.float32(FLOOR)
    waves = codec.decode(pictures, start(codec, [0, 1]), iterations=1)
    assert waves.shape == (2, n_samples)
    assert codec.duration_s == n_frames / 100


@pytest.mark.parametrize("frequency_hz", [220.0, 440.0, 880.0])
def test_a_sine_of_peak_one_half_reaches_about_one_and_a_half(frequency_hz: float) -> None:
    # How much depends on where the sine lies between two bands.
    sine = 0.5 * torch.sin(2 * torch.pi * frequency_hz / 16000 * torch.arange(66560.0))[None]
    assert 1.2 < float(LogMelCodec(n_frames=416).encode(sine).max()) < 1.6


@settings(max_examples=20, deadline=None)
@given(gain_db=st.floats(-60.0, 20.0), offset=st.floats(-0.2, 0.2), n_samples=st.integers(50, 15000))
def test_preparation_takes_level_and_offset_away(gain_db: float, offset: float, n_samples: int) -> None:
    codec = LogMelCodec(**TINY)
    wave = torch.rand(1, n_samples, generator=torch.Generator().manual_seed(n_samples)) - 0.5
    plain, moved = codec.prepare(wave), codec.prepare(wave * 10 ** (gain_db / 20) + offset)
    assert plain.shape == (1, 10240)
    assert float(plain.abs().max()) == pytest.approx(0.5)
    assert (plain - moved).abs().max() < 1e-3


def test_a_peak_that_is_cut_away_is_made_good() -> None:
    wave = 0.1 * notes(57, seconds=1.0)
    wave[:, 15000] = 1.0
    assert LogMelCodec(**TINY).prepare(wave).abs().max() == pytest.approx(0.5)


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_is_the_floor_and_comes_back_as_silence(level: float) -> None:
    codec = LogMelCodec(**TINY)
    pictures = codec.encode(torch.full((1, 12000), level))
    assert torch.equal(pictures, torch.full((1, 1, 64, 32), FLOOR))
    assert torch.equal(codec.decode(pictures, start(codec, [0])), torch.zeros(1, codec.n_samples))


def test_decoding_keeps_the_level() -> None:
    codec = LogMelCodec(n_frames=416, n_mels=128)
    prepared = codec.prepare(notes(57, 69))
    back = codec.decode(codec.log_mel(prepared), start(codec, [0, 1]))
    level_db = 20 * torch.log10(back.square().mean(1).sqrt() / prepared.square().mean(1).sqrt())
    assert level_db.abs().max() < 1.0


@pytest.mark.parametrize("n_mels", [64, 128])
def test_a_note_comes_back(n_mels: int) -> None:
    assert max(spectral_convergence(LogMelCodec(n_mels=n_mels, n_frames=416), notes(45, 69))) < 0.15


@pytest.mark.slow
@pytest.mark.timeout(600)
# With 128 bands the electric piano at MIDI 88 stays at 0.16 to 0.17, whatever the seed and with 200 rounds too (the
# next worst is below 0.15): a local minimum of Griffin-Lim, not of the bands.
@pytest.mark.parametrize(("n_mels", "largest"), [(64, 0.15), (128, 0.18)])
def test_recordings_come_back(n_mels: int, largest: float, oneshots: Path) -> None:
    misfits = spectral_convergence(LogMelCodec(n_mels=n_mels, n_frames=416), recorded_notes(oneshots, 16))
    print(f"\n{n_mels} bands: spectral convergence median {np.median(misfits):.3f}, largest {max(misfits):.3f}")
    assert max(misfits) < largest
    assert sorted(misfits)[-2] < 0.15


def test_a_sound_does_not_depend_on_its_batch() -> None:
    check_independence_of_the_batch(LogMelCodec(**TINY), notes(45, 57, 72, seconds=0.6))


def test_nan_stays_in_its_sound() -> None:
    check_nan_stays_in_its_sound(LogMelCodec(**TINY), notes(45, 57, seconds=0.6))


@pytest.mark.parametrize(("bad", "words"), BAD_SOUNDS)
def test_bad_sound_is_refused(bad: torch.Tensor, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        LogMelCodec(**TINY).encode(bad)


@pytest.mark.parametrize("bad", [{"hop_length": 1024}, {"n_frames": 3}, {"low_hz": 9000.0}])
def test_sizes_that_cannot_be_inverted_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="needed|need "):
        LogMelCodec(**bad)


def test_saves_and_loads_inside_a_pipeline(tmp_path: Path) -> None:
    check_saves_and_loads(lambda: LogMelCodec(**TINY), tmp_path, notes(57, seconds=0.6))

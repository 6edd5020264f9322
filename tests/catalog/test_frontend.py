"""The starter's picture is ClapFeatureExtractor's picture, and clips are heard the same way every time."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import ClapFeatureExtractor

from catalog.embedders.frontend import (
    FRAMES,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
    clap_extractor_settings,
    listening_wave,
    log_mel,
)
from catalog.errors import EmbedderError
from generation.audio import Clip


def _clip(seconds: float, rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1, gain: float = 0.3) -> Clip:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    rng = np.random.default_rng(1)
    wave = np.exp(-3 * t) * np.sin(2 * np.pi * 330 * t) + 0.01 * rng.standard_normal(len(t))
    return Clip(np.repeat((gain * wave)[None], channels, axis=0).astype(np.float32), rate_hz)


def test_the_batched_picture_equals_the_feature_extractor() -> None:
    extractor = ClapFeatureExtractor(**clap_extractor_settings())
    waves = [listening_wave(_clip(seconds)) for seconds in (0.4, 1.0, 4.0)]
    theirs = extractor(waves, sampling_rate=SAMPLE_RATE_HZ, return_tensors="np")["input_features"][:, 0]
    ours = log_mel(waves).numpy()
    assert ours.shape == theirs.shape == (3, FRAMES, MEL_BANDS)
    # float32 against float64: bands near the -100 dB floor move by hundredths of a dB.
    loud = theirs > -60
    np.testing.assert_allclose(ours[loud], theirs[loud], atol=2e-2)
    np.testing.assert_allclose(ours, theirs, atol=0.5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
def test_any_rate_and_channel_count_is_heard_at_sixteen_kilohertz_and_peak_one(rate_hz: int, channels: int) -> None:
    wave = listening_wave(_clip(0.5, rate_hz, channels))
    assert wave.dtype == np.float32 and abs(len(wave) - 8000) <= 2
    assert np.max(np.abs(wave)) == pytest.approx(1.0)


def test_level_does_not_change_the_picture_and_silence_stays_silence() -> None:
    loud, quiet = (log_mel([listening_wave(_clip(1.0, gain=gain))]) for gain in (0.9, 0.001))
    np.testing.assert_allclose(loud.numpy(), quiet.numpy(), atol=1e-2)
    silent = listening_wave(Clip(np.zeros((1, 16_000), np.float32), SAMPLE_RATE_HZ))
    assert not silent.any() and float(log_mel([silent]).max()) == pytest.approx(-100.0)


def test_only_the_first_four_seconds_are_heard() -> None:
    long, short = _clip(6.0), _clip(4.0)
    np.testing.assert_array_equal(listening_wave(long), listening_wave(Clip(long.samples[:, :64_000], SAMPLE_RATE_HZ)))
    assert len(listening_wave(long)) == len(listening_wave(short)) == 64_000


@pytest.mark.parametrize("sample", [np.nan, np.inf])
def test_a_clip_with_holes_is_refused_before_a_network_hears_it(sample: float) -> None:
    clip = _clip(1.0)
    clip.samples[0, 100] = sample
    with pytest.raises(EmbedderError, match="NaN or infinite samples"):
        listening_wave(clip)

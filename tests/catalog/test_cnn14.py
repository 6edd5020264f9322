"""Cnn14 at 16 kHz against the original: names of tensors, front end, outputs; and what it refuses to hear."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from catalog.embedders import Cnn14
from catalog.embedders.panns import SHORTEST, fourier_matrices, mel_matrix
from catalog.embedders.waveforms import TANGO_VENDORED, prepare_as_vendored_tango
from catalog.errors import CatalogError, EmbedderError
from generation.audio import file_sha256
from tests.catalog.seeded_networks import EXAMPLES, agrees, clip, seed_weights, shapes

MEL, REAL = "logmel_extractor.melW", "spectrogram_extractor.stft.conv_real.weight"


@pytest.fixture(scope="module")
def net() -> Cnn14:
    """Make the seeded network in full size: seconds and 330 MB, so only slow tests ask for it."""
    net = Cnn14()
    seed_weights(net)
    return net


@pytest.fixture(scope="module")
def front_end() -> Cnn14:
    """Make a network that has its front end, but no memory for its other weights."""
    with torch.device("meta"):
        net = Cnn14()
    net.logmel_extractor.update({"melW": torch.nn.Parameter(mel_matrix(), requires_grad=False)})
    return net


def example(name: str) -> tuple[np.ndarray, dict[str, Any], float]:
    """Return the wave of an example as the network gets it, the example and its tolerance."""
    clip_name, path = name.split("/")
    wave = clip(clip_name).astype(np.float32)
    tolerance = EXAMPLES["tolerances"]["cnn14 sine" if "sine" in name else "cnn14 chirp"]
    return prepare_as_vendored_tango(wave) if path == "tango" else wave, EXAMPLES["cnn14"][name], tolerance


def test_the_tensors_bear_the_published_names(front_end: Cnn14) -> None:
    assert shapes(front_end) == EXAMPLES["cnn14_shapes"]
    assert len(front_end.state_dict()) == 84
    assert front_end.id == "cnn14_16k@unloaded"


def test_the_mel_matrix_is_the_original() -> None:
    matrix, expected = mel_matrix().numpy(), EXAMPLES["cnn14_mel_matrix"]
    assert matrix.sum(dtype=np.float64) == pytest.approx(expected["sum"], rel=1e-6)
    assert matrix.max() == pytest.approx(expected["max"], rel=1e-6)
    assert np.count_nonzero(matrix) == expected["nonzero"]
    assert list(np.flatnonzero(matrix[:, 0])) == expected["col0_nonzero_rows"]
    assert [np.flatnonzero(matrix[:, 63])[i] for i in (0, -1)] == expected["col63_nonzero_rows"]


def test_the_fourier_matrices_are_the_original() -> None:
    real, imaginary = fourier_matrices()
    expected = EXAMPLES["cnn14_conv_real"]
    assert float(real[0].double().sum()) == pytest.approx(expected["row0_sum"], rel=1e-6)
    assert float(real.double().abs().sum()) == pytest.approx(expected["abs_sum"], rel=1e-6)
    # The sign of a forward transform: the imaginary part of bin 1 starts downwards.
    assert float(imaginary[1, 0, 100]) < 0


@pytest.mark.parametrize("name", EXAMPLES["cnn14"])
def test_front_end_equals_the_original(front_end: Cnn14, name: str) -> None:
    wave, recorded, _ = example(name)
    picture = front_end.log_mel(torch.from_numpy(wave)[None]).numpy()
    expected = recorded["log_mel"]
    assert list(picture[:, None].shape) == expected["shape"] and picture.dtype == np.float32
    # Bins at the floor follow the rounding of the transform, so a sine, with half its bins there, agrees less.
    limit_db = 1e-3 if "sine" in name else 2e-4
    assert np.abs(picture.ravel()[:5] - expected["first5"]).max() < limit_db
    assert picture.mean(dtype=np.float64) == pytest.approx(expected["mean"], abs=limit_db)
    assert picture.std(dtype=np.float64) == pytest.approx(expected["std"], abs=limit_db)
    assert (picture.min(), picture.max()) == pytest.approx((expected["min"], expected["max"]), abs=limit_db)


def test_silence_is_the_floor(front_end: Cnn14) -> None:
    assert torch.all(front_end.log_mel(torch.zeros(2, 16_000)) == -100)


def test_tangos_preparation_removes_dc_and_pads_to_2_s() -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.9, 16_000)
    ready = prepare_as_vendored_tango(wave)
    assert ready.shape == (32_000,) and ready.dtype == np.float32
    assert abs(ready[:16_000].mean(dtype=np.float64)) < 1e-6
    assert not ready[16_000:].any()
    np.testing.assert_allclose(ready[:16_000], wave - wave.mean(), atol=1e-6)
    longer = np.full(40_000, 0.25)
    assert prepare_as_vendored_tango(longer).shape == (40_000,) and not prepare_as_vendored_tango(longer).any()
    assert "TANGO" in TANGO_VENDORED


@pytest.mark.parametrize("wave", [np.zeros(0), np.full(10, np.nan), np.zeros(10, np.int16), np.zeros((1, 10))])
def test_tangos_preparation_refuses_what_is_no_waveform(wave: np.ndarray) -> None:
    with pytest.raises(EmbedderError):
        prepare_as_vendored_tango(wave)


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros(SHORTEST - 1), r"too short: 4959 samples came, Cnn14 needs at least 4960 \(0.310 s"),
        (np.zeros(200), "too short"),
        (np.zeros(0), "too short: 0 samples"),
        (np.r_[np.zeros(16_000), np.nan], "NaN or infinite"),
        (np.zeros(16_000, np.int16), "int16 samples came"),
        (np.zeros((2, 16_000)), "one mono waveform"),
    ],
    ids=["a sample short", "less than a window", "empty", "NaN", "integers", "stereo"],
)
def test_an_unfit_waveform_is_refused_in_words(front_end: Cnn14, wave: np.ndarray, words: str) -> None:
    with pytest.raises(CatalogError, match=words) as caught:
        front_end.embed(wave)
    assert "\n" not in str(caught.value)


def weights_of(front_end: Cnn14) -> dict[str, torch.Tensor]:
    """Return weights of the right names and shapes that take no room on disk."""
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in front_end.state_dict().items()}


def test_another_network_is_refused(front_end: Cnn14, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"iteration": 1, "model": {"bn0.weight": torch.zeros(64)}}, path)
    with pytest.raises(EmbedderError, match="sha256 .* e2ee543a27919542.* is needed"):
        front_end.load_weights(path)
    with pytest.raises(EmbedderError, match="lacks bn0.bias and 82 more; Cnn14_16k"):
        front_end.load_weights(path, sha256=None)


def test_the_32_khz_network_is_refused(front_end: Cnn14, tmp_path: Path) -> None:
    fourier = torch.zeros(()).expand(513, 1, 1024)
    larger = {MEL: torch.zeros(513, 64), REAL: fourier, REAL.replace("real", "imag"): fourier}
    torch.save({"model": weights_of(front_end) | larger}, tmp_path / "Cnn14_mAP=0.431.pth")
    with pytest.raises(EmbedderError, match=r"conv_real.weight is \[513, 1, 1024\], .* is needed; use Cnn14_16k"):
        front_end.load_weights(tmp_path / "Cnn14_mAP=0.431.pth", sha256=None)


def test_another_window_is_refused(front_end: Cnn14, tmp_path: Path) -> None:
    torch.save({"model": weights_of(front_end)}, tmp_path / "other.pth")
    with pytest.raises(EmbedderError, match="conv_real.weight differs by .* from a Hann window of 512"):
        front_end.load_weights(tmp_path / "other.pth", sha256=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES["cnn14"])
def test_outputs_equal_the_original(net: Cnn14, name: str) -> None:
    wave, expected, tolerance = example(name)
    embedding, logits = net.embed(wave)
    assert embedding.shape == (2048,) and logits.shape == (527,)
    assert embedding.dtype == logits.dtype == np.float32 and embedding.min() == 0
    assert int(logits.argmax()) == expected["argmax_logit"]
    for recorded in (expected, expected["float64"]):
        assert agrees(embedding, recorded["embedding"], tolerance)
        assert agrees(logits, recorded["logits"], tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("length", ["1s", "4s"])
def test_a_batch_gives_what_single_clips_give(net: Cnn14, length: str) -> None:
    waves = np.stack([clip(f"sine440_{length}"), clip(f"chirp_noise_{length}"), clip(f"chirp_noise_{length}")[::-1]])
    embeddings, logits = net.embed_batch(waves)
    for wave, row, logit in zip(waves, embeddings, logits, strict=True):
        embedding_alone, logit_alone = net.embed(wave)
        assert np.abs(embedding_alone - row).max() <= 5e-7 * np.abs(row).max()
        assert np.abs(logit_alone - logit).max() <= 5e-7 * np.abs(logit).max()
    none = net.embed_batch(waves[:0])
    assert none[0].shape == (0, 2048) and none[1].shape == (0, 527)


@pytest.mark.slow
def test_silence_and_the_shortest_clip_have_finite_outputs(net: Cnn14) -> None:
    for samples in (SHORTEST, 32_000):
        embedding, logits = net.embed(np.zeros(samples, np.float32))
        assert np.isfinite(embedding).all() and np.isfinite(logits).all()


@pytest.mark.slow
def test_a_network_left_in_training_mode_still_judges(net: Cnn14) -> None:
    wave = clip("chirp_noise_1s")
    expected = net.embed(wave)[0]
    net.train()
    np.testing.assert_array_equal(net.embed(wave)[0], expected)


@pytest.mark.slow
def test_a_file_of_the_published_structure_loads(net: Cnn14, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "Cnn14_seeded=0.1.pth"
    model = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    sampler = {"indexes_per_class": [np.arange(9), np.arange(4)], "queue": [1, 2], "pointers_of_classes": [0, 0]}
    model[MEL][10] *= 1.5
    torch.save({"iteration": 7, "model": model, "sampler": sampler}, path, _use_new_zipfile_serialization=False)
    origin = file_sha256(path)
    with caplog.at_level(logging.WARNING):
        loaded = Cnn14().load_weights(path, sha256=origin)
    assert "mel matrix differs" in caplog.text
    assert torch.equal(loaded.state_dict()[MEL], model[MEL])
    assert loaded.id == f"cnn14_16k@{origin[:12]}"
    caplog.clear()
    path.unlink()
    again = Cnn14().load_weights(tmp_path / "Cnn14_seeded=0.1.safetensors", sha256=origin)
    assert "mel matrix differs" in caplog.text
    wave = clip("chirp_noise_1s")
    np.testing.assert_array_equal(again.embed(wave)[1], loaded.embed(wave)[1])
    # pytest keeps the folders of its last runs, which need not hold 300 MB each.
    (tmp_path / "Cnn14_seeded=0.1.safetensors").unlink()

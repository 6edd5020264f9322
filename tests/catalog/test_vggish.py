"""VGGish against the original: names of tensors, front end, embeddings; and what it refuses to hear."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.embedders import VGGish
from catalog.embedders.vggish import PUBLISHED, log_mel_examples
from catalog.errors import CatalogError, EmbedderError
from generation.audio import file_sha256
from tests.catalog.seeded_networks import EXAMPLES, agrees, clip, seed_weights, shapes

TOLERANCE = EXAMPLES["tolerances"]["vggish"]


@pytest.fixture(scope="module")
def net() -> VGGish:
    """Make the seeded network in full size: seconds and 290 MB, so only slow tests ask for it."""
    net = VGGish()
    seed_weights(net)
    return net


@pytest.fixture
def hollow() -> VGGish:
    """Make a network without memory for its weights."""
    with torch.device("meta"):
        return VGGish()


def test_the_tensors_bear_the_published_names(hollow: VGGish) -> None:
    assert shapes(hollow) == EXAMPLES["vggish_shapes"]
    assert len(hollow.state_dict()) == 18
    assert hollow.id == "vggish@unloaded"


@pytest.mark.parametrize("name", EXAMPLES["vggish"])
def test_front_end_equals_the_original(name: str) -> None:
    expected = EXAMPLES["vggish"][name]["log_mel"]
    examples = log_mel_examples(clip(name)[None])
    assert examples.dtype == np.float32 and list(examples[0][:, None].shape) == expected["shape"]
    assert agrees(examples, expected, 1e-7)


@pytest.mark.parametrize(
    ("samples", "count"), [(15_600, 1), (16_000, 1), (30_959, 1), (30_960, 2), (32_000, 2), (64_000, 4)]
)
def test_a_clip_has_an_example_for_each_whole_096_s(samples: int, count: int) -> None:
    assert log_mel_examples(np.zeros((1, samples))).shape == (1, count, 96, 64)


def test_what_is_left_at_the_end_is_not_heard() -> None:
    wave = clip("chirp_noise_4s")
    cut = np.concatenate([wave[:61_680], np.zeros(64_000 - 61_680)])
    np.testing.assert_array_equal(log_mel_examples(wave[None]), log_mel_examples(cut[None]))


def test_silence_is_the_offset_of_the_logarithm() -> None:
    np.testing.assert_allclose(log_mel_examples(np.zeros((1, 16_000))), np.log(0.01), rtol=1e-6)


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros(15_599), r"too short: 15599 samples came, VGGish needs at least 15600 \(0.975 s"),
        (np.zeros(100), "too short"),
        (np.zeros(0), "too short: 0 samples"),
        (np.r_[np.zeros(16_000), np.nan], "NaN or infinite"),
        (np.r_[np.zeros(16_000), -np.inf], "NaN or infinite"),
        (np.zeros(16_000, np.int16), "int16 samples came"),
        (np.zeros((2, 16_000)), "one mono waveform"),
    ],
    ids=["a sample short", "100 samples", "empty", "NaN", "infinite", "integers", "stereo"],
)
def test_an_unfit_waveform_is_refused_in_words(hollow: VGGish, wave: np.ndarray, words: str) -> None:
    with pytest.raises(CatalogError, match=words) as caught:
        hollow.embed(wave)
    assert "\n" not in str(caught.value)


def test_a_batch_of_one_dimension_is_refused(hollow: VGGish) -> None:
    with pytest.raises(EmbedderError, match=r"a batch \[n, samples\]"):
        hollow.embed_batch(np.zeros(16_000))


def test_another_network_is_refused(hollow: VGGish, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(EmbedderError, match="sha256 .* 1008697624580379.* is needed"):
        hollow.load_weights(path)
    with pytest.raises(EmbedderError, match="lacks embeddings.0.bias and 16 more; vggish-10086976.pth is needed"):
        hollow.load_weights(path, sha256=None)
    assert not path.with_suffix(".safetensors").exists() and hollow.id == "vggish@unloaded"


def test_the_hash_agrees_with_the_published_name() -> None:
    assert PUBLISHED.name == f"vggish-{PUBLISHED.sha256[:8]}.pth" and len(PUBLISHED.sha256) == 64


def test_a_long_waveform_takes_no_more_memory_than_a_short_one() -> None:
    """Ten minutes at once: 60000 columns of 257 complex numbers, 250 MB and more, if all were held."""

    class Frontend(VGGish):
        def forward(self, examples: torch.Tensor) -> torch.Tensor:
            return examples[:, :2].flatten(1)

    with torch.device("meta"):
        net = Frontend()
    net.to_empty(device="cpu")
    wave = np.random.default_rng(0).uniform(-1, 1, 600 * 16_000).astype(np.float32)
    tracemalloc.start()
    try:
        rows = net.embed(wave)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows.shape == (624, 128) and peak < 150e6
    last = wave[623 * 15_360 :][:15_600]
    np.testing.assert_allclose(rows[-1], log_mel_examples(last[None])[0, 0, :2].ravel(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES["vggish"])
def test_embeddings_equal_the_original(net: VGGish, name: str) -> None:
    expected = EXAMPLES["vggish"][name]
    for dtype in (np.float64, np.float32):
        rows = net.embed(clip(name).astype(dtype))
        assert rows.shape == (4, 128) and rows.dtype == np.float32
        assert rows.min() < 0  # no ReLU at the end
        limit = TOLERANCE * np.abs(rows).max()
        assert np.abs(rows[0, :5] - expected["float64_first5_frame0"]).max() <= limit
        for row, frame in zip(rows, expected["frames"], strict=True):
            assert agrees(row, frame, TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("length", ["1s", "4s"])
def test_a_batch_gives_what_single_clips_give(net: VGGish, length: str) -> None:
    waves = np.stack([clip(f"sine440_{length}"), clip(f"chirp_noise_{length}"), clip(f"chirp_noise_{length}")[::-1]])
    together = net.embed_batch(waves)
    for wave, rows in zip(waves, together, strict=True):
        assert np.abs(net.embed(wave) - rows).max() <= 5e-7 * np.abs(rows).max()
    assert net.embed_batch(waves[:0]).shape == (0, together.shape[1], 128)


@pytest.mark.slow
def test_silence_has_a_finite_embedding(net: VGGish) -> None:
    rows = net.embed(np.zeros(32_000, np.float32))
    assert rows.shape == (2, 128) and np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[0], rows[1])


@pytest.mark.slow
def test_a_bare_state_dict_loads_and_is_kept_as_safetensors(net: VGGish, tmp_path: Path) -> None:
    path = tmp_path / "vggish-seeded.pth"
    torch.save(net.state_dict(), path)
    origin = file_sha256(path)
    loaded = VGGish().load_weights(path, sha256=origin)
    assert loaded.id == f"vggish@{origin[:12]}"
    path.unlink()
    again = VGGish().load_weights(path.with_suffix(".safetensors"), sha256=origin)
    assert again.id == loaded.id
    wave = clip("chirp_noise_1s")
    np.testing.assert_array_equal(loaded.embed(wave), net.embed(wave))
    np.testing.assert_array_equal(again.embed(wave), net.embed(wave))
    # pytest keeps the folders of its last runs, which need not hold 300 MB each.
    path.with_suffix(".safetensors").unlink()


@pytest.mark.slow
def test_examples_may_have_the_published_shape(net: VGGish) -> None:
    examples = torch.rand(2, 96, 64)
    assert torch.equal(net(examples[:, None]), net(examples))

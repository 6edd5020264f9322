"""LAION's backend against LAION's own package: the same checkpoint, sounds and texts give the same vectors.

Runs in an environment of its own with the laion extra (`make test-slow` makes it). The network's classes,
the checkpoint's layout and the package are the real ones; the text tower is short, the weights are random.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import EmbedderError
from generation.audio import Clip

pytestmark = [pytest.mark.laion, pytest.mark.timeout(300)]

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder that laion_reference.py describes."""
    pytest.importorskip("torchlibrosa", reason="the laion extra is missing: make test-slow installs it")
    folder = tmp_path_factory.mktemp("laion")
    program = Path(__file__).with_name("laion_reference.py")
    environment = {**os.environ, "HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, program, folder], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    vocabulary = folder / "hub" / "models--roberta-base" / "snapshots" / ("0" * 40)
    (folder / "roberta-base").mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(vocabulary / name, folder / "roberta-base")
    return folder


@pytest.fixture(scope="module")
def recorded(reference: Path) -> dict[str, np.ndarray]:
    with np.load(reference / "reference.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def clips(recorded: dict[str, np.ndarray]) -> list[Clip]:
    names = sorted(name for name in recorded if name.startswith("sound_"))
    return [Clip(recorded[name][None], RATE_HZ) for name in names]


@pytest.fixture(scope="module")
def embedder(reference: Path) -> Iterator[object]:
    from catalog.embedders import load_embedder

    yield load_embedder(f"laion:{reference / 'toy.pt'}")


def test_sounds_get_the_packages_own_vectors(embedder, clips, recorded) -> None:
    vectors = embedder.embed_audio(clips)
    assert vectors.shape == (len(clips), 512) and vectors.dtype == np.float32
    # Unlike sounds are told apart, so that agreement means something.
    assert float((recorded["audio"] @ recorded["audio"].T)[0, -1]) < 0.9
    np.testing.assert_allclose(vectors, recorded["audio"], atol=2e-5)


def test_texts_get_the_packages_own_vectors(embedder, recorded) -> None:
    vectors = embedder.embed_text([str(text) for text in recorded["texts"]])
    assert vectors.dtype == np.float32
    assert float((recorded["text"] @ recorded["text"].T)[0, 1]) < 0.8
    np.testing.assert_allclose(vectors, recorded["text"], atol=2e-5)


def test_long_sounds_are_cut_at_a_fixed_place(embedder) -> None:
    noise = np.random.default_rng(1).standard_normal((1, 12 * RATE_HZ)).astype(np.float32)
    noise /= np.abs(noise[:, : 10 * RATE_HZ]).max()
    vectors = embedder.embed_audio(
        [Clip(noise, RATE_HZ), Clip(noise, RATE_HZ), Clip(noise[:, : 10 * RATE_HZ], RATE_HZ)]
    )
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)


def test_rate_channels_and_level_do_not_matter(embedder, clips) -> None:
    from generation.audio import resample

    plain = clips[1]
    other = resample(Clip(np.repeat(plain.samples, 2, axis=0) * np.float32(0.1), RATE_HZ), 96_000)
    vectors = embedder.embed_audio([plain, other])
    assert float(vectors[0] @ vectors[1]) > 0.999


def test_silence_and_nothing_get_finite_vectors(embedder) -> None:
    silence, nothing = np.zeros((1, 4_800), np.float32), np.zeros((1, 0), np.float32)
    vectors = embedder.embed_audio([Clip(silence, RATE_HZ), Clip(nothing, RATE_HZ)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    assert embedder.embed_audio([]).shape == (0, 512)
    assert embedder.embed_text([]).shape == (0, 512)


def test_the_id_names_file_and_content(embedder, reference) -> None:
    from generation.audio import file_sha256

    assert embedder.id == f"toy@{file_sha256(reference / 'toy.pt')[:16]}"
    assert (embedder.dim, embedder.sample_rate_hz) == (512, RATE_HZ)


def test_the_front_door_of_the_package_stays_shut(embedder) -> None:
    assert "laion_clap" not in sys.modules


def test_a_missing_vocabulary_is_named_and_nothing_is_fetched(reference, tmp_path, monkeypatch) -> None:
    import huggingface_hub.constants

    from catalog.embedders.laion import LaionClap

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    (tmp_path / "toy.pt").symlink_to(reference / "toy.pt")
    with pytest.raises(EmbedderError, match="hf download roberta-base vocab.json merges.txt") as caught:
        LaionClap(tmp_path / "toy.pt")
    assert "\n" not in str(caught.value)


def test_the_vocabulary_is_found_in_the_cache(reference, tmp_path, monkeypatch, recorded) -> None:
    import huggingface_hub.constants

    from catalog.embedders.laion import LaionClap

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(reference / "hub"))
    (tmp_path / "toy.pt").symlink_to(reference / "toy.pt")
    vectors = LaionClap(tmp_path / "toy.pt").embed_text(["bass"])
    np.testing.assert_allclose(vectors[0], recorded["text"][0], atol=2e-5)


def test_another_vocabulary_is_refused(reference, tmp_path) -> None:
    from catalog.embedders.laion import LaionClap

    (tmp_path / "toy.pt").symlink_to(reference / "toy.pt")
    (tmp_path / "roberta-base").mkdir()
    (tmp_path / "roberta-base" / "vocab.json").write_text('{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}')
    (tmp_path / "roberta-base" / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(EmbedderError, match=r"holds \d tokens, the checkpoint knows \d{3}"):
        LaionClap(tmp_path / "toy.pt")


def test_a_collapsed_text_tower_is_refused(reference, tmp_path) -> None:
    import torch

    from catalog.embedders import load_embedder

    content = torch.load(reference / "toy.pt", weights_only=False)
    weights = content["state_dict"]
    for name in ("word_embeddings", "position_embeddings"):
        weights[f"module.text_branch.embeddings.{name}.weight"] *= 1e-6
    torch.save({"state_dict": weights}, tmp_path / "collapsed.pt")
    shutil.copytree(reference / "roberta-base", tmp_path / "roberta-base")
    with pytest.raises(EmbedderError, match=r"collapsed@\w{16}: cannot tell bass, flute and snare apart"):
        load_embedder(f"laion:{tmp_path / 'collapsed.pt'}")


def test_weights_that_do_not_fit_are_refused(reference, tmp_path) -> None:
    import torch

    from catalog.embedders.laion import LaionClap

    content = torch.load(reference / "toy.pt", weights_only=False)
    weights = content["state_dict"]
    del weights["module.audio_branch.bn0.weight"]
    torch.save({"state_dict": weights}, tmp_path / "toy.pt")
    shutil.copytree(reference / "roberta-base", tmp_path / "roberta-base")
    with pytest.raises(EmbedderError, match="do not fit HTSAT-tiny .*bn0.weight") as caught:
        LaionClap(tmp_path / "toy.pt")
    assert "\n" not in str(caught.value)

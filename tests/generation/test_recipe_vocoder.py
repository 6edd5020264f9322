"""Recipe of the vocoder at toy size: learning, sizes, adversaries that stay at home, and the way to another process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from flows.train import run_recipe
from generation.codecs.log_mel import LogMelCodec
from generation.errors import TrainingError
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.denoising_parts import load_autoencoder, load_vocoder
from generation.training.denoising_settings import PictureSettings
from generation.training.recipes.vocoder import Settings, VocoderTask, build, build_vocoder
from generation.training.trainer import train
from tests.generation.test_recipe_autoencoder import overrides as autoencoder_overrides
from tests.toy_corpus import write_toy_corpus

NETWORK = {
    "upsample_initial_channel": 32, "upsample_rates": [10, 16], "upsample_kernel_sizes": [20, 32],
    "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]],
}  # fmt: skip
JUDGES = {"channels": [4, 8], "periods": [2, 3], "scales": [1]}
PLAY = """
import sys, torch
from generation.training.denoising_parts import load_autoencoder, load_vocoder
from generation.codecs.log_mel import LogMelCodec
from generation.training.denoising_settings import PictureSettings
torch.set_num_threads(1)
vae, codec = load_autoencoder(sys.argv[1], LogMelCodec, PictureSettings())
vocoder = load_vocoder(sys.argv[2])
with torch.no_grad():
    latents = torch.randn(1, 2, 16, 8, generator=torch.Generator().manual_seed(7))
    pictures = vae.decode(latents / vae.config["scaling_factor"]).sample
    torch.save(vocoder(pictures[:, 0]), sys.argv[3])
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


def overrides(**changes: Any) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "steps": 3, "batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 0, "ema_decay": None,
        "validate_every": 50, "checkpoint_every": 50, "vocoder": NETWORK, "segment_frames": 16,
        "picture": {"n_mels": 16, "n_frames": 64, "n_fft": 512}, "resolutions": [[256, 64, 256], [512, 128, 512]],
        "validation_items": 4, "validation_frames": 32,
    }  # fmt: skip
    return {**numbers, **changes}


def built(corpus: Path, **changes: Any) -> VocoderTask:
    torch.manual_seed(0)
    return build(corpus, Settings.model_validate(overrides(**changes)), "cpu")


def test_starter_configurations_play_together_in_a_fresh_process(corpus: Path, tmp_path: Path) -> None:
    changes = autoencoder_overrides("log-mel")
    autoencoder = run_recipe("autoencoder", changes, corpus, tmp_path / "a", "autoencoder-log-mel", "cpu").folder
    vocoder = run_recipe("vocoder", overrides(sample_every=3), corpus, tmp_path / "v", device="cpu").folder
    places = [str(autoencoder), str(vocoder), str(tmp_path / "wave.pt")]
    subprocess.run([sys.executable, "-c", PLAY, *places], check=True, timeout=100)
    there = torch.load(tmp_path / "wave.pt", weights_only=True)
    vae, codec = load_autoencoder(places[0], LogMelCodec, PictureSettings())
    with torch.no_grad():
        latents = torch.randn(1, 2, 16, 8, generator=torch.Generator().manual_seed(7))
        pictures = vae.decode(latents / vae.config["scaling_factor"]).sample
        here = load_vocoder(places[1])(pictures[:, 0])
    assert torch.equal(here, there)
    assert here.shape == (1, 32 * codec.config["hop_length"]) and float(here.abs().max()) > 0
    sounds = [path.suffix for path in (tmp_path / "v" / "samples" / "step_000003").iterdir()]
    assert sorted(sounds) == [".png"] * 8 + [".wav"] * 8


def test_it_learns(corpus: Path, tmp_path: Path) -> None:
    task = built(corpus, steps=40)
    task.module.eval()
    with torch.no_grad():
        before = task.validate()
    figures = train(task, task.settings, tmp_path).figures
    assert figures["valid_mel"] < 0.7 * before["mel"]
    assert figures["valid_spectral"] < 0.8 * before["spectral"]
    assert figures["valid_error_db"] == pytest.approx(8.6859 * figures["valid_mel"], rel=1e-4)


def test_adversaries_train_along_and_are_not_exported(corpus: Path, tmp_path: Path) -> None:
    settings = {"adversarial_weight": 1.0, "discriminators": JUDGES}
    task = built(corpus, **settings)
    assert task.judges is not None
    before = [parameter.detach().clone() for parameter in task.judges.parameters()]
    result = train(task, task.settings, tmp_path)
    moved = zip(before, task.judges.parameters(), strict=True)
    assert not any(torch.equal(first, second) for first, second in moved)
    assert {"judging", "deceiving", "matching"} <= set(result.figures)
    names = load_vocoder(str(result.folder)).state_dict()
    assert names.keys() == task.vocoder.state_dict().keys()


def test_the_exported_network_sounds_as_the_trained_one(corpus: Path, tmp_path: Path) -> None:
    task = built(corpus)
    loaded = load_vocoder(str(train(task, task.settings, tmp_path).folder))
    pictures = task.batch(0).pictures
    with torch.no_grad():
        difference = (loaded(pictures) - task.vocoder(pictures)).abs().max()
    assert float(difference) < 5e-3
    mean = task.train.corpus.arrays["pictures"].astype("float64").mean(axis=(0, 1, 2))
    assert torch.allclose(loaded.mean.double(), torch.from_numpy(mean), atol=0.01)


def test_the_total_is_the_weighted_sum(corpus: Path) -> None:
    settings = {"adversarial_weight": 0.5, "matching_weight": 3.0, "spectral_weight": 2.0, "mel_weight": 4.0}
    task = built(corpus, discriminators=JUDGES, **settings)
    total, told = task.loss(task.batch(0), 0)
    distances = 2.0 * (told["convergence"] + told["amplitude"]) + 4.0 * told["mel"]
    sides = 0.5 * (told["deceiving"] + 3.0 * told["matching"]) + told["judging"]
    assert float(total.detach()) == pytest.approx(distances + sides, rel=1e-5)


def test_a_batch_is_a_function_of_its_index(corpus: Path) -> None:
    first, second = built(corpus), built(corpus)
    assert torch.equal(first.batch(3).waves, second.batch(3).waves)
    assert not torch.equal(first.batch(3).waves, first.batch(4).waves)


def test_the_starter_is_small_and_full_size_is_the_published() -> None:
    settings = load_yaml(config_path("train", "vocoder"), Settings)
    codec = LogMelCodec(**settings.picture.changes())
    vocoder = build_vocoder(settings.vocoder, codec)
    assert 2 * sum(parameter.numel() for parameter in vocoder.parameters()) < 2.5e6
    with torch.no_grad():
        assert vocoder(torch.zeros(1, 32, 64)).shape == (1, 32 * 160)
    full = load_yaml(config_path("train", "vocoder-sane"), Settings)
    with torch.device("meta"):
        published = build_vocoder(full.vocoder, codec)
    assert sum(parameter.numel() for parameter in published.parameters()) == 55_264_897


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocoder": {**NETWORK, "upsample_rates": [8, 8]}}, "make 64; 160 is needed"),
        ({"vocoder": {**NETWORK, "upsample_kernel_sizes": [20]}}, "do not go with rates"),
        ({"vocoder": {**NETWORK, "resblock_kernel_sizes": [3, 7]}}, "needs a list in resblock_dilation_sizes"),
        ({"vocoder": {**NETWORK, "upsample_initial_channel": 30}}, "is no multiple of 4"),
        ({"segment_frames": 2}, "segment_frames is 2; between 4 "),
        ({"validation_frames": 65}, "validation_frames is 65; between 4 .* and 64 is needed"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(changes: dict[str, Any], said: str, corpus: Path) -> None:
    with pytest.raises(TrainingError, match=said):
        built(corpus, **changes)

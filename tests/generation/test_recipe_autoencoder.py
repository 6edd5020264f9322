"""Recipe of the autoencoders at toy size: units, loss, learning, and the scale of what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from flows.train import run_recipe
from generation.codecs.log_mel import LogMelCodec
from generation.codecs.mel_image import MelImageCodec
from generation.codecs.riffusion_image import RiffusionImageCodec
from generation.errors import TrainingError
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.autoencoder_pictures import KINDS
from generation.training.recipes.autoencoder import (
    AutoencoderTask,
    Posterior,
    Settings,
    VaeSettings,
    absorb_units,
    build,
    build_vae,
    posterior_of,
)
from generation.training.trainer import train
from tests.toy_corpus import write_toy_corpus

VAE = {"block_out_channels": [8, 16], "layers_per_block": 1, "latent_channels": 2, "norm_num_groups": 4}
PICTURES: dict[str, dict[str, Any]] = {
    "mel-image": {"codec": "mel-image", "n_mels": 16, "n_frames": 16, "hop_length": 256, "n_fft": 512},
    "riffusion-image": {"codec": "riffusion-image", "n_mels": 16, "n_frames": 32},
    "log-mel": {"codec": "log-mel", "n_mels": 16, "n_frames": 32, "n_fft": 512},
}
STARTERS = {"mel-image": "autoencoder", "riffusion-image": "autoencoder-riffusion", "log-mel": "autoencoder-log-mel"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


def overrides(kind: str, **changes: Any) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "steps": 3, "batch_size": 4, "learning_rate": 5e-3, "warmup_steps": 0, "ema_decay": None, "precision": "fp32",
        "validate_every": 50, "checkpoint_every": 50, "picture": PICTURES[kind], "vae": VAE,
    }  # fmt: skip
    return {**numbers, **changes}


def built(corpus: Path, kind: str, **changes: Any) -> AutoencoderTask:
    torch.manual_seed(0)
    return build(corpus, Settings.model_validate(overrides(kind, **changes)), "cpu")


@pytest.mark.parametrize("kind", STARTERS)
def test_a_starter_configuration_trains_and_leaves_what_its_pipeline_loads(
    kind: str, corpus: Path, tmp_path: Path
) -> None:
    result = run_recipe("autoencoder", overrides(kind, sample_every=3), corpus, tmp_path, STARTERS[kind], "cpu")
    vae = AutoencoderKL.from_pretrained(result.folder / "vae", torch_dtype=torch.float32, local_files_only=True)
    codec = KINDS[kind].codec.from_pretrained(result.folder / "codec")
    pictures = codec.encode(torch.randn(1, codec.n_samples))
    assert vae.decode(vae.encode(pictures).latent_dist.mean).sample.shape == pictures.shape
    sounds = sorted(path.name for path in (tmp_path / "samples" / "step_000003").iterdir())
    assert len(sounds) == 16 and {name.partition("-before")[1] for name in sounds[2:4]} == {"-before"}
    assert {name.rpartition(".")[2] for name in sounds} == {"wav", "png"}


def test_latents_have_unit_deviation_after_the_measured_scale(corpus: Path, tmp_path: Path) -> None:
    task = built(corpus, "log-mel", steps=20)
    folder = train(task, task.settings, tmp_path).folder
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32, local_files_only=True)
    pictures = task.train.take("pictures", range(len(task.train))).float()
    latents = vae.encode(pictures).latent_dist.sample() * vae.config["scaling_factor"]
    assert float(latents.std()) == pytest.approx(1.0, abs=0.02)
    assert vae.config["scaling_factor"] != pytest.approx(1.0, abs=0.02)


def test_it_learns_and_its_posterior_keeps_a_width(corpus: Path, tmp_path: Path) -> None:
    task = built(corpus, "log-mel", steps=40)
    task.module.eval()
    with torch.no_grad():
        before = task.validate()
    figures = train(task, task.settings, tmp_path).figures
    assert figures["valid_mse"] < 0.5 * before["mse"]
    assert figures["valid_error_db"] == pytest.approx(8.6859 * figures["valid_l1"], rel=1e-4)
    assert figures["valid_posterior_std"] > 1e-3 and figures["valid_latent_std"] > 0.05


def test_the_loss_weighs_errors_by_value_and_the_kl_by_picture(corpus: Path) -> None:
    task = built(corpus, "mel-image", l1_weight=2.0, mse_weight=3.0, kl_weight=0.5)
    with torch.no_grad():
        total, figures = task.loss(task.batch(0), 0)
    wanted = 2.0 * figures["l1"] + 3.0 * figures["mse"] + 0.5 * figures["kl"] / (16 * 16)
    assert float(total) == pytest.approx(wanted, rel=1e-5)


def test_kl_by_hand() -> None:
    """Mean 1 and variance 1 cost half a nat each; mean 0 and variance e cost (e - 2) / 2."""
    ones, zeros = torch.ones(2, 1, 2, 3), torch.zeros(2, 1, 2, 3)
    assert Posterior(ones, zeros).kl().tolist() == pytest.approx([3.0, 3.0])
    assert Posterior(zeros, ones).kl().tolist() == pytest.approx([6 * 0.718282 / 2] * 2, rel=1e-5)


def test_a_batch_is_a_function_of_its_index(corpus: Path) -> None:
    first, second = built(corpus, "mel-image"), built(corpus, "mel-image")
    assert torch.equal(first.batch(3), second.batch(3))
    assert not torch.equal(first.batch(3), first.batch(4))


def test_the_first_layer_takes_the_units_away_and_the_last_gives_them_back() -> None:
    torch.manual_seed(0)
    vae = build_vae(KINDS["log-mel"].published, VaeSettings.model_validate(VAE))
    plain = build_vae(KINDS["log-mel"].published, VaeSettings.model_validate(VAE))
    plain.load_state_dict(vae.state_dict())
    absorb_units(vae, -8.0, 4.0)
    normal, latents = torch.randn(1, 1, 16, 16), torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        # Padding stands for another value, so the rim differs.
        seen, wanted = vae.encoder.conv_in(4.0 * normal - 8.0), plain.encoder.conv_in(normal)
        assert torch.allclose(seen[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1], atol=1e-5)
        given, before = vae.decode(latents).sample, plain.decode(latents).sample
    assert torch.allclose(given, 4.0 * before - 8.0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        ("mel-image", MelImageCodec(n_mels=16, n_frames=16, hop_length=256, n_fft=512)),
        ("riffusion-image", RiffusionImageCodec(n_mels=16, n_frames=32)),
        ("log-mel", LogMelCodec(n_mels=16, n_frames=32, n_fft=512)),
    ],
)
def test_kept_pictures_are_the_codecs(kind: str, codec: Any) -> None:
    pictures = codec.encode(torch.randn(2, codec.n_samples) * torch.linspace(1, 0, codec.n_samples))
    kept = KINDS[kind].keep(pictures)
    assert kept.element_size() == (2 if kind == "log-mel" else 1) and kept.shape[1] == 1
    assert torch.allclose(KINDS[kind].restore(kept), pictures, atol=0.004 if kind == "log-mel" else 1e-6)


def test_starters_are_small_and_full_size_is_the_published() -> None:
    for name in STARTERS.values():
        settings = load_yaml(config_path("train", name), Settings)
        vae = build_vae(KINDS[settings.picture.codec].published, settings.vae)
        assert 2 * sum(parameter.numel() for parameter in vae.parameters()) < 2e6
    counts = {}
    for name in ("mel", "riffusion", "log-mel"):
        settings = load_yaml(config_path("train", f"autoencoder-{name}-sane"), Settings)
        with torch.device("meta"):
            vae = build_vae(KINDS[settings.picture.codec].published, settings.vae)
        counts[name] = sum(parameter.numel() for parameter in vae.parameters())
    assert counts == {"mel": 83_607_691, "riffusion": 83_653_863, "log-mel": 55_376_873}


def test_what_cannot_be_is_refused_in_one_line(corpus: Path) -> None:
    odd = {**PICTURES["log-mel"], "n_frames": 33}
    with pytest.raises(TrainingError, match="n_frames is 33; these levels need a multiple of 2"):
        built(corpus, "log-mel", picture=odd)
    with pytest.raises(TrainingError, match="vae: there is no such network"):
        built(corpus, "log-mel", vae={**VAE, "norm_num_groups": 5})


def test_latents_that_do_not_differ_are_not_exported(corpus: Path) -> None:
    task = built(corpus, "log-mel")
    with torch.no_grad():
        task.vae.quant_conv.weight.zero_()
        task.vae.quant_conv.bias.fill_(-30.0)
    assert float(posterior_of(task.vae, task.batch(0)).log_variance.max()) == -30.0
    with pytest.raises(TrainingError, match="the latents have a deviation of"):
        task.latent_std()

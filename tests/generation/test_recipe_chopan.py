"""Recipe of ChopAN at toy size: batches, learning, and a folder that the registry loads and plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from generation.errors import TrainingError
from generation.registry import load_model
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.chopan_export import load_clip
from generation.training.recipes import clip
from generation.training.recipes.chopan import ChopANTask, Settings, build
from generation.training.trainer import train
from tests.generation.toy_chopan import write_corpus

CLIP = clip.Settings(
    steps=2, batch_size=8, learning_rate=1e-3, validate_every=2, checkpoint_every=2,
    vision_width=4, text_width=32, text_layers=1, embedding_size=16, context_length=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def clip_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    record = {"corpus": {"name": "computed tones", "licence": "MIT", "attribution": None, "url": None}}
    return train(clip.build(corpus, CLIP, "cpu"), CLIP, tmp_path_factory.mktemp("clip"), record=record).folder


def toy(clip_folder: Path, **changes: object) -> Settings:
    numbers: dict[str, object] = {
        "clip": str(clip_folder), "steps": 10, "batch_size": 8, "learning_rate": 3e-3, "clip_norm": None,
        "validate_every": 10, "checkpoint_every": 10, "channels": (8, 8, 8, 8, 8), "latent_size": 16,
        "mix_share": 0.5, "input_noise": 0.02, "bank_size": 12, "bank_dtype": "uint8",
    }  # fmt: skip
    return Settings(**{**numbers, **changes})


@pytest.fixture(scope="module")
def task(corpus: Path, clip_folder: Path) -> ChopANTask:
    torch.manual_seed(0)
    return build(corpus, toy(clip_folder), "cpu")


@pytest.mark.parametrize("name", ["chopan", "chopan-thesis"])
def test_shipped_settings_load_and_mean_the_exact_network(name: str) -> None:
    settings = load_yaml(config_path("train", name), Settings)
    assert (settings.channels, settings.latent_size) == ((512, 256, 128, 64, 32), 128)
    assert settings.reconstruction_weight == 1e6
    thesis = name == "chopan-thesis"
    assert (settings.mix_share == settings.input_noise == 0.0) is thesis


def test_a_batch_is_a_function_of_its_step(task: ChopANTask, corpus: Path, clip_folder: Path) -> None:
    again = build(corpus, toy(clip_folder), "cpu")
    assert torch.equal(task.batch(3).seen, again.batch(3).seen)
    assert not torch.equal(task.batch(3).wanted, task.batch(4).wanted)


def test_the_encoder_sees_noise_that_is_not_wanted_back(task: ChopANTask) -> None:
    batch = task.batch(0)
    inside = (batch.wanted > 0.1) & (batch.wanted < 0.9)
    assert float((batch.seen - batch.wanted)[inside].std()) == pytest.approx(0.02, rel=0.1)
    assert 0.0 <= float(batch.seen.min()) <= float(batch.seen.max()) <= 1.0


def test_faithful_batches_are_the_recordings(corpus: Path, clip_folder: Path) -> None:
    task = build(corpus, toy(clip_folder, mix_share=0.0, input_noise=0.0), "cpu")
    batch = task.batch(0)
    assert torch.equal(batch.seen, batch.wanted)
    assert torch.equal(batch.wanted, task.train.take(task.train.draw(0, 0, 8)))


def test_mixtures_are_of_one_family_and_pitch_with_the_first_note_loudest(task: ChopANTask) -> None:
    mixture = task.mixer.mixture(0, np.random.default_rng(0))
    first = task.train.notes[0]
    alike = [i for i, n in enumerate(task.train.notes) if (n.family, n.pitch) == (first.family, first.pitch)]
    parts = task.train.take(alike)
    assert mixture.shape == (1, 256, 64)
    assert bool((mixture >= parts.amin(0) - 1e-6).all() and (mixture <= parts.amax(0) + 1e-6).all())
    unrelated = next(i for i, n in enumerate(task.train.notes) if n.family != first.family)
    assert (mixture - parts[0]).abs().mean() < (mixture - task.train.take([unrelated])[0]).abs().mean()


def test_a_missing_clip_is_known_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no CLIP; give the model folder of a 'train clip' run"):
        load_clip(str(tmp_path))


def test_learns_and_exports_a_model_that_plays(task: ChopANTask, tmp_path: Path) -> None:
    with torch.no_grad():
        before = float(task.loss(task.batch(50), 50)[0])
    result = train(task, task.settings, tmp_path, record={"command": "nightcrate train chopan"})
    with torch.no_grad():
        after = float(task.loss(task.batch(50), 50)[0])
    assert after < before
    assert result.figures["valid_error_db"] > 0 and result.figures["kl"] > 0
    model = load_model(result.folder)
    assert model.card.commercial == "yes" and model.card.trained_by == "nightcrate train chopan"
    assert [link.name for link in model.card.licence_chain] == ["computed tones", "computed tones"]
    assert model.card.licence_chain[0].attribution == "Tones by nobody (MIT)"
    clips = model.generate(["synthetic bass", "acoustic flute"], [1, 2], notes=[45, None])
    again = model.generate(["acoustic flute"], [2])
    assert [clip.samples.shape for clip in clips] == [(1, 16128)] * 2
    assert np.abs(again[0].samples - clips[1].samples).max() < 1e-4
    assert set(clips[0].sources) <= {note.note_str for note in task.train.notes}


def test_exported_weights_are_half_precision_and_small(task: ChopANTask, tmp_path: Path) -> None:
    task.export(tmp_path, task.module)
    files = {path.parent.name: path.stat().st_size for path in tmp_path.rglob("*.safetensors")}
    assert set(files) == {"clip", "bank", "vae"}
    trained = sum(p.numel() for p in task.module.parameters())
    assert 2 * trained < files["vae"] < 2 * trained + 20_000
    assert next(task.module.parameters()).dtype == torch.float32


def test_the_loss_is_computed_in_float32_under_autocast(task: ChopANTask) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        loss, figures = task.loss(task.batch(0), 0)
    assert loss.dtype == torch.float32 and figures["mse"] > 0

"""The six denoising recipes at toy size: trained, exported, loaded in a fresh process, only the U-Net changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file

from flows.train import run_recipe
from generation.audio import Clip
from generation.registry import load_model
from tests.generation.toy_parts import RECIPES, overrides, write_parts
from tests.toy_corpus import write_toy_corpus

FROZEN = {
    "audio-diffusion": {"text_encoder": "t5"},
    "audio-latent-diffusion": {"text_encoder": "t5", "vae": "mel"},
    "riffusion": {"text_encoder": "clip-text", "vae": "riffusion"},
    "tango-clean": {"text_encoder": "t5", "vae": "log-mel", "vocoder": "vocoder"},
}
FINE_TUNED = {"riffusion-ft": "riffusion", "tango-ft": "tango-clean"}

_FRESH = """
import sys, numpy, torch
torch.set_num_threads(1)
from pathlib import Path
from generation.registry import load_model
for name in sys.argv[2:]:
    clips = load_model(Path(sys.argv[1]) / name / "model").generate(["dark bass", "flute"], [3, 4], steps=3)
    numpy.save(Path(sys.argv[1]) / f"{name}.npy", numpy.stack([clip.samples for clip in clips]))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def runs(corpus: Path, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every recipe, from its starter configuration."""
    root = tmp_path_factory.mktemp("runs")
    for recipe in RECIPES:
        run_recipe(recipe, overrides(recipe, parts, root), corpus, root / recipe, device="cpu")
    return root


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def generated(folder: Path) -> list[Clip]:
    return load_model(folder).generate(["dark bass", "flute"], [3, 4], steps=3)


def test_a_fresh_process_makes_the_same_sounds(runs: Path) -> None:
    subprocess.run([sys.executable, "-c", _FRESH, runs, *RECIPES], check=True)
    for recipe in RECIPES:
        here = np.stack([clip.samples for clip in generated(runs / recipe / "model")])
        assert np.array_equal(here, np.load(runs / f"{recipe}.npy")), recipe
        assert np.isfinite(here).all() and not np.array_equal(here[0], here[1])


@pytest.mark.parametrize("recipe", RECIPES)
def test_frozen_parts_are_exported_as_they_came(runs: Path, parts: Path, recipe: str) -> None:
    model = runs / recipe / "model"
    names = FROZEN.get(recipe) or dict.fromkeys(FROZEN[FINE_TUNED[recipe]], "")
    for part, source in names.items():
        origin = parts / source if source else runs / FINE_TUNED[recipe] / "model"
        before, after = weights(origin / part), weights(model / part)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name].half(), after[name]) for name in before), part


@pytest.mark.parametrize(("recipe", "base"), FINE_TUNED.items())
def test_fine_tuning_changes_the_network_of_its_base(runs: Path, recipe: str, base: str) -> None:
    before, after = weights(runs / base / "model" / "unet"), weights(runs / recipe / "model" / "unet")
    assert before.keys() == after.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > 0.9 * len(before)
    # A few steps of 1e-2: from the base's weights, not from new ones.
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 0.1


@pytest.mark.parametrize("recipe", RECIPES)
def test_cards_say_what_was_trained_on_what(runs: Path, recipe: str) -> None:
    card = load_model(runs / recipe / "model").card
    techniques = {"riffusion-ft": "riffusion", "tango-clean": "tango", "tango-ft": "tango"}
    assert card.technique == techniques.get(recipe, recipe)
    assert (card.name, card.tier, card.prompt_style) == (f"{recipe}-own", "own", "caption")
    assert (card.defaults.steps, card.defaults.guidance_scale) == (50, 3.0)
    assert card.commercial == "yes"
    assert card.trained_by and card.trained_by.startswith(f"nightcrate train {recipe} ")
    named = {link.name for link in card.licence_chain}
    sources = FROZEN[FINE_TUNED.get(recipe, recipe)].values()
    assert named == {"toy corpus"} | {f"tones of {source}" for source in sources}


def test_a_longer_picture_makes_longer_sounds(runs: Path) -> None:
    short, long = (generated(runs / recipe / "model")[0] for recipe in ("tango-clean", "tango-ft"))
    assert (short.samples.shape[1], long.samples.shape[1]) == (32 * 160, 48 * 160)


@pytest.mark.parametrize("recipe", RECIPES)
def test_samples_are_sounds_and_pictures(runs: Path, recipe: str) -> None:
    folder = runs / recipe / "samples" / "step_000003"
    sounds, pictures = sorted(folder.glob("*.wav")), sorted(folder.glob("*.png"))
    assert len(sounds) == len(pictures) == 4
    model = load_model(runs / recipe / "model")
    samples, rate_hz = soundfile.read(sounds[0])
    assert rate_hz == model.card.sample_rate_hz and len(samples) / rate_hz == pytest.approx(model.card.length_s)
    frames = {"tango-clean": 32, "tango-ft": 48}.get(recipe, 16)
    assert Image.open(pictures[0]).size == (frames, 16)


@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_are_half_precision_and_nothing_is_a_pickle(runs: Path, recipe: str) -> None:
    files = [path for path in (runs / recipe / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".yaml", ".csv", ".png"}
    kept = [tensor for path in files if path.suffix == ".safetensors" for tensor in load_file(path).values()]
    assert {tensor.dtype for tensor in kept} == {torch.float16}

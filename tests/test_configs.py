"""Every shipped configuration loads through the model that reads it, and no file lies where nothing reads it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.evaluation.settings import read_evaluation
from flows.judging import read_judging
from flows.settings import read_night
from flows.train import RECIPES
from generation.cards import read_card
from generation.shipped import config_path, configs_dir
from generation.strict_yaml import load_yaml
from generation.training.settings import TrainSettings

FILES = sorted(path.relative_to(configs_dir()) for path in configs_dir().rglob("*") if path.is_file())


def read_recipe(name: str) -> object:
    # A recipe's presets bear its name: chopan, chopan-thesis; of riffusion-ft-sane it is not riffusion.
    owner = max((recipe for recipe in RECIPES if f"{name}-".startswith(f"{recipe}-")), key=len)
    recipe = importlib.import_module(RECIPES[owner])
    return load_yaml(config_path("train", name), recipe.Settings)


READERS: dict[str, Callable[[str], object]] = {
    "evaluate": read_evaluation,
    "gate": read_judging,
    "models": read_card,
    "night": read_night,
    "train": read_recipe,
}


def test_there_are_configurations() -> None:
    assert {file.parent.name for file in FILES} == set(READERS)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_it_loads(file: Path) -> None:
    assert file.suffix == ".yaml" and len(file.parts) == 2
    assert READERS[file.parent.name](file.stem) is not None


def test_every_recipe_has_its_configuration() -> None:
    assert {file.stem for file in FILES if file.parent.name == "train"} >= set(RECIPES)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_it_says_what_it_is_for(file: Path) -> None:
    first = (configs_dir() / file).read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and len(first) > 20


@pytest.mark.parametrize(
    ("name", "learning_rate", "schedule", "at_once"),
    [
        ("chopan-thesis", 5e-4, "linear", 64),
        ("audio-diffusion-thesis", 1e-4, "cosine", 64),
        ("audio-latent-diffusion-thesis", 1e-4, "cosine", 48),
        ("riffusion-ft-thesis", 1e-4, "linear", 12),
        ("tango-ft-thesis", 3e-8, "linear", 8),
    ],
)
def test_the_presets_of_the_thesis_train_as_it_says(
    name: str, learning_rate: float, schedule: str, at_once: int
) -> None:
    settings = read_recipe(name)
    assert isinstance(settings, TrainSettings)
    assert (settings.learning_rate, settings.schedule) == (learning_rate, schedule)
    assert settings.batch_size * settings.accumulation == at_once

"""Which schedulers a pipeline of diffusers can have: those that know the times its network was trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generation.errors import CardError
from generation.registry import LoadedModel, load_model
from generation.sampling import check_sampling
from tests.generation.toy_any_diffusers import ANY_DEFAULTS, ANY_TOYS, AnyToys, write_any_toy_card, write_any_toys
from tests.generation.toy_flow_matching import FLOW_TOYS, toy_long_cat

EVERY: AnyToys = {**ANY_TOYS, **FLOW_TOYS}
FITTING = ["ddpm", "ddim", "dpm-solver++", "euler-ancestral"]
"""What fits a network that was trained on a thousand numbered times, as AudioLDM 2's."""
EDM = "edm-dpm-solver++"
REFUSED = [
    *[("stable-audio", "EDMDPMSolverMultistepScheduler", name) for name in FITTING],
    ("audioldm2", "DDIMScheduler", EDM),
    *[
        (model, "FlowMatchEulerDiscreteScheduler", each)
        for model in ("long-cat", "stable-audio-3")
        for each in ("ddim", EDM)
    ],
]


def card(folder: Path, name: str, **defaults: Any) -> Path:
    return write_any_toy_card(folder, name, EVERY, defaults={**ANY_DEFAULTS, **defaults})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four, saved as diffusers saves them, with a card each."""
    return write_any_toys(tmp_path_factory.mktemp("pipelines"), EVERY)


@pytest.fixture(scope="module")
def models(folders: Path) -> dict[str, LoadedModel]:
    return {name: load_model(folders / name) for name in EVERY}


@pytest.fixture
def copy(folders: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies one of the folders and gives it other defaults."""
    return lambda name, **defaults: card(shutil.copytree(folders / name, tmp_path / name), name, **defaults)


def wave(model: LoadedModel, **asked: Any) -> np.ndarray:
    return model.generate(["dark bass"], [1], **asked)[0].samples


def rename(folder: Path, scheduler: str) -> None:
    """Let a folder's index name another class as its scheduler's."""
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "scheduler": ["diffusers", scheduler]}))


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(CardError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "saved", "scheduler"), REFUSED)
def test_one_that_does_not_fit_is_refused_everywhere(
    models: dict[str, LoadedModel], copy: Callable[..., Path], folders: Path, name: str, saved: str, scheduler: str
) -> None:
    """It would tell the network times that mean nothing to it, and noise would come out without a word."""
    line = refused(lambda: wave(models[name], scheduler=scheduler))
    assert line.startswith(f"{name}: scheduler: {scheduler} came") and saved in line
    possible = {"stable-audio": [EDM], "audioldm2": FITTING}.get(name, [])
    offered = line.split(saved)[1]
    assert [each for each in (*FITTING, EDM) if f" {each}" in offered.replace(",", "")] == possible
    assert "leave it out" in offered
    assert refused(lambda: check_sampling(folders / name, scheduler=scheduler)) == line
    own = copy(name, scheduler=scheduler)
    assert line in refused(lambda: load_model(own))
    assert refused(lambda: check_sampling(own)) == line


@pytest.mark.parametrize("scheduler", FITTING)
def test_one_that_fits_makes_another_sound(models: dict[str, LoadedModel], folders: Path, scheduler: str) -> None:
    check_sampling(folders / "audioldm2", scheduler=scheduler)
    made, usual = wave(models["audioldm2"], scheduler=scheduler), wave(models["audioldm2"])
    assert np.isfinite(made).all()
    assert np.array_equal(made, usual) == (scheduler == "ddim")


@pytest.mark.parametrize(("name", "scheduler"), [("stable-audio", EDM), ("audioldm2", "ddim")])
def test_the_saved_one_by_its_name_is_the_saved_one(models: dict[str, LoadedModel], name: str, scheduler: str) -> None:
    assert np.array_equal(wave(models[name], scheduler=scheduler), wave(models[name]))


def test_the_cards_scheduler_takes_the_place_of_the_saved_one(
    models: dict[str, LoadedModel], copy: Callable[..., Path]
) -> None:
    usual, own = models["audioldm2"], load_model(copy("audioldm2", scheduler="dpm-solver++"))
    assert np.array_equal(wave(own), wave(usual, scheduler="dpm-solver++"))
    assert np.array_equal(wave(own, scheduler="ddim"), wave(usual))


@pytest.mark.parametrize("name", EVERY)
def test_an_unknown_one_is_refused(models: dict[str, LoadedModel], copy: Callable[..., Path], name: str) -> None:
    line = refused(lambda: wave(models[name], scheduler="edm"))
    assert line.startswith(f"{name}: there is no scheduler 'edm'")
    fitting = {"stable-audio": [EDM], "audioldm2": sorted(FITTING)}.get(name, [])
    assert f"(known: {', '.join(fitting) or 'none'})" in line
    own = copy(name, scheduler="edm")
    assert line in refused(lambda: load_model(own)) and refused(lambda: check_sampling(own, steps=3)) == line


@pytest.mark.parametrize("scheduler", [None, *FITTING])
def test_more_steps_than_it_was_trained_on_are_refused(
    models: dict[str, LoadedModel], copy: Callable[..., Path], folders: Path, scheduler: str | None
) -> None:
    line = refused(lambda: wave(models["audioldm2"], steps=101, scheduler=scheduler))
    assert "audioldm2: 101 steps were asked for; it was trained on 100" in line
    assert refused(lambda: check_sampling(folders / "audioldm2", steps=101, scheduler=scheduler)) == line
    assert line in refused(lambda: load_model(copy("audioldm2", steps=101)))


def test_a_scheduler_is_of_the_class_that_the_index_names(copy: Callable[..., Path]) -> None:
    """As diffusers has it, whatever class the configuration was written by."""
    folder = copy("audioldm2")
    rename(folder, "EDMDPMSolverMultistepScheduler")
    line = refused(lambda: wave(load_model(folder), scheduler="ddim"))
    assert "EDMDPMSolverMultistepScheduler" in line
    assert refused(lambda: check_sampling(folder, scheduler="ddim")) == line


# -------------------- a scheduler that the pipeline makes itself


@pytest.mark.parametrize(("name", "shape"), [("long-cat", (1, 800)), ("stable-audio-3", (2, 2000))])
def test_flow_matching_makes_the_cards_length(
    models: dict[str, LoadedModel], folders: Path, name: str, shape: tuple[int, int]
) -> None:
    both = models[name].generate(["bright flute", "dark bass"], [2, 1])
    assert [clip.samples.shape for clip in both] == [shape, shape]
    assert np.isfinite(both[0].samples).all() and np.array_equal(both[1].samples, wave(models[name]))
    for changed in ({"steps": 4}, {"guidance_scale": 1.0}):
        assert not np.allclose(wave(models[name], **changed), both[1].samples, atol=1e-7)
    check_sampling(folders / name, steps=2000, guidance_scale=2.0)


def test_one_that_a_folder_brings_is_used(models: dict[str, LoadedModel], copy: Callable[..., Path]) -> None:
    folder = copy("long-cat")
    assert not (folder / "scheduler").exists()
    pipeline = toy_long_cat()
    pipeline.scheduler.save_pretrained(folder / "scheduler")
    assert np.array_equal(wave(load_model(folder)), wave(models["long-cat"]))
    type(pipeline.scheduler)(shift=3.0, invert_sigmas=True).save_pretrained(folder / "scheduler")
    assert not np.allclose(wave(load_model(folder)), wave(models["long-cat"]))


def test_another_kind_than_the_pipeline_makes_is_not_left_out(copy: Callable[..., Path]) -> None:
    folder = copy("long-cat")
    rename(folder, "PNDMScheduler")
    assert "scheduler (its folder is missing)" in refused(lambda: load_model(folder))


def test_what_is_no_scheduler_is_not_called(copy: Callable[..., Path]) -> None:
    """An index may name anything; a damaged folder is not judged, and is refused when it is loaded."""
    folder = copy("long-cat")
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "scheduler": ["sys", "exit"]}))
    check_sampling(folder, scheduler="ddim")
    assert "scheduler" in refused(lambda: load_model(folder))


# -------------------- Stable Audio Open


def test_stable_audio_open_has_the_times_of_its_own_scheduler(copy: Callable[..., Path]) -> None:
    """Its network is told the angle of a noise level, EDM's the logarithm, though both have the same settings."""
    folder = copy("stable-audio")
    scheduler = "CosineDPMSolverMultistepScheduler"
    written = json.dumps({"_class_name": scheduler, "sigma_min": 0.3, "sigma_max": 500, "sigma_data": 1.0})
    (folder / "scheduler/scheduler_config.json").write_text(written)
    rename(folder, scheduler)
    model = load_model(folder)
    assert np.isfinite(wave(model)).all() and np.array_equal(wave(model), wave(model))
    line = refused(lambda: wave(model, scheduler=EDM))
    assert line.endswith(f"{scheduler}: leave it out")
    assert refused(lambda: check_sampling(folder, scheduler=EDM)) == line

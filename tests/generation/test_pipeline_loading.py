"""Diffusion pipelines saved and loaded: the same sound in a fresh process, cards, halves, Clips, the registry."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation import registry
from generation.errors import CardError, ConfigError, GenerationError
from generation.pipelines import audio_diffusion, riffusion, tango
from generation.pipelines.denoising import SCHEDULERS
from generation.pipelines.diffusion_model import DiffusionModel
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, toy_card, write_toys

MODULES: dict[str, Any] = {
    "audio-diffusion": audio_diffusion,
    "audio-latent-diffusion": audio_diffusion,
    "riffusion": riffusion,
    "tango": tango,
}
CODECS = {
    "audio-diffusion": ["generation.codecs.mel_image", "MelImageCodec"],
    "audio-latent-diffusion": ["generation.codecs.mel_image", "MelImageCodec"],
    "riffusion": ["generation.codecs.riffusion_image", "RiffusionImageCodec"],
    "tango": ["generation.codecs.log_mel", "LogMelCodec"],
}

_FRESH = """
import sys, numpy, torch
torch.set_num_threads(1)
from pathlib import Path
from generation.pipelines.audio_diffusion import AudioDiffusionTextPipeline
from generation.pipelines.riffusion import RiffusionAudioPipeline
from generation.pipelines.tango import TangoPipeline
classes = dict.fromkeys(["audio-diffusion", "audio-latent-diffusion"], AudioDiffusionTextPipeline)
classes |= {"riffusion": RiffusionAudioPipeline, "tango": TangoPipeline}
for name, pipeline_class in classes.items():
    pipeline = pipeline_class.from_pretrained(Path(sys.argv[1]) / name)
    waves = pipeline(["bass", "acoustic bright flute"], [3, 4], 3, scheduler="dpm-solver++").waves
    numpy.save(Path(sys.argv[1]) / f"{name}.npy", waves)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every toy saved under its technique's name."""
    return write_toys(tmp_path_factory.mktemp("toys"))


def test_a_fresh_process_makes_the_same_sounds(folders: Path) -> None:
    subprocess.run([sys.executable, "-c", _FRESH, folders], check=True)
    for technique, make in TOYS.items():
        prompts, there = ["bass", "acoustic bright flute"], np.load(folders / f"{technique}.npy")
        loaded = registry.load_model(folders / technique)._technique
        assert isinstance(loaded, DiffusionModel)
        here = loaded.pipeline(prompts, [3, 4], 3, scheduler="dpm-solver++").waves
        assert np.array_equal(here, there)
        built = make()(prompts, [3, 4], 3, scheduler="dpm-solver++").waves
        assert np.abs(built - there).max() < 1e-4


@pytest.mark.parametrize("technique", TOYS)
def test_saved_folders_name_components_by_frozen_paths(folders: Path, technique: str) -> None:
    index = TOYS[technique]().load_config(folders / technique)
    assert index["codec"] == CODECS[technique]
    others = {name: value[0] for name, value in index.items() if isinstance(value, list) and name != "codec"}
    expected = {"text_encoder", "tokenizer", "unet", "scheduler", "vae"} | (
        {"vocoder"} if technique == "tango" else set()
    )
    assert set(others) == expected
    missing = {name for name, library in others.items() if library is None}
    assert missing == ({"vae"} if technique == "audio-diffusion" else set())
    assert set(others.values()) - {None} == {"diffusers", "transformers"}


@pytest.mark.parametrize("technique", TOYS)
def test_the_registry_loads_a_folder_and_makes_clips(folders: Path, technique: str) -> None:
    model = registry.load_model(folders / technique)
    assert model.technique_version == MODULES[technique].TECHNIQUE_VERSION
    clips = model.generate([SHORT, LONG], [3, 4])
    again = model.generate([LONG], [4], steps=3, guidance_scale=2.0)
    assert all(clip.samples.dtype == np.float32 and clip.channels == 1 and clip.sources == () for clip in clips)
    assert [clip.duration_s for clip in clips] == pytest.approx([model.card.length_s] * 2)
    assert np.abs(clips[1].samples - again[0].samples).max() < 1e-4
    assert np.abs(clips[1].samples - model.generate([LONG], [4], steps=5)[0].samples).max() > 1e-4
    sampled = [model.generate([LONG], [4], scheduler=name)[0].samples for name in SCHEDULERS]
    for first, second in combinations(sampled, 2):
        assert np.abs(first - second).max() > 1e-4
    with pytest.raises(GenerationError, match=r"no scheduler 'ddpn'; did you mean 'ddpm'"):
        model.generate([LONG], [4], scheduler="ddpn")


def test_a_note_asked_for_goes_into_the_text(folders: Path) -> None:
    technique = registry.load_model(folders / "tango")._technique
    asked = technique.generate(["synthetic dark keyboard"], [3], 3, None, [45])
    said = technique.generate(["synthetic dark keyboard, A2"], [3], 3, None, [None])
    without = technique.generate(["synthetic dark keyboard"], [3], 3, None, None)
    assert np.array_equal(asked[0].samples, said[0].samples)
    assert not np.array_equal(asked[0].samples, without[0].samples)
    with pytest.raises(GenerationError, match="1 prompts, 2 notes came"):
        technique.generate(["bass"], [3], None, None, [1, 2])
    with pytest.raises(ConfigError, match="MIDI note 200"):
        technique.generate(["bass"], [3], None, None, [200])


@pytest.mark.parametrize("technique", TOYS)
def test_weights_saved_in_halves_are_computed_in_single_precision(technique: str, tmp_path: Path) -> None:
    pipeline = TOYS[technique]()
    pipeline.to(torch.float16).save_pretrained(tmp_path)
    loaded = MODULES[technique].load(tmp_path, toy_card(technique, pipeline), "cpu")
    networks = [part for part in loaded.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert {weight.dtype for part in networks for weight in part.parameters()} == {torch.float32}
    assert len(networks) == {"audio-diffusion": 2, "tango": 4}.get(technique, 3)
    assert not any(part.training for part in networks)
    assert np.isfinite(loaded.generate([SHORT], [1], 2, None, None)[0].samples).all()


@pytest.mark.parametrize("technique", TOYS)
def test_a_folder_that_does_not_fit_its_card_is_one_line(folders: Path, tmp_path: Path, technique: str) -> None:
    load, pipeline = MODULES[technique].load, TOYS[technique]()

    def refused(folder: Path, **changes: Any) -> str:
        with pytest.raises(CardError) as error:
            load(folder, toy_card(technique, pipeline, **changes), "cpu")
        assert "\n" not in str(error.value)
        return str(error.value)

    folder = folders / technique
    assert f"no {technique} pipeline is here" in refused(tmp_path)
    assert "makes sound at 16000 Hz, but its card says 44100 Hz" in refused(folder, sample_rate_hz=44100)
    assert "did you mean 'ddim'" in refused(folder, defaults={"scheduler": "ddin"})
    if technique != "tango":
        assert "this model's sounds last" in refused(folder, length_s=9.0)
    (tmp_path / "model_index.json").write_text('{"_class_name": "Other", "codec": [null, null]}')
    assert f"cannot be loaded as a {technique} pipeline" in refused(tmp_path)


def test_the_card_chooses_scheduler_and_length(folders: Path) -> None:
    pipeline = TOYS["tango"]()
    card = toy_card("tango", pipeline, defaults={"steps": 3, "scheduler": "ddim"}, length_s=0.64)
    model = registry.LoadedModel(card, "", "", tango.load(folders / "tango", card, "cpu"))
    clip = model.generate([SHORT], [3], guidance_scale=2.0)[0]
    assert clip.samples.shape == (1, 64 * 160)
    expected = pipeline([SHORT], [3], 3, 2.0, scheduler="ddim", duration_s=0.64).waves
    assert np.abs(clip.samples - expected).max() < 1e-4


def test_a_length_can_be_asked_for_where_any_can_be_made(folders: Path) -> None:
    model = registry.load_model(folders / "tango")
    assert model.generate([SHORT], [3], length_s=0.64)[0].samples.shape == (1, 64 * 160)
    assert model.generate([SHORT], [3])[0].samples.shape == (1, 32 * 160)
    for wrong in (0, -1.0, float("nan"), True, "4"):
        with pytest.raises(GenerationError, match="a number of seconds above 0 is needed"):
            model.generate([SHORT], [3], length_s=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("technique", [name for name in TOYS if name != "tango"])
def test_another_length_than_its_pictures_hold_is_refused(folders: Path, technique: str) -> None:
    model = registry.load_model(folders / technique)
    with pytest.raises(GenerationError, match="9 s were asked for; this model's sounds last"):
        model.generate([SHORT], [3], length_s=9.0)
    usual = model.generate([SHORT], [3])[0]
    assert np.array_equal(model.generate([SHORT], [3], length_s=model.card.length_s)[0].samples, usual.samples)


def test_chopans_sounds_have_one_length() -> None:
    model = registry.load_model("chopan-starter")
    with pytest.raises(GenerationError, match="4 s were asked for; this model's sounds last"):
        model.generate(["acoustic guitar"], [1], length_s=4.0)

"""A new model is one card: pipelines of diffusers itself, saved, loaded by their folder and played."""

from __future__ import annotations

import io
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from transformers import GPT2LMHeadModel

from generation.errors import CardError, GenerationError
from generation.portions import is_out_of_memory
from generation.registry import LoadedModel, load_model
from tests.generation.toy_any_diffusers import ANY_TOYS, toy_stable_audio, write_any_toy_card, write_any_toys
from tests.generation.toy_diffusion import WIDTH


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pipelines, saved with a card each."""
    return write_any_toys(tmp_path_factory.mktemp("pipelines"))


@pytest.fixture(scope="module")
def models(folders: Path) -> dict[str, LoadedModel]:
    return {name: load_model(folders / name) for name in ANY_TOYS}


@pytest.mark.parametrize(("name", "shape"), [("stable-audio", (2, 1000)), ("audioldm2", (1, 2560))])
def test_it_makes_the_cards_length_in_all_its_channels(
    models: dict[str, LoadedModel], name: str, shape: tuple[int, int]
) -> None:
    clip = models[name].generate(["dark bass"], [1])[0]
    assert clip.samples.shape == shape and clip.sample_rate_hz == ANY_TOYS[name][1]["sample_rate_hz"]
    assert np.isfinite(clip.samples).all() and clip.samples.std() > 0
    if shape[0] == 2:
        assert not np.array_equal(clip.samples[0], clip.samples[1])


@pytest.mark.parametrize("name", ANY_TOYS)
def test_a_sound_depends_on_its_own_prompt_note_and_seed(models: dict[str, LoadedModel], name: str) -> None:
    model = models[name]
    both = model.generate(["bright flute", "dark bass"], [1, 2], notes=[None, 45])
    alone = model.generate(["dark bass, A2"], [2])[0]
    assert np.array_equal(both[1].samples, alone.samples)
    for other in (
        model.generate(["dark bass, A2"], [3]),
        model.generate(["bright flute"], [2]),
        model.generate(["dark bass, A2"], [2], steps=2),
        model.generate(["dark bass, A2"], [2], guidance_scale=1.0),
    ):
        assert not np.allclose(other[0].samples, alone.samples, atol=1e-7)
    assert np.array_equal(model.generate(["dark bass, A2"], [2])[0].samples, alone.samples)


def test_more_than_two_channels_are_refused(tmp_path: Path) -> None:
    toy_stable_audio(channels=4).save_pretrained(tmp_path / "model")
    model = load_model(write_any_toy_card(tmp_path / "model", "stable-audio"))
    with pytest.raises(CardError, match="stable-audio: its pipeline made 4 channels; mono or stereo is needed"):
        model.generate(["dark bass"], [1])


def test_a_card_that_disagrees_is_one_line(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "stable-audio", tmp_path / "model")
    write_any_toy_card(tmp_path / "model", "stable-audio", sample_rate_hz=44100)
    with pytest.raises(CardError, match="makes sound at 4000 Hz, but its card says 44100 Hz"):
        load_model(tmp_path / "model")
    write_any_toy_card(tmp_path / "model", "stable-audio", length_s=10.0)
    with pytest.raises(
        CardError, match=r"stable-audio: its pipeline fails \(ValueError: The total audio length"
    ) as caught:
        load_model(tmp_path / "model").generate(["dark bass"], [1])
    assert "\n" not in str(caught.value)
    with pytest.raises(GenerationError, match="1 prompts, 1 seeds, 2 notes"):
        load_model(folders / "stable-audio").generate(["dark bass"], [1], notes=[1, 2])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (None, "holds a None, which this version of diffusers does not have"),
        ("MyOwnPipeline", "holds a MyOwnPipeline, which this version of diffusers does not have"),
        ("StableDiffusionPipeline", "cannot be loaded as a StableDiffusionPipeline"),
        ("AutoencoderKL", "holds a AutoencoderKL, which this version of diffusers does not have"),
    ],
)
def test_only_diffusers_own_sound_pipelines_are_run(folders: Path, tmp_path: Path, name: str | None, told: str) -> None:
    shutil.copytree(folders / "stable-audio", tmp_path / "model")
    (tmp_path / "model/model_index.json").write_text(json.dumps({"_class_name": name}))
    with pytest.raises(CardError, match=told):
        load_model(tmp_path / "model")


def test_pickled_weights_are_not_opened(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "stable-audio", tmp_path / "model")
    weights = tmp_path / "model/transformer/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CardError, match="cannot be loaded as a StableAudioPipeline"):
        load_model(tmp_path / "model")


# -------------------- what goes wrong while it plays


def test_whatever_a_pipeline_raises_is_one_line(tmp_path: Path) -> None:
    pipeline = toy_stable_audio()
    pipeline.register_modules(
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=WIDTH, conditioning_dim=6, min_value=0, max_value=32
        )
    )
    pipeline.save_pretrained(tmp_path / "model")
    with pytest.raises(CardError, match=r"^stable-audio: its pipeline fails \(RuntimeError: .*shapes cannot") as caught:
        load_model(write_any_toy_card(tmp_path / "model", "stable-audio")).generate(["dark bass"], [1])
    assert "\n" not in str(caught.value)


def test_a_lack_of_memory_stays_one(folders: Path, tmp_path: Path) -> None:
    """Whoever asked for several sounds at once goes on with fewer."""
    shutil.copytree(folders / "audioldm2", tmp_path / "model")
    beyond_any_machine = write_any_toy_card(tmp_path / "model", "audioldm2", length_s=1e11)
    model = load_model(beyond_any_machine)
    with pytest.raises(RuntimeError) as caught:
        model.generate(["dark bass"], [1])
    assert is_out_of_memory(caught.value)


def test_a_long_prompt_is_not_told_again(models: dict[str, LoadedModel]) -> None:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    for library in ("diffusers", "transformers"):
        logging.getLogger(library).addHandler(handler)
    models["audioldm2"].generate(["dark bass " * 10_000], [1])
    for library in ("diffusers", "transformers"):
        logging.getLogger(library).removeHandler(handler)
    assert told.getvalue() == ""


# -------------------- folders of other years


def test_audioldm2_from_before_its_language_model_had_a_head(folders: Path, tmp_path: Path) -> None:
    """The published ones name GPT2Model, which no longer has what the pipeline calls; the weights are the same."""
    shutil.copytree(folders / "audioldm2", tmp_path / "model")
    place = tmp_path / "model/language_model"
    GPT2LMHeadModel.from_pretrained(place).transformer.save_pretrained(place)
    (place / "generation_config.json").unlink()
    rename(tmp_path / "model", language_model=["transformers", "GPT2Model"])
    old, new = (
        load_model(folder).generate(["dark bass"], [1])[0] for folder in (tmp_path / "model", folders / "audioldm2")
    )
    assert np.array_equal(old.samples, new.samples)


def rename(folder: Path, **parts: list[str]) -> None:
    """Let the index of a folder name other classes."""
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **parts}))

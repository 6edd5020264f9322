"""Every technique on a GPU: the sounds of a CPU, less memory than asked for, and none of it kept.

Run by hand where there is a GPU: pytest -s tests/gpu
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.pipelines.diffusion_model import DiffusionModel
from generation.portions import free_memory
from generation.precision import set_dtype
from generation.registry import LoadedModel, load_model
from tests.generation.full_size_pipelines import full_size_pipeline
from tests.generation.tones import spectral_distance
from tests.generation.toy_any_diffusers import ANY_TOYS, write_any_toys
from tests.generation.toy_chopan import toy_pipeline
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, write_toys
from tests.generation.toy_model import model_card, write_model_card

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = "cuda"
DENOISERS = [*TOYS, *ANY_TOYS]
STARTERS = [
    "chopan-starter", "audio-diffusion-starter", "audio-latent-diffusion-starter", "riffusion-starter",
    "riffusion-ft-starter", "tango-starter", "tango-ft-starter",
]  # fmt: skip
PROMPTS, NOTES = ["synthetic dark bass", "acoustic bright flute"], [40, 72]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every toy saved under its technique's name."""
    root = write_any_toys(write_toys(tmp_path_factory.mktemp("toys")))
    toy_pipeline().save_pretrained(root / "chopan")
    write_model_card(root / "chopan", technique="chopan", length_s=1.008, defaults={})
    return root


@pytest.mark.parametrize("name", [*DENOISERS, "chopan"])
def test_a_seed_gives_the_sound_of_a_cpu(folders: Path, name: str) -> None:
    sounds = [load_model(folders / name, device).generate([SHORT, LONG], [3, 4]) for device in ("cpu", GPU)]
    apart = [spectral_distance(one.samples, other.samples) for one, other in zip(*sounds, strict=True)]
    print(f"\n{name}: {apart}")
    assert max(apart) < 0.02


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_gives_the_sounds_of_a_cpu(name: str) -> None:
    sounds = [load_model(name, device).generate(PROMPTS, [1, 2], notes=NOTES) for device in ("cpu", GPU)]
    apart = [spectral_distance(one.samples, other.samples) for one, other in zip(*sounds, strict=True)]
    two_prompts = spectral_distance(sounds[0][0].samples, sounds[0][1].samples)
    print(f"\n{name}: {apart}, two prompts {two_prompts}")
    assert max(apart) < 0.05 < two_prompts


@pytest.mark.parametrize("name", DENOISERS)
def test_the_same_sound_again_whatever_the_program_around_it_asks_of_tf32(folders: Path, name: str) -> None:
    model = load_model(folders / name, GPU)
    first = model.generate([LONG], [3])[0].samples
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    usual = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "tf32"
        again = model.generate([LONG], [3])[0].samples
    finally:
        for kind, precision in zip(kinds, usual, strict=True):
            kind.fp32_precision = precision
    assert spectral_distance(first, again) < 1e-3


@pytest.mark.parametrize("name", DENOISERS)
def test_bfloat16_is_near(folders: Path, name: str) -> None:
    exact, rounded = (
        load_model(folders / name, GPU, dtype).generate([LONG], [3])[0].samples for dtype in ("float32", "bfloat16")
    )
    assert np.isfinite(rounded).all() and 0 < spectral_distance(exact, rounded) < 0.5


def test_real_lack_of_memory_halves_the_batch_and_no_sound_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """At full size: a toy needs less than torch sets aside for its own work."""
    count, steps = 64, 2
    technique = DiffusionModel(full_size_pipeline("riffusion", GPU))
    set_dtype(technique.pipeline, "bfloat16", "riffusion")
    model = LoadedModel(model_card(), "drawn", "1", technique)
    asked = [SHORT] * count, list(range(count))
    torch.cuda.reset_peak_memory_stats()
    model.generate(*asked, steps=steps)
    most, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
    free_memory()
    torch.cuda.set_per_process_memory_fraction(0.8 * most / total)
    try:
        with caplog.at_level(logging.WARNING):
            clips = model.generate(*asked, steps=steps)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    print(f"\n{most / 1e9:.1f} GB for {count} sounds; {[record.message for record in caplog.records]}")
    assert "not enough memory for 64 sounds at once; going on with 32" in [record.message for record in caplog.records]
    assert len(clips) == count and all(np.isfinite(clip.samples).all() and clip.samples.std() > 0 for clip in clips)


@pytest.mark.parametrize("name", [*DENOISERS, "chopan"])
def test_a_model_that_is_gone_holds_no_memory(folders: Path, name: str) -> None:
    left = []
    for _ in range(2):  # the libraries of a GPU keep room of their own from the first time on
        model = load_model(folders / name, GPU)
        model.generate([SHORT], [1])
        held = torch.cuda.memory_allocated()
        del model
        free_memory()
        left.append(torch.cuda.memory_allocated())
        assert left[-1] < held
    assert left[0] == left[1]

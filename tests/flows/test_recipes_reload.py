"""ChopAN, CLIP, judge and CLAP at toy size: trained by the command's own door, and the same in a fresh process.

The other recipes are held to this in tests/generation (test_recipe_denoising, test_recipe_text_encoder,
test_recipe_vocoder).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from catalog.embedders.clap import TransformersClap
from catalog.embedders.judge import Judge
from flows.train import run_recipe
from generation.audio import Clip
from generation.models.clip_tower import ClipTower, embed_texts
from generation.registry import load_model
from tests.generation.toy_chopan import write_corpus

SHORT: dict[str, Any] = {"steps": 2, "batch_size": 6, "warmup_steps": 1, "validate_every": 2, "checkpoint_every": 2}
# In the order in which one builds on another.
TOY: dict[str, dict[str, Any]] = {
    "clip": {"vision_width": 4, "text_width": 32, "text_layers": 1, "embedding_size": 16, "context_length": 16},
    "chopan": {"channels": [8, 8, 8, 8, 8], "latent_size": 16, "bank_size": 12},
    "judge": {"widths": [4, 8], "embedding_dim": 8},
    "clap": {
        "audio_width": 16, "audio_depths": [1, 1, 1, 1], "text_width": 16, "text_layers": 1, "projection": 8,
        "vocabulary": 400,
    },
}  # fmt: skip


def tones() -> list[Clip]:
    t = np.arange(16_000) / 16_000
    return [Clip(np.sin(2 * np.pi * hz * t)[None].astype(np.float32), 16_000) for hz in (110, 440)]


def of_clip(folder: Path) -> np.ndarray:
    tower = ClipTower.from_pretrained(folder / "clip").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    with torch.no_grad():
        return embed_texts(tower, tokenizer, ["dark bass", "flauta brillante"]).numpy()


def of_chopan(folder: Path) -> np.ndarray:
    clips = load_model(folder).generate(["synthetic bass", "acoustic flute"], [1, 2], notes=[45, None])
    return np.stack([clip.samples for clip in clips])


def of_judge(folder: Path) -> np.ndarray:
    heads, embedding = Judge(folder).posteriors(tones())
    return np.concatenate([*heads.values(), embedding], axis=1)


def of_clap(folder: Path) -> np.ndarray:
    embedder = TransformersClap(str(folder))
    return np.concatenate([embedder.embed_audio(tones()), embedder.embed_text(["a flute", ""])])


OUTPUTS: dict[str, Callable[[Path], np.ndarray]] = {
    "clip": of_clip, "chopan": of_chopan, "judge": of_judge, "clap": of_clap,
}  # fmt: skip

_FRESH = """
import json, sys, numpy, torch
torch.set_num_threads(1)
from pathlib import Path
from tests.flows.test_recipes_reload import OUTPUTS
for name, folder in json.loads(sys.argv[1]).items():
    numpy.save(Path(folder) / "fresh.npy", OUTPUTS[name](Path(folder)))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What each recipe exports from its starter configuration at toy size, and what a fresh process makes of it."""
    root = tmp_path_factory.mktemp("runs")
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"))
    made: dict[str, Path] = {}
    for recipe, sizes in TOY.items():
        parent = {"clip": str(made["clip"])} if recipe == "chopan" else {}
        made[recipe] = run_recipe(recipe, {**SHORT, **sizes, **parent}, corpus, root / recipe, device="cpu").folder
    places = json.dumps({recipe: str(folder) for recipe, folder in made.items()})
    subprocess.run([sys.executable, "-c", _FRESH, places], check=True)
    return made


@pytest.mark.parametrize("recipe", TOY)
def test_a_fresh_process_gives_the_same(folders: dict[str, Path], recipe: str) -> None:
    here, there = OUTPUTS[recipe](folders[recipe]), np.load(folders[recipe] / "fresh.npy")
    assert np.array_equal(here, there)
    assert np.isfinite(here).all() and np.ptp(here) > 0

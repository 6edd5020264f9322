"""The judge's and the CLAP's recipes at toy size: they train, save, reload and repeat exactly."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.embedders.clap import TransformersClap
from catalog.embedders.judge import Judge
from flows.train import run_recipe
from generation.audio import Clip
from generation.corpus.nsynth import read_corpus
from generation.training.claims import Claim, claim_about, styled, truth
from tests.toy_corpus import write_toy_corpus

TOY: dict[str, dict[str, Any]] = {
    "judge": {"widths": [4, 8], "embedding_dim": 8},
    "clap": {
        "audio_width": 16,
        "audio_depths": [1, 1, 1, 1],
        "text_width": 16,
        "text_layers": 1,
        "projection": 8,
        "vocabulary": 400,
    },
}
SHORT = {"steps": 2, "batch_size": 6, "warmup_steps": 1, "validate_every": 2, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("toy") / "corpus")


def _clips() -> list[Clip]:
    t = np.arange(16_000) / 16_000
    return [Clip(np.sin(2 * np.pi * hz * t)[None].astype(np.float32), 16_000) for hz in (110, 440)]


@pytest.mark.parametrize("recipe", ["judge", "clap"])
def test_a_recipe_trains_and_repeats_bit_for_bit(recipe: str, corpus: Path, tmp_path: Path) -> None:
    results = [run_recipe(recipe, {**SHORT, **TOY[recipe]}, corpus, tmp_path / run, device="cpu") for run in ("a", "b")]
    first, second = ((result.folder / "model.safetensors").read_bytes() for result in results)
    assert first == second
    assert (
        0
        <= results[0].figures[
            "valid_family_accuracy" if "valid_family_accuracy" in results[0].figures else "family_accuracy"
        ]
        <= 1
    )


def test_the_trained_judge_loads_and_judges(corpus: Path, tmp_path: Path) -> None:
    folder = run_recipe("judge", {**SHORT, **TOY["judge"]}, corpus, tmp_path / "run", device="cpu").folder
    heads, embedding = Judge(folder).posteriors(_clips())
    assert heads["family"].shape == (2, 11) and embedding.shape == (2, 8)


def test_the_trained_clap_loads_as_transformers_loads_any_clap(corpus: Path, tmp_path: Path) -> None:
    folder = run_recipe("clap", {**SHORT, **TOY["clap"]}, corpus, tmp_path / "run", device="cpu").folder
    embedder = TransformersClap(str(folder))
    audio, text = embedder.embed_audio(_clips()), embedder.embed_text(["a flute", "bajo cálido", ""])
    assert audio.shape == (2, 8) and text.shape == (3, 8) and audio.dtype == text.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([audio, text]), axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(
        embedder.embed_audio(_clips()[1:]), TransformersClap(str(folder)).embed_audio(_clips()[1:])
    )
    np.testing.assert_allclose(embedder.embed_audio(_clips()[1:])[0], audio[1], atol=1e-5)
    np.testing.assert_array_equal(embedder.embed_text(["BAJO CALIDO"]), embedder.embed_text(["bajo cálido"]))
    assert embedder.id == TransformersClap(str(folder)).id


def test_styled_claims_are_true_of_their_note_and_of_all_notes_played_so(corpus: Path) -> None:
    notes = read_corpus(corpus / "train").notes
    rng = random.Random(5)
    for _ in range(60):
        note = rng.choice(notes)
        assert styled(claim_about(note, rng), note, rng).holds_for(note)
    struck = truth([Claim("struck", styles=("struck",)), Claim("blown", styles=("blown",))], notes).numpy()
    np.testing.assert_array_equal(struck[0], [note.family == "mallet" for note in notes])
    np.testing.assert_array_equal(struck[1], [note.family == "flute" for note in notes])

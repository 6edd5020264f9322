"""The starter CLAP in two halves: words without torch, sounds by transformers, both as the whole model gives them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from catalog.embedders import STARTER_DIR, load_embedder
from catalog.embedders.clap import TransformersClap
from catalog.embedders.starter_clap import StarterClap
from catalog.embedders.text_tower import TextTower
from catalog.errors import EmbedderError
from generation.audio import Clip

FOLDER = STARTER_DIR / "clap"
WHOLE, TOWER = TransformersClap(str(FOLDER), "clap-starter"), TextTower(FOLDER)


@pytest.mark.parametrize(
    "text",
    [
        "dark bass", "acoustic bright percussive fast_decay keyboard, C#4", "flauta suave", "UPPER Case", "",
        "  spaced   out ", "two\nlines", "♯ 🎹 Ünïcode", "a <pad> inside </s>", "long " * 100, "x" * 500,
    ],
)  # fmt: skip
def test_words_give_the_vectors_of_the_whole_model(text: str) -> None:
    assert TOWER.embed([text]) == pytest.approx(WHOLE.embed_text([text]), abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=4))
def test_any_words_do(texts: list[str]) -> None:
    vectors = TOWER.embed(texts)
    assert vectors.shape == (len(texts), WHOLE.dim) and vectors.dtype == np.float32
    assert vectors == pytest.approx(WHOLE.embed_text(texts), abs=1e-6)


def test_both_halves_are_the_whole() -> None:
    asked: list[str] = []
    halves = StarterClap(FOLDER, "clap-starter", lambda: asked.append("") or "cpu")
    assert (halves.id, halves.dim, halves.sample_rate_hz) == (WHOLE.id, WHOLE.dim, WHOLE.sample_rate_hz)
    assert asked == [], "where sounds are heard is nobody's matter yet"
    noise = Clip(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16_000)).astype(np.float32), 16_000)
    for _ in range(2):
        assert np.array_equal(halves.embed_audio([noise]), WHOLE.embed_audio([noise]))
    assert len(asked) == 1


def test_words_alone_import_neither_torch_nor_transformers() -> None:
    program = """
        import sys
        from catalog.embedders import load_embedder
        ear = load_embedder("starter", lambda: sys.exit("nobody asked for a sound"))
        assert ear.embed_text(["dark bass"]).shape == (1, ear.dim)
        print({"torch", "transformers", "scipy"} & set(sys.modules))
    """
    lines = "\n".join(line.strip() for line in program.splitlines())
    said = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_a_device_that_is_named_loads_the_whole_at_once() -> None:
    assert isinstance(load_embedder("starter"), TransformersClap)
    assert isinstance(load_embedder("starter", lambda: "cpu"), StarterClap)


def damaged(change: Callable[[Path], object], tmp_path: Path) -> str:
    folder = shutil.copytree(FOLDER, tmp_path / "clap")
    change(folder)
    with pytest.raises(EmbedderError, match="no CLAP model at .*; install nightcrate again") as told:
        StarterClap(folder, "clap", lambda: "cpu")
    return str(told.value)


def test_a_damaged_folder_is_one_line(tmp_path: Path) -> None:
    def another_activation(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["hidden_act"] = "relu"
        (folder / "config.json").write_text(json.dumps(config))

    def no_eps(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        del config["text_config"]["layer_norm_eps"]
        (folder / "config.json").write_text(json.dumps(config))

    def no_projection(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        del weights["text_projection.linear2.weight"]
        save_file(weights, folder / "model.safetensors")

    changes: list[Callable[[Path], object]] = [
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 100),
        lambda folder: (folder / "config.json").write_text("[]"),
        another_activation,
        no_eps,
        no_projection,
    ]
    for number, change in enumerate(changes):
        assert "\n" not in damaged(change, tmp_path / str(number))

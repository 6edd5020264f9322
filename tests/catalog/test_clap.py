"""A CLAP from a folder: whole, or refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from catalog.embedders import STARTER_DIR, load_embedder
from catalog.errors import EmbedderError


def test_a_folder_that_lacks_weights_is_refused_and_not_filled_at_random(tmp_path: Path) -> None:
    folder = shutil.copytree(STARTER_DIR / "clap", tmp_path / "clap")
    weights = load_file(folder / "model.safetensors")
    gone = next(
        name for name in sorted(weights) if name.startswith("text_model.") and weights[name].is_floating_point()
    )
    save_file({name: tensor for name, tensor in weights.items() if name != gone}, folder / "model.safetensors")
    with pytest.raises(EmbedderError, match="its weights lack") as told:
        load_embedder(f"transformers:{folder}")
    assert gone in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "content"), [("model.safetensors", b"\x00" * 100), ("config.json", b"[]")])
def test_a_damaged_folder_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    folder = shutil.copytree(STARTER_DIR / "clap", tmp_path / "clap")
    (folder / name).write_bytes(content)
    with pytest.raises(EmbedderError, match="no CLAP model at") as told:
        load_embedder(f"transformers:{folder}")
    assert "\n" not in str(told.value)

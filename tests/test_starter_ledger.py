"""What the packages carry: every shipped file stands in its ledger, none is too large, all load safely."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flows.ledger import (
    LARGEST_FILE_BYTES,
    LARGEST_TOTAL_BYTES,
    LEDGER,
    STARTERS,
    read_ledger,
    take_stock,
    write_all,
    write_ledger,
)
from generation.errors import ConfigError
from generation.shipped import starter_dir

# Weights are safetensors, sounds FLAC, the rest plain text: nothing that runs when it is opened.
SAFE_SUFFIXES = {".safetensors", ".json", ".yaml", ".csv", ".txt", ".flac", ".md", ".png"}


@pytest.mark.parametrize("folder", STARTERS, ids=lambda folder: folder.parent.name)
def test_the_ledger_says_what_is_there(folder: Path) -> None:
    stock = take_stock(folder)
    assert any(entry["path"].endswith(".safetensors") for entry in stock)
    assert read_ledger(folder) == stock


def test_nothing_is_larger_than_a_package_may_carry() -> None:
    stock = [entry for folder in STARTERS for entry in read_ledger(folder)]
    assert [entry for entry in stock if entry["bytes"] > LARGEST_FILE_BYTES] == []
    assert sum(entry["bytes"] for entry in stock) <= LARGEST_TOTAL_BYTES


@pytest.mark.parametrize("folder", STARTERS, ids=lambda folder: folder.parent.name)
def test_nothing_shipped_can_run_when_it_is_opened(folder: Path) -> None:
    assert {Path(entry["path"]).suffix for entry in take_stock(folder)} <= SAFE_SUFFIXES


@pytest.mark.parametrize("folder", STARTERS, ids=lambda folder: folder.parent.name)
def test_every_model_says_how_it_was_trained_and_names_no_place(folder: Path) -> None:
    models = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__")
    assert models
    for model in models:
        record = json.loads((model / "training.json").read_text())
        assert record["command"] and record["settings"], model.name
        for path in model.rglob("*.json"):
            text = path.read_text()
            assert not re.search(r'"/\w+/\w|/home/', text), f"{path.name} of {model.name} names a place"


def test_the_folder_is_where_the_registry_looks() -> None:
    assert starter_dir() in STARTERS


def test_a_ledger_is_written_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "weights.safetensors").write_bytes(b"abc")
    assert write_ledger(tmp_path) == 3
    assert read_ledger(tmp_path) == [
        {
            "path": "toy/weights.safetensors",
            "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }
    ]
    assert write_ledger(tmp_path) == 3, "the ledger does not count itself"


def test_too_much_is_refused_and_no_ledger_is_left(tmp_path: Path) -> None:
    with (tmp_path / "big.safetensors").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(ConfigError, match=r"big\.safetensors: 8000001 bytes, at most 8000000"):
        write_ledger(tmp_path)
    assert not (tmp_path / LEDGER).exists()


def test_too_much_together_is_refused(tmp_path: Path) -> None:
    for number in range(9):
        with (tmp_path / f"{number}.safetensors").open("wb") as file:
            file.truncate(LARGEST_FILE_BYTES)
    with pytest.raises(ConfigError, match="hold 72000000 bytes"):
        write_all((tmp_path,))


@pytest.mark.parametrize("text", [None, "not json", "[]", "{}"])
def test_a_missing_or_broken_ledger_is_one_clear_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / LEDGER).write_text(text)
    with pytest.raises(ConfigError, match=r"LEDGER\.json: no ledger.*python -m flows\.ledger"):
        read_ledger(tmp_path)

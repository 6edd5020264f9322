"""The folder that a run exports: whole or not at all, and it says how it came to be."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch

from generation.cards import LicenceLink, ModelCard, Weights, read_card_file, write_card
from generation.errors import TrainingError
from generation.training.trainer import train
from tests.generation.toy_training import ToyTask, equal, exported, run, toy_settings


class CardTask(ToyTask):
    def export(self, folder: Path, module: torch.nn.Module) -> None:
        super().export(folder, module)
        link = LicenceLink(part="data", name="toy", licence="MIT", commercial="yes", attribution=None)
        write_card(
            folder,
            ModelCard(
                name="toy",
                technique="toy",
                description="a toy",
                tier="own",
                weights=Weights(folder=Path(".")),
                sample_rate_hz=16000,
                length_s=1.0,
                prompt_style="tags",
                licence_chain=(link,),
            ),
        )


def test_the_export_says_how_it_came_to_be(tmp_path: Path) -> None:
    settings = toy_settings(steps=8)
    record = {"command": "nightcrate train toy", "corpus": {"name": "toy corpus", "licence": "MIT"}}
    result = train(CardTask(settings), settings, tmp_path, record=record)
    facts = json.loads((result.folder / "training.json").read_text())
    assert facts["command"] == "nightcrate train toy"
    assert facts["corpus"] == {"name": "toy corpus", "licence": "MIT"}
    assert facts["settings"]["steps"] == 8
    assert facts["versions"]["torch"]
    assert facts["figures"]["step"] == 8
    assert facts["finished_at"].endswith("+00:00")
    assert (result.folder / "losses.csv").read_bytes() == (tmp_path / "losses.csv").read_bytes()
    assert read_card_file(result.folder / "card.yaml").trained_by == "nightcrate train toy"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_the_umask_says_who_may_read_the_weights(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        folder = run(tmp_path).folder
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {mode}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_failing_export_leaves_no_half_folder_and_can_be_repeated(tmp_path: Path) -> None:
    class Failing(ToyTask):
        def export(self, folder: Path, module: torch.nn.Module) -> None:
            super().export(folder, module)
            raise OSError("no space left")

    run(tmp_path)
    before = exported(tmp_path)
    with pytest.raises(TrainingError, match="no space left"):
        run(tmp_path, Failing(toy_settings()))
    assert equal(exported(tmp_path), before)
    (tmp_path / "model").rename(tmp_path / "gone")
    assert equal(exported(run(tmp_path).folder.parent), before)
    assert not list(tmp_path.glob(".model*"))

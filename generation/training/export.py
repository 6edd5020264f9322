"""From a trained network to a folder that loads by itself and says how it came to be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.audio import settle_folder
from generation.cards import CARD_FILE, read_card_file, write_card
from generation.training.loss_curves import CURVES
from generation.training.losses import LOSSES, last_figures
from generation.training.record import RECORD, run_facts

if TYPE_CHECKING:
    from generation.training.settings import TrainSettings
    from generation.training.task import Task

MODEL_FOLDER = "model"


def export_model(task: Task, settings: TrainSettings, out: Path, record: Mapping[str, Any]) -> Path:
    """Write task.module to out/model, whole or not at all, with training.json, losses.csv and losses.png.

    `record` is what the caller knows of the run (command, corpus, parents, seconds); a card in the folder
    gets its command as trained_by. Returns the folder.
    """
    final, building, old = out / MODEL_FOLDER, out / f".{MODEL_FOLDER}.tmp", out / f".{MODEL_FOLDER}.old"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    task.export(building, task.module)
    shutil.copyfile(out / LOSSES, building / LOSSES)
    if (out / CURVES).is_file():
        shutil.copyfile(out / CURVES, building / CURVES)
    facts = {**record, **run_facts(task.module, settings), "figures": last_figures(out / LOSSES)}
    (building / RECORD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if (building / CARD_FILE).is_file() and "command" in record:
        card = read_card_file(building / CARD_FILE)
        write_card(building, card.model_copy(update={"trained_by": str(record["command"])}))
    settle_folder(building)
    # A folder cannot replace a full one in one step; a kill in between is mended by the next run's export.
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.rename(final, old)
    os.rename(building, final)
    shutil.rmtree(old, ignore_errors=True)
    return final

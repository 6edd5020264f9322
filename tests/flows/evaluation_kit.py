"""What the tests of evaluations share: models of toy width in folders, and an evaluation that names them."""

from __future__ import annotations

from pathlib import Path

from generation.cards import Weights, write_card
from tests.flows.night_kit import write_model
from tests.generation.toy_diffusion import TOYS, toy_card

TECHNIQUES = {"Audio Diffusion": "audio-diffusion", "Riffusion-FT": "riffusion", "TANGO-FT": "tango"}


def write_diffusion(folder: Path, technique: str) -> Path:
    """Save a toy pipeline with its card; it was trained on 100 steps, so it refuses more."""
    pipeline = TOYS[technique]()
    pipeline.save_pretrained(folder)
    write_card(folder, toy_card(technique, pipeline, name=f"toy-{technique}", weights=Weights(folder=Path("."))))
    return folder


def write_models(folder: Path, rows: tuple[str, ...]) -> dict[str, Path]:
    """A toy for each row by the thesis' name."""
    return {
        row: write_model(folder / "chopan") if row == "ChopAN" else write_diffusion(folder / row, TECHNIQUES[row])
        for row in rows
    }


def write_evaluation(path: Path, experiment: str, models: dict[str, Path], **settings: object) -> Path:
    """Write an evaluation's configuration; settings are YAML."""
    lines = [f"experiment: {experiment}", "models:"]
    lines += [f"  - {{row: {row}, model: {folder}}}" for row, folder in models.items()]
    lines += [f"{key}: {value}" for key, value in settings.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

"""What the tests of a night share: a tiny real ChopAN, a configuration that uses it, the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from generation.cards import LicenceLink, ModelCard, Weights, write_card
from tests.generation.toy_chopan import toy_pipeline

EMBEDDER = "starter"
ROOT = Path(__file__).resolve().parents[2]


def write_model(folder: Path, name: str = "toy-chopan", gain: float = 1.0) -> Path:
    """Save a ChopAN of toy width with its card; a gain of 0 makes it mute."""
    toy_pipeline(gain).save_pretrained(folder)
    link = LicenceLink(part="weights", name="toy", licence="MIT", commercial="yes", attribution=None)
    card = ModelCard(
        name=name,
        technique="chopan",
        description="for a test",
        tier="own",
        weights=Weights(folder=Path(".")),
        sample_rate_hz=16_000,
        length_s=1.008,
        prompt_style="tags",
        licence_chain=(link,),
    )
    write_card(folder, card)
    return folder


def write_night(path: Path, models: list[Path], prompts: str, **settings: object) -> Path:
    """Write a night's configuration; `prompts` and settings are YAML."""
    lines = [f"name: {settings.pop('name', 'test')}", "models:"]
    lines += [f"  - {{model: {folder}, batch_size: {settings.get('batch_size', 2)}}}" for folder in models]
    settings.pop("batch_size", None)
    lines += [f"prompts: {prompts}", *(f"{key}: {value}" for key, value in settings.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def start_night(config: Path, library: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start `nightcrate night` in a process of its own; what it says goes to files beside the library.

    To files, not pipes: a killed night leaves Prefect's server behind, which would hold a pipe open.
    """
    line = [sys.executable, "-c", "from flows.cli import main; main()", "night", str(config)]
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    with open(f"{library}.out", "wb") as out, open(f"{library}.err", "wb") as err:
        return subprocess.Popen(
            [*line, "--library", str(library), "--device", "cpu", *options],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=err,
        )


def said(library: Path) -> tuple[str, str]:
    """Stdout and stderr of the night that was started last on this library."""
    return Path(f"{library}.out").read_text(), Path(f"{library}.err").read_text()

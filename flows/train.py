"""Puts loop, network and corpus together: `python -m flows.train RECIPE --corpus DIR --out DIR`.

Runs on a bare GPU machine: nothing here imports Prefect, SQLAlchemy, FAISS or typer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import CatalogError
from flows.settings import device_name, share_cores
from generation.corpus.info import read_info
from generation.errors import ConfigError, GenerationError
from generation.registry import weights_fingerprint
from generation.shipped import config_path
from generation.strict_yaml import parse_value, read_yaml, unknown_name, validate
from generation.training.record import RECORD, portable

if TYPE_CHECKING:
    from generation.training.settings import TrainSettings
    from generation.training.trainer import Progress, TrainResult

# Recipe -> the module that has class Settings(TrainSettings) and build(corpus_folder, settings, device).
RECIPES = {
    "chopan": "generation.training.recipes.chopan",
    "clip": "generation.training.recipes.clip",
    "judge": "flows.recipes.judge",
    "clap": "flows.recipes.clap",
}
_PRINT_EVERY_S = 10.0


def run_recipe(
    name: str,
    overrides: Mapping[str, Any],
    corpus: Path,
    out: Path,
    config: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train recipe `name` on a corpus folder and leave the model in out/model; resumes a run found in `out`.

    overrides: settings that replace those of the configuration, dotted keys for inner ones. config: a
    shipped name or a YAML file, the recipe's own by default. device: None takes CUDA where there is one.
    Raises ConfigError, CorpusError, TrainingError or a CatalogError, each one line.
    """
    if name not in RECIPES:
        raise ConfigError(unknown_name("recipe", name, RECIPES))
    source = config_path("train", config or name)
    content = _merged(read_yaml(source), overrides)

    import torch

    from generation.training.trainer import train

    recipe = importlib.import_module(RECIPES[name])
    settings = validate(content, recipe.Settings, f"{source} with --set" if overrides else str(source))
    where = device_name(device)
    torch.manual_seed(settings.seed)
    task = recipe.build(Path(corpus), settings, where)
    record = _record(name, overrides, Path(corpus), config, settings)
    return train(task, settings, Path(out), where, record, progress)


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn "key=value" texts into settings; values mean what they mean in YAML. Raises ConfigError."""
    overrides: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text}: key=value is needed, such as --set steps=20")
        overrides[key] = parse_value(value, f"--set {key}")
    return overrides


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of this module; return the exit status (1 after a one-line error)."""
    options = _parser().parse_args(arguments)
    share_cores()
    try:
        overrides = parse_overrides(options.set)
        result = run_recipe(
            options.recipe,
            overrides,
            options.corpus,
            options.out,
            options.config,
            options.device,
            ProgressLines(),
        )
    except (GenerationError, CatalogError) as error:
        print(f"nightcrate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nightcrate: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(f"{result.folder}: {result.steps} steps, {result.trained_s:.0f} s of training")
    return 0


class ProgressLines:
    """Prints a run's progress to stderr: at validations, and every ten seconds in between."""

    def __init__(self) -> None:
        """Start silent; a run shorter than ten seconds prints its validations alone."""
        self._last_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take one step's progress."""
        now = time.monotonic()
        if not progress.validation and now - self._last_s < _PRINT_EVERY_S:
            return
        self._last_s = now
        held_out = "".join(f"  valid {name} {value:.4g}" for name, value in progress.validation.items())
        minutes, seconds = divmod(round(progress.eta_s), 60)
        print(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4g}"
            f"  lr {progress.learning_rate:.3g}{held_out}  left {minutes}:{seconds:02d}",
            file=sys.stderr,
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.train", description="Train a recipe on a corpus in NSynth's format."
    )
    parser.add_argument("recipe", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--corpus", type=Path, required=True, help="folder with train/ and valid/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a stopped run goes on there")
    parser.add_argument("--config", help="configuration: a shipped name or a YAML file (default: the recipe's own)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="replace one setting; may be repeated"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    return parser


def _merged(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for dotted, value in overrides.items():
        key, _, inner = dotted.partition(".")
        if not inner:
            merged[key] = value
            continue
        below = merged.get(key) or {}
        if not isinstance(below, Mapping):
            raise ConfigError(f"--set {dotted}: '{key}' has no inner settings")
        merged[key] = _merged(below, {inner: value})
    return merged


def _record(
    name: str, overrides: Mapping[str, Any], corpus: Path, config: str | Path | None, settings: TrainSettings
) -> dict[str, Any]:
    """Return what training.json tells of a run beside the loop's own facts; folders by name, not by place."""
    command = ["nightcrate", "train", name, "--corpus", corpus.resolve().name, "--out", name]
    if config is not None:
        command += ["--config", Path(config).name]
    for key, value in overrides.items():
        command += ["--set", f"{key}={portable(value)}"]
    return {
        "recipe": name,
        "command": shlex.join(command),
        "corpus": asdict(read_info(corpus / "train")),  # imported sounds say it there, rendered ones one folder up
        "parents": [_parent_facts(folder) for folder in _parent_folders(settings)],
    }


def _parent_folders(settings: TrainSettings) -> list[Path]:
    """Return the folders among the settings that another run has exported: the models this one builds on."""
    named = [Path(value) for _, value in settings if isinstance(value, (str, Path)) and value]
    return [folder for folder in named if (folder / RECORD).is_file()]


def _parent_facts(folder: Path) -> dict[str, Any]:
    facts = _read_json(folder / RECORD)
    told = {key: facts.get(key) for key in ("recipe", "command", "corpus", "parents")}
    return {"fingerprint": weights_fingerprint(folder), **told}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is not the JSON that nightcrate wrote ({error})") from error
    if not isinstance(facts, dict):
        raise ConfigError(f"{path}: holds {type(facts).__name__}; keys and values are needed")
    return facts


if __name__ == "__main__":
    sys.exit(main())

"""Puts loop, network and corpus together: `python -m flows.train RECIPE --corpus DIR --out DIR`.

Runs on a bare GPU machine: nothing here imports Prefect, SQLAlchemy, FAISS or typer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import CatalogError
from flows.parents import parents_of
from flows.place import device_name, share_cores
from generation.corpus.info import read_info
from generation.errors import ConfigError, GenerationError
from generation.shipped import config_path
from generation.strict_yaml import parse_value, read_yaml, unknown_name, validate
from generation.training.launched import is_first_process, own_device
from generation.training.record import portable

if TYPE_CHECKING:
    from generation.training.dry_run import DryRun
    from generation.training.settings import TrainSettings
    from generation.training.trainer import Progress, Task, TrainResult

# Recipe -> the module that has class Settings(TrainSettings) and build(corpus_folder, settings, device).
RECIPES = {
    "chopan": "generation.training.recipes.chopan",
    "clip": "generation.training.recipes.clip",
    "text-encoder": "generation.training.recipes.text_encoder",
    "autoencoder": "generation.training.recipes.autoencoder",
    "vocoder": "generation.training.recipes.vocoder",
    "audio-diffusion": "generation.training.recipes.audio_diffusion",
    "audio-latent-diffusion": "generation.training.recipes.audio_diffusion",
    "riffusion": "generation.training.recipes.riffusion",
    "riffusion-ft": "generation.training.recipes.riffusion",
    "tango-clean": "generation.training.recipes.tango",
    "tango-ft": "generation.training.recipes.tango",
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
    tensorboard: bool = False,
) -> TrainResult:
    """Train recipe `name` on a corpus folder and leave the model in out/model; resumes a run found in `out`.

    overrides: settings that replace those of the configuration, dotted keys for inner ones. config: a
    shipped name or a YAML file, the recipe's own by default. device: None takes CUDA where there is one.
    tensorboard: also write the figures into out/tensorboard. Several processes that a launcher started train
    together (generation.training.processes). Raises ConfigError, CorpusError, TrainingError or a CatalogError,
    each one line.
    """
    task, settings, where = _built(name, overrides, corpus, config, device)

    from generation.training.trainer import train

    record = _record(name, overrides, Path(corpus), config, settings)
    return train(task, settings, Path(out), where, record, progress, tensorboard)


def dry_run_recipe(
    name: str,
    overrides: Mapping[str, Any],
    corpus: Path,
    config: str | Path | None = None,
    device: str | None = None,
    at_tflops: float | None = None,
) -> DryRun:
    """Measure what `run_recipe` with these arguments would take, on a few batches and without a folder of its own.

    at_tflops: what another device is believed to reach, 10^12 operations a second. Raises as run_recipe does.
    """
    if at_tflops is not None and not at_tflops > 0:
        raise ConfigError(f"--at-tflops {at_tflops:g}: a number above 0 is needed, such as 100")
    task, settings, where = _built(name, overrides, corpus, config, device)

    from generation.training.dry_run import dry_run

    return dry_run(task, settings, where, at_tflops)


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
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.dry_run and options.out is None:
        parser.error("--out is needed, or --dry-run")
    if options.at_tflops is not None and not options.dry_run:
        parser.error("--at-tflops goes with --dry-run")
    share_cores()
    if not is_first_process():
        logging.disable(logging.WARNING)  # the first process says it
    try:
        overrides = parse_overrides(options.set)
        if options.dry_run:
            found = dry_run_recipe(
                options.recipe, overrides, options.corpus, options.config, options.device, options.at_tflops
            )
            from generation.training.dry_run import dry_run_text

            facts, text = dry_run_facts(options.recipe, found), dry_run_text(options.recipe, found)
            print(json.dumps(facts, indent=1) if options.json else text)
            return 0
        result = run_recipe(
            options.recipe,
            overrides,
            options.corpus,
            options.out,
            options.config,
            options.device,
            ProgressLines(),
            options.tensorboard,
        )
    except (GenerationError, CatalogError) as error:
        if is_first_process():
            print(f"nightcrate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nightcrate: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    if not is_first_process():
        return 0
    text = f"{result.folder}: {result.steps} steps, {result.trained_s:.0f} s of training"
    print(json.dumps(result_facts(result), indent=1) if options.json else text)
    return 0


def dry_run_facts(recipe: str, found: DryRun) -> dict[str, Any]:
    """A dry run as JSON says it."""
    return {"recipe": recipe, **asdict(found), "memory_bytes": found.memory_bytes}


def result_facts(result: TrainResult) -> dict[str, Any]:
    """A finished run as JSON says it."""
    return {**asdict(result), "folder": str(result.folder), "figures": dict(result.figures)}


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
    parser.add_argument("--out", type=Path, help="folder of the run; a stopped run goes on there")
    parser.add_argument("--config", help="configuration: a shipped name or a YAML file (default: the recipe's own)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="replace one setting; may be repeated"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write the figures for TensorBoard, into OUT/tensorboard"
    )
    parser.add_argument("--dry-run", action="store_true", help="only measure what the run would take")
    parser.add_argument(
        "--at-tflops", type=float, metavar="N", help="with --dry-run: hours where N TFLOP/s are reached"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON, for machines")
    return parser


def _built(
    name: str, overrides: Mapping[str, Any], corpus: Path, config: str | Path | None, device: str | None
) -> tuple[Task, TrainSettings, str]:
    """Return the task of a recipe, its settings and the name of its device."""
    if name not in RECIPES:
        raise ConfigError(unknown_name("recipe", name, RECIPES))
    source = config_path("train", config or name)
    content = _merged(read_yaml(source), overrides)

    import torch

    recipe = importlib.import_module(RECIPES[name])
    settings = validate(content, recipe.Settings, f"{source} with --set" if overrides else str(source))
    where = own_device(device_name(device))
    torch.manual_seed(settings.seed)
    return recipe.build(Path(corpus), settings, where), settings, where


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
        told = portable(value)
        # As YAML reads it back: null and lists are not what Python calls them.
        command += ["--set", f"{key}={told if isinstance(told, str) else json.dumps(told)}"]
    return {
        "recipe": name,
        "command": shlex.join(command),
        "corpus": asdict(read_info(corpus / "train")),  # imported sounds say it there, rendered ones one folder up
        "parents": parents_of(settings),
    }


if __name__ == "__main__":
    sys.exit(main())

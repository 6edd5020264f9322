"""Training: a recipe on a corpus, or only what that would take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import DeviceOption, JsonOption, answer


def train(
    recipe: Annotated[str, typer.Argument(help="What to train, such as chopan; a wrong name lists them all.")],
    corpus: Annotated[Path, typer.Option("--corpus", help="Folder with train/ and valid/.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the run; a stopped run goes on there.", show_default=False),
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", help="A shipped name or a YAML file [the recipe's].")
    ] = None,
    assignment: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting; may be repeated."),
    ] = None,
    device: DeviceOption = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the figures for TensorBoard, into OUT/tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only measure memory, pace and hours on a few batches; no OUT.")
    ] = False,
    at_tflops: Annotated[
        float | None,
        typer.Option("--at-tflops", metavar="N", help="With --dry-run: hours where N TFLOP/s are reached."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe on a corpus; the model is left in OUT/model. With --dry-run only say what that takes."""
    from flows.place import device_name
    from flows.progress import progress
    from flows.train import dry_run_facts, dry_run_recipe, parse_overrides, result_facts, run_recipe

    if at_tflops is not None and not dry_run:
        raise typer.BadParameter("goes with --dry-run", param_hint="--at-tflops")
    overrides, where = parse_overrides(assignment or []), device_name(device)
    if dry_run:
        found = dry_run_recipe(recipe, overrides, corpus, config, where, at_tflops)

        from generation.training.dry_run import dry_run_text

        answer(dry_run_facts(recipe, found), as_json, dry_run_text(recipe, found))
        return
    if out is None:
        raise typer.BadParameter("is needed, or --dry-run", param_hint="--out")
    with progress(f"train {recipe}") as bar:
        result = run_recipe(
            recipe,
            overrides,
            corpus,
            out,
            config,
            where,
            lambda told: bar.show(told.step, told.steps),
            tensorboard=tensorboard,
        )
    text = f"{result.folder}: {result.steps} steps, {result.trained_s:.0f} s of training"
    answer(result_facts(result), as_json, text)

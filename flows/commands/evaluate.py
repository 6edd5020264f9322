"""The thesis' experiments: evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Cnn14Option, DeviceOption, JsonOption, VggishOption, answer


def evaluate(
    name: Annotated[str, typer.Argument(help="table-6.1, table-6.2, table-6.3, or rows: what each model obeys.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of its sounds and tables [evaluation/NAME].", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Your own form of configs/evaluate/NAME.yaml.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Real notes (examples.json, audio/): FD in CLAP space, --vggish and --cnn14; ceilings of rows.",
            show_default=False,
        ),
    ] = None,
    vggish: VggishOption = None,
    cnn14: Cnn14Option = None,
    prompts: Annotated[
        int | None,
        typer.Option("--prompts", min=1, max=2800, help="Prompts of each row [as configured].", show_default=False),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option("--real", help="rows: labelled real recordings in the same form.", show_default=False),
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the models as the thesis did, beside its own figures; the same command goes on where it stopped."""
    from flows.evaluation.settings import read_evaluation
    from flows.place import device_name

    evaluation, folder = read_evaluation(name, config)
    # What the command line names lies where it was called, whatever the configuration's folder.
    files = {"reference": reference, "vggish": vggish, "cnn14": cnn14, "real": real}
    changes: dict[str, object] = {key: file.absolute() for key, file in files.items() if file is not None}
    if prompts is not None:
        changes |= {"prompts_on_gpu": prompts, "prompts_on_cpu": prompts}
    evaluation = evaluation.model_copy(update=changes)
    place = out or Path("evaluation") / name
    if name == "rows":
        from flows.evaluation.rows import run_rows

        run_rows(evaluation, folder, place, device_name(device))
    else:
        from flows.evaluation.tables import run_table

        run_table(evaluation, folder, place, device_name(device))
    written = "rows" if name == "rows" else "table"
    content = json.loads((place / f"{written}.json").read_text(encoding="utf-8"))
    answer(content, as_json, (place / f"{written}.md").read_text(encoding="utf-8").rstrip())

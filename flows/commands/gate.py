"""The gate after the night: fit its thresholds to reviewers, and judge a library again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    answer,
    library_embedder,
    open_library,
)

app = typer.Typer(
    rich_markup_mode=None, help="Fit the gate to reviewers, and judge sounds again.", no_args_is_help=True
)
GateOption = Annotated[
    str | None,
    typer.Option(
        "--gate", help="Gate: a shipped name or a file [that of the library's newest night].", show_default=False
    ),
]


@app.command()
def fit(
    gate: GateOption = None,
    with_scores: Annotated[
        bool,
        typer.Option("--with-scores", help="Let very low and very high scores of unreviewed sounds count a little."),
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the proposal as a gate configuration.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where --apply writes [gate.yaml in the library].", show_default=False)
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose thresholds that agree better with what reviewers kept and dropped; changes nothing by itself."""
    from catalog.errors import GateFitError
    from catalog.gate_fit import fit_gate
    from flows.judging import gate_of, read_judging
    from flows.outputs import only_replacing
    from flows.regate import sentences, write_gate

    with open_library(library) as opened:
        judging = read_judging(gate or gate_of(opened))
        sounds = opened.gated_sounds()
        proposal = fit_gate(sounds, judging.gate, with_scores)
        place = (out or opened.path / "gate.yaml").absolute()
    lines = sentences(proposal, sounds)
    if apply and not proposal.moves:
        raise GateFitError(f"nothing was written: {lines[0]}")
    if apply:
        only_replacing(place, ".yaml", ".yml")
        write_gate(place, judging, proposal)
        lines.append(f"{place}: written; `gate: {place}` in a night's configuration uses it, and")
        lines.append(f"`nightcrate gate apply --gate {place}` judges this library by it")
    elif proposal.moves:
        lines.append("nothing was changed; --apply writes it as a gate configuration")
    content = asdict(proposal) | {
        "settings": proposal.settings.model_dump(mode="json"),
        "newly_rejected_share": proposal.newly_rejected_share,
        "file": str(place) if apply else None,
    }
    answer(content, as_json, "\n".join(lines))


@app.command("apply")
def apply_gate(
    gate: GateOption = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge every sound of a library again by its measured facts; no sound is made."""
    from catalog.scores.stale import stale_scores
    from flows import stages
    from flows.judging import gate_of, read_judging
    from flows.novelty import banks_of_library
    from flows.regate import regate
    from flows.stale_league import stale_json, stale_lines

    with open_library(library, to_write=True) as opened:
        changed = regate(opened, read_judging(gate or gate_of(opened)))
        if changed.accepted:
            embedder = library_embedder(opened, device)
            stages.make_usable(opened, embedder, banks_of_library(opened))
        elif changed.rejected:  # those that stay have another place among their family now
            stages.score_sounds(opened, library_embedder(opened, device))
        stale = stale_scores(opened)
    lines = [f"{len(changed.accepted)} sounds newly accepted, {len(changed.rejected)} newly rejected"]
    lines += [f"#{id} stays rejected: {why}" for id, why in changed.stay_rejected.items()]
    lines += stale_lines(stale)
    answer(asdict(changed) | {"stale_scores": stale_json(stale)}, as_json, "\n".join(lines))

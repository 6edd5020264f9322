"""Keep a library sound: verify, rebuild; and what it says of its models: league."""

from __future__ import annotations

from dataclasses import asdict
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


def verify(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Compare every row with its file and report what disagrees; exit code 1 when something does."""
    from flows.progress import progress

    with open_library(library) as opened, progress("sounds") as bar:
        problems = opened.verify(bar.show)
        sounds = opened.count()
    lines = [f"{problem.kind}: {problem.subject}: {problem.sentence}" for problem in problems]
    lines.append(f"{sounds} accepted sounds, {len(problems)} problems")
    content = {"sounds": sounds, "problems": [asdict(problem) for problem in problems]}
    answer(content, as_json, "\n".join(lines))
    if problems:
        raise typer.Exit(1)


def rebuild(library: LibraryOption = None, device: DeviceOption = None, as_json: JsonOption = False) -> None:
    """Make again from the rows and files what can be: missing vectors, scores, full text, index."""
    from flows import stages

    with open_library(library, to_write=True) as opened:
        embedder = library_embedder(opened, device)
        opened.lock()
        embedded = stages.embed_missing(opened, embedder)
        scored = stages.score_sounds(opened, embedder)
        indexed = opened.rebuild_index()
    content = {"embedded": embedded, "scored": scored, "indexed": indexed}
    answer(content, as_json, f"{embedded} sounds embedded, {scored} scored, {indexed} indexed")


def league(
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure again before showing.")] = False,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how near each model, and each family of it, comes to real notes."""
    from catalog.errors import LibraryError
    from flows.settings import device_name
    from flows.stages import score_models
    from flows.summary import score_line

    with open_library(library, to_write=refresh) as opened:
        if refresh:
            unscored = score_models(opened, device_name(device))
            if unscored:
                raise LibraryError(f"{opened.path}: no league: {unscored}")
        scores = [score for score in opened.scores() if score.scope != "sample"]
    text = "\n".join(score_line(score) for score in scores) or "no scores yet; nightcrate league --refresh"
    answer([asdict(score) for score in scores], as_json, text)

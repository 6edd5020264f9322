"""Keep a library sound: verify, rebuild."""

from __future__ import annotations

from dataclasses import asdict

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
    """Compare every row with its file and report what disagrees; exit code 1 when something does.

    Sounds without a vector are counted and no problem: a night that runs has not made theirs yet.
    """
    from flows.progress import progress

    with open_library(library) as opened, progress("sounds") as bar:
        problems = opened.verify(bar.show)
        sounds = opened.count()
        unheard = len(opened.missing_embeddings(opened.embedding_state().embedder))
    lines = [f"{problem.kind}: {problem.subject}: {problem.sentence}" for problem in problems]
    waiting = f", {unheard} of them not searchable yet (`nightcrate rebuild` makes their vectors)" if unheard else ""
    lines.append(f"{sounds} accepted sounds{waiting}, {len(problems)} problems")
    content = {"sounds": sounds, "not_searchable": unheard, "problems": [asdict(problem) for problem in problems]}
    answer(content, as_json, "\n".join(lines))
    if problems:
        raise typer.Exit(1)


def rebuild(library: LibraryOption = None, device: DeviceOption = None, as_json: JsonOption = False) -> None:
    """Make again from the rows and files what can be: vectors, nearest training notes, scores, full text, index."""
    from flows import stages
    from flows.novelty import banks_of_library, flag_copies

    with open_library(library, to_write=True) as opened:
        embedder = library_embedder(opened, device)
        opened.lock()
        embedded = stages.embed_missing(opened, embedder)
        compared = flag_copies(opened, embedder, banks_of_library(opened))
        scored = stages.score_sounds(opened, embedder)
        indexed = opened.rebuild_index()
    content = {"embedded": embedded, "compared": compared, "scored": scored, "indexed": indexed}
    answer(content, as_json, f"{embedded} sounds embedded, {compared} compared, {scored} scored, {indexed} indexed")

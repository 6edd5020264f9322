"""Notes to learn from: render a corpus, import one's own sounds, look at what is there."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import JsonOption, answer

app = typer.Typer(help="Notes to learn from, in NSynth's format.", no_args_is_help=True)

OutOption = Annotated[Path, typer.Option("--out", help="Folder to make; it must not exist.", show_default=False)]


@app.command()
def render(
    soundfont: Annotated[
        list[Path], typer.Option("--soundfont", help="A SoundFont file; may be repeated.", show_default=False)
    ],
    out: OutOption,
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX name of the SoundFonts' licence.")] = None,
    licence_file: Annotated[
        Path | None, typer.Option("--licence-file", help="Text with their copyright lines.")
    ] = None,
    notes: Annotated[int, typer.Option("--notes", min=1, help="Notes of each instrument.")] = 28,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes [one a core].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Render a corpus from SoundFonts and nightcrate's own voices."""
    from flows.progress import progress
    from generation.corpus.render import render_corpus

    with progress("instruments") as bar:
        info = render_corpus(
            soundfont,
            out,
            licence=licence,
            licence_file=licence_file,
            notes_per_instrument=notes,
            workers=workers,
            command=_command(),
            progress=bar.show,
        )
    answer(
        info,
        as_json,
        f"{out}: {info['notes']['train']} notes to learn from, {info['notes']['valid']} held out",
    )


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder with examples.json and audio/.")],
    as_json: JsonOption = False,
) -> None:
    """Read a corpus and say what is in it and what was left out."""
    from collections import Counter

    from generation.corpus.nsynth import read_corpus

    corpus = read_corpus(folder)
    cells = Counter(f"{note.source} {note.family}" for note in corpus.notes)
    instruments = len({note.instrument_str for note in corpus.notes})
    licence = corpus.info.licence or "not declared"
    lines = [f"{folder}: {len(corpus.notes)} notes of {instruments} instruments, licence {licence}"]
    lines += [f"  {cell}: {count}" for cell, count in sorted(cells.items())]
    lines += [f"  left out, {why}: {count}" for why, count in corpus.dropped.items()]
    content = {
        "folder": str(folder),
        "notes": len(corpus.notes),
        "instruments": instruments,
        "cells": dict(sorted(cells.items())),
        "dropped": dict(corpus.dropped),
        "licence": corpus.info.licence,
    }
    answer(content, as_json, "\n".join(lines))


def _command() -> str:
    """The command as typed, with the program by name."""
    return shlex.join(["nightcrate", *sys.argv[1:]])

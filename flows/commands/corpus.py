"""Notes to learn from: render a corpus, import one's own sounds, look at what is there."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.novelty import fingerprint
from flows.commands.options import JsonOption, answer

if TYPE_CHECKING:
    from generation.corpus.importer import ImportReport

_LEFT_OUT_SHOWN = 10
app = typer.Typer(rich_markup_mode=None, help="Notes to learn from, in NSynth's format.", no_args_is_help=True)

app.command()(fingerprint)

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


@app.command("import")
def import_sounds(
    folder: Annotated[Path, typer.Argument(help="Folder of one-shots, with manifest.csv or telling names.")],
    out: OutOption,
    licence: Annotated[
        str, typer.Option("--licence", help="SPDX name of the sounds' licence, or own work.", show_default=False)
    ],
    attribution: Annotated[str, typer.Option("--attribution", help="Whom to name as their maker.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="Name of the corpus [that of the folder].")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the sounds come from.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a corpus of your own one-shots."""
    from flows.progress import progress
    from generation.corpus.importer import import_folder

    with progress("sounds") as bar:
        report = import_folder(
            folder, out, licence=licence, attribution=attribution, name=name, url=url, progress=bar.show
        )
    content = {**asdict(report), "out": str(report.out)}
    answer(content, as_json, "\n".join(_import_lines(report)))


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


def _import_lines(report: ImportReport) -> Iterator[str]:
    """What was made, in one line, then the first sounds left out and why."""
    yield (
        f"{report.out}: {report.notes} notes of {report.instruments} instruments, "
        f"{report.pitches_measured} pitches measured, {len(report.left_out)} left out"
    )
    for item in report.left_out[:_LEFT_OUT_SHOWN]:
        yield f"  left out, {item.file}: {item.reason}"
    more = len(report.left_out) - _LEFT_OUT_SHOWN
    if more > 0:
        yield f"  and {more} more; --json and corpus.json name them all"


def _command() -> str:
    """The command as typed, with the program by name."""
    return shlex.join(["nightcrate", *sys.argv[1:]])

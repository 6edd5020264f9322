"""What people hear: a blind listening test made, given on this machine, and summed up."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import CsvOption, JsonOption, LibraryOption, answer, open_library

app = typer.Typer(
    rich_markup_mode=None,
    help="Let people judge sounds blindly: quality (CAG) and relevance (REL).",
    no_args_is_help=True,
)
NameOption = Annotated[
    str | None, typer.Option("--name", help="Which listening test [the newest].", show_default=False)
]


@app.command()
def make(
    real: Annotated[
        Path,
        typer.Option(
            "--real", help="Folder of real notes: NSynth's format, or sound files and captions.csv.", show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it [listening-1, listening-2 ...].", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Which sounds are drawn.")] = 1,
    count: Annotated[int, typer.Option("--count", min=2, max=1000, help="How many sounds are heard.")] = 30,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose sounds of every model and real notes, evenly, and copy them so that nothing but the sound tells."""
    from collections import Counter

    from flows.listening.making import make_test

    with open_library(library, to_write=True) as opened:
        test = make_test(opened, real, name, seed, count)
        made = Counter(sound.candidate.maker for sound in test.sounds)
        content = {"test": test.name, "seed": seed, "lufs": test.lufs, "sounds": dict(sorted(made.items()))}
        told = ", ".join(f"{number} of {maker}" for maker, number in sorted(made.items()))
        text = f"{test.name}: {len(test.sounds)} sounds at {test.lufs:.1f} LUFS ({told})\nnightcrate listen serve"
        answer(content, as_json, text)


@app.command()
def serve(
    name: NameOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 is a free one.")] = 0,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="Try the test out: answers are marked and never counted.")
    ] = False,
    library: LibraryOption = None,
) -> None:
    """Give the test on a page of this machine until it is stopped; every answer is kept at once."""
    from flows.listening.server import HOST, listening_server

    with open_library(library, to_write=True) as opened:
        test = opened.listening.test(name)
        with listening_server(opened, test, port, rehearsal) as server:
            mode = " in REHEARSAL, not counted" if rehearsal else ""
            address = f"http://{HOST}:{server.server_address[1]}/"
            print(f"{test.name}{mode}: {address} (Ctrl-C stops it)", flush=True)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                # A browser keeps what is set and not sent under the address, port included.
                print(f"stopped; every answer given is kept; go on with --port {server.server_address[1]}", flush=True)


@app.command()
def report(
    name: NameOption = None,
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="Sum up the rehearsal, and say so.")] = False,
    csv: CsvOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show means with intervals, how far listeners agree, and whether FAD, KL and CLAP order sounds as they do."""
    from flows.listening.report import report as sum_up
    from flows.listening.report import report_csv, report_json, report_text
    from generation.audio import write_bytes

    with open_library(library) as opened:
        made = sum_up(opened, name, rehearsal)
    if csv is not None:
        write_bytes(csv, report_csv(made).encode())
    answer(report_json(made), as_json, report_text(made))

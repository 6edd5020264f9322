"""The command line: `nightcrate`. Commands and their help are here by name; their bodies are in commands/."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

from catalog.errors import CatalogError
from flows.commands import (
    corpus,
    curation,
    evaluate,
    gate,
    league,
    listen,
    models,
    nights,
    novelty,
    sounds,
    training,
    upkeep,
)
from flows.place import share_cores
from generation.errors import GenerationError

app = typer.Typer(
    name="nightcrate",
    help="Make one-shots through the night and find them in the morning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it takes what stands in brackets, such as "[both]", for markup and hides it
)
_COMMANDS: tuple[Callable[..., None], ...] = (
    nights.night,
    nights.plan,
    nights.nights,
    sounds.search,
    sounds.similar,
    sounds.show,
    curation.review,
    curation.pack,
    novelty.novelty,
    league.league,
    evaluate.evaluate,
    training.train,
    upkeep.verify,
    upkeep.rebuild,
)
_WITH_QUERY = (sounds.search, curation.pack)
for _command in _COMMANDS:
    app.command(cls=sounds.QueryCommand if _command in _WITH_QUERY else None)(_command)
app.add_typer(corpus.app, name="corpus")
app.add_typer(gate.app, name="gate")
app.add_typer(listen.app, name="listen")
app.add_typer(models.app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"nightcrate {version('nightcrate')}")
        except PackageNotFoundError:
            print("nightcrate, not installed")
        raise typer.Exit()


@app.callback()
def nightcrate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Make one-shots through the night and find them in the morning."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process: 0 done, 1 an error told in one line, 2 wrong usage."""
    _hush()
    share_cores()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="nightcrate")
    except (GenerationError, CatalogError) as error:
        _complain(str(error))
    except OSError as error:  # a full disk or a folder that may not be written, met outside the library
        _complain(f"{error.filename or 'the disk'}: {error.strerror or error}")
    sys.exit(0)


def _hush() -> None:
    """Keep other libraries' bars and remarks out of logs and mails; they look here when they are imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
        os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def _complain(message: str) -> NoReturn:
    print(f"nightcrate: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)

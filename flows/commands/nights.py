"""The night, the look ahead at it and the look back: night, plan, nights."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated

import typer

from flows.commands.options import DeviceOption, JsonOption, LibraryOption, answer, open_library

ConfigArgument = Annotated[str, typer.Argument(help="A night that ships with nightcrate, or a YAML file.")]
SHOWN_PROMPTS = 10


def night(
    config: ConfigArgument = "starter",
    library: LibraryOption = None,
    until: Annotated[str | None, typer.Option("--until", help="Stop at this time of day, such as 07:00.")] = None,
    span: Annotated[str | None, typer.Option("--for", help="Stop after this long, such as 20m or 7h30m.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Sounds made at once [as configured].")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make sounds until every cell has enough; run it again to go on where it stopped."""
    from flows.deadline import deadline
    from flows.ending import stopping_in_order
    from flows.place import library_folder
    from flows.settings import read_night
    from flows.summary import as_json as as_json_facts
    from flows.summary import as_text

    with stopping_in_order():
        stop = deadline(until, span)
        wanted, folder = read_night(config)
        root = library_folder(library)

        from flows.nightshift import spend_night

        morning = spend_night(root, wanted, folder, stop, device, batch_size)
    answer(as_json_facts(morning), as_json, as_text(morning))
    if morning.went_wrong:
        raise typer.Exit(1)


def plan(
    config: ConfigArgument = "starter",
    library: LibraryOption = None,
    every: Annotated[bool, typer.Option("--all", help="List every prompt, not only the first ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a night would make, how long it would take and how much disk it needs; nothing is made."""
    from flows.forecast import forecast, forecast_text
    from flows.place import library_folder
    from flows.settings import read_night

    wanted, folder = read_night(config)
    root = library_folder(library)

    from catalog.library import CATALOG_NAME, Library

    opened = Library.open(root, read_only=True) if (root / CATALOG_NAME).exists() else None
    with opened or nullcontext():
        told = forecast(wanted, folder, opened)
    answer(asdict(told), as_json, forecast_text(told, None if every else SHOWN_PROMPTS))


def nights(
    name: Annotated[str | None, typer.Argument(help="A night of the library [all, a line each].")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how the nights of a library ended or stand; with NAME tell that night whole and write its pages anew."""
    from flows.page import write_morning
    from flows.past_nights import look_again, nights_json, nights_text, past_nights
    from flows.summary import as_json as as_json_facts
    from flows.summary import as_text

    with open_library(library) as opened:
        if name is None:
            found = past_nights(opened)
            answer(nights_json(found), as_json, nights_text(found))
            return
        morning = look_again(opened, name)
        answer(as_json_facts(morning), as_json, as_text(morning))  # first: a full disk may refuse the pages
        if morning.at_work or opened.read_only:
            cause = "somebody is making sounds in" if morning.at_work else "nothing may be written to"
            print(f"nightcrate: the pages were not written anew: {cause} {opened.path}", file=sys.stderr)
        else:
            write_morning(morning)

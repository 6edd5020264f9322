"""Models: what there is, fetching and checking their weights, and taking one in from its original files."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import JsonOption, answer

if TYPE_CHECKING:
    from generation.cards import ModelCard

app = typer.Typer(name="models", help="Models: list, fetch, verify, convert.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that nightcrate knows, with what their sounds may be used for."""
    from generation.cards import list_cards

    cards = list_cards()
    width = max(len(card.name) for card in cards)
    lines = [f"{card.name:<{width}s} {card.tier:<8s} {_terms(card):<24s} {card.description}" for card in cards]
    answer([card.model_dump(mode="json") for card in cards], as_json, "\n".join(lines))


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A model, or the folder of one.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show all of a model's card, with its licence chain."""
    from generation.registry import find_card

    card, _ = find_card(name)
    answer(card.model_dump(mode="json"), as_json, _card_text(card))


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Models, or hub ids: owner/name.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Fetch weights from the hub: the price in disk first, then the files, each checked."""
    from flows.progress import progress
    from flows.weights import hub_source
    from generation.hub_fetch import check_room, plan_fetch
    from generation.hub_fetch import fetch as fetch_plan

    plans = [plan_fetch(*hub_source(name)) for name in names]
    for plan in plans:
        here = plan.bytes_total - plan.bytes_missing
        line = f"{plan.repo}: {len(plan.files)} files, {_size(plan.bytes_missing)} to fetch, {_size(here)} here already"
        print(line, file=sys.stderr, flush=True)
    check_room(plans)
    folders = []
    needed_mb = sum(plan.bytes_missing for plan in plans) // 10**6
    with progress("MB", needed_mb) as bar:
        came = 0

        def told(some: int) -> None:
            nonlocal came
            came += some
            bar.show(came // 10**6, needed_mb)

        for plan in plans:
            folders.append(fetch_plan(plan, told))
    facts = [
        {"repo": plan.repo, "revision": plan.revision, "folder": str(folder), "bytes": plan.bytes_total}
        for plan, folder in zip(plans, folders, strict=True)
    ]
    answer(facts, as_json, "\n".join(f"{fact['repo']} at {fact['revision']}: {fact['folder']}" for fact in facts))


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models or hub ids; all that are here by default.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold weights against their hashes, every byte; ends with 1 where one differs."""
    from flows.weights import check_weights

    found = check_weights(names or ())
    lines = [f"{check.name}: {check.files} files as they should be" for check in found if not check.problems]
    lines += [f"{check.name}: {problem}" for check in found for problem in check.problems]
    answer([asdict(check) for check in found], as_json, "\n".join(lines))
    if any(check.problems for check in found):
        raise typer.Exit(1)


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with TANGO's original files.")],
    text_encoder: Annotated[
        Path,
        typer.Option("--text-encoder", help="Folder of its FLAN-T5, with a tokenizer.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it must not exist.", show_default=False)],
    name: Annotated[str, typer.Option("--name", help="Name of the model on its card.")] = "tango",
    as_json: JsonOption = False,
) -> None:
    """Make a model folder of TANGO's original files."""
    from flows.progress import progress
    from generation.convert.tango import convert_tango

    with progress("MB") as bar:
        card = convert_tango(
            folder, out, text_encoder, name, lambda done, total: bar.show(done // 10**6, total // 10**6)
        )
    answer(card.model_dump(mode="json"), as_json, f"{out}\n{_card_text(card)}")


def _terms(card: ModelCard) -> str:
    return {"yes": "may be sold", "no": "not for sale"}.get(card.commercial, "terms undeclared")


def _size(count: int) -> str:
    return f"{count / 10**9:.1f} GB" if count >= 10**9 else f"{count / 10**6:.1f} MB"


def _card_text(card: ModelCard) -> str:
    lines = [
        f"{card.name}: {card.description}",
        f"  technique {card.technique}, tier {card.tier}, {card.sample_rate_hz} Hz, {card.length_s} s",
        f"  commercial use: {card.commercial}",
    ]
    lines += [
        f"    {link.part}: {link.name}, {link.licence or 'no licence given'}" + (f" ({link.url})" if link.url else "")
        for link in card.licence_chain
    ]
    if card.weights and card.weights.hub:
        lines.append(f"  weights: {card.weights.hub} on the hub; fetch them: nightcrate models fetch {card.name}")
    if card.trained_by:
        lines.append(f"  trained by: {card.trained_by}")
    return "\n".join(lines)

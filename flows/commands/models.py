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

app = typer.Typer(
    name="models", rich_markup_mode=None, help="Models: list, fetch, verify, convert.", no_args_is_help=True
)


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
    names: Annotated[
        list[str], typer.Argument(help="Models, hub ids (owner/name), vggish or cnn14.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Fetch weights: the price in disk first, then the files, each checked."""
    from catalog.scores.extractors import EXTRACTORS
    from flows.judge_weights import check_judge_room, fetch_judge, plan_judge
    from flows.progress import progress
    from flows.weights import hub_source
    from generation.hub_fetch import check_room, plan_fetch
    from generation.hub_fetch import fetch as fetch_plan

    # Each once, whatever it is called: a model's name may mean a hub id that is named too.
    sources = dict.fromkeys(hub_source(name) for name in names if name not in EXTRACTORS)
    hubs = [plan_fetch(*source) for source in sources]
    judges = [plan_judge(name) for name in dict.fromkeys(names) if name in EXTRACTORS]
    for hub in hubs:
        _tell_price(f"{hub.repo}: {len(hub.files)} files", hub.bytes_missing, hub.bytes_total)
    for judge in judges:
        _tell_price(f"{judge.kind}: {judge.published.name}", judge.bytes_missing, judge.bytes_total)
    check_room(hubs)
    check_judge_room(judges)
    needed_mb = (sum(hub.bytes_missing for hub in hubs) + sum(judge.bytes_missing for judge in judges)) // 10**6
    facts = []
    with progress("MB", needed_mb) as bar:
        came = 0

        def told(some: int) -> None:
            nonlocal came
            came += some
            bar.show(came // 10**6, needed_mb)

        for hub in hubs:
            folder = str(fetch_plan(hub, told))
            facts.append({"repo": hub.repo, "revision": hub.revision, "folder": folder, "bytes": hub.bytes_total})
        for judge in judges:
            file = str(fetch_judge(judge, told))
            sha256 = judge.published.sha256
            facts.append({"judge": judge.kind, "sha256": sha256, "file": file, "bytes": judge.bytes_total})
    lines = [f"{fact['repo']} at {fact['revision']}: {fact['folder']}" for fact in facts if "repo" in fact]
    lines += [f"{fact['judge']}: {fact['file']}" for fact in facts if "judge" in fact]
    answer(facts, as_json, "\n".join(lines))


def _tell_price(what: str, bytes_missing: int, bytes_total: int) -> None:
    here = bytes_total - bytes_missing
    print(f"{what}, {_size(bytes_missing)} to fetch, {_size(here)} here already", file=sys.stderr, flush=True)


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
    folder: Annotated[Path, typer.Argument(help="TANGO's original files, or a diffusers pipeline with .bin weights.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it must not exist.", show_default=False)],
    text_encoder: Annotated[
        Path | None,
        typer.Option("--text-encoder", help="TANGO: folder of its FLAN-T5, with a tokenizer.", show_default=False),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option("--card", help="A pipeline: the model whose card it gets, or its folder.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the model; by default that of --card, or tango.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a model folder of weights that were published as pickles, opened as data alone."""
    from flows.progress import progress
    from generation.convert import ConversionError
    from generation.convert.diffusers_folder import convert_diffusers
    from generation.convert.tango import convert_tango
    from generation.folder_parts import INDEX_FILE
    from generation.registry import find_card

    if not folder.is_dir():
        raise ConversionError(f"{folder}: there is no such folder; the folder of a model's published files is needed")
    with progress("MB") as bar:

        def told(done: int, total: int) -> None:
            bar.show(done // 10**6, total // 10**6)

        if (folder / INDEX_FILE).is_file():
            if text_encoder is not None:
                raise ConversionError(f"{folder}: is a diffusers pipeline, with a text encoder; omit --text-encoder")
            if card is None:
                raise ConversionError(f"{folder}: is a diffusers pipeline; say whose card it gets: --card riffusion")
            made = convert_diffusers(folder, out, find_card(card)[0], name, told)
        else:
            if card is not None:
                raise ConversionError(f"{folder}: holds no {INDEX_FILE}; --card is for a diffusers pipeline, omit it")
            if text_encoder is None:
                raise ConversionError(f"{folder}: TANGO's files lack a tokenizer; add --text-encoder FLAN_T5_FOLDER")
            made = convert_tango(folder, out, text_encoder, name or "tango", told)
    answer(made.model_dump(mode="json"), as_json, f"{out}\n{_card_text(made)}")


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

"""Models: what there is, how to train one, and how to take one in from its original files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import DeviceOption, JsonOption, answer

if TYPE_CHECKING:
    from generation.cards import ModelCard


def models(
    name: Annotated[str | None, typer.Argument(help="A model, to see all of its card.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that ship with nightcrate, or show one's card with its licence chain."""
    from generation.registry import find_card, list_cards

    if name is not None:
        card, _ = find_card(name)
        answer(card.model_dump(mode="json"), as_json, _card_text(card))
        return
    cards = list_cards()
    lines = [f"{card.name:<28s} {card.tier:<8s} {_terms(card):<24s} {card.description}" for card in cards]
    answer([card.model_dump(mode="json") for card in cards], as_json, "\n".join(lines))


def train(
    recipe: Annotated[str, typer.Argument(help="chopan, clip, clap or judge.")],
    corpus: Annotated[Path, typer.Option("--corpus", help="Folder with train/ and valid/.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", help="Folder of the run; a stopped run goes on there.", show_default=False),
    ],
    config: Annotated[
        str | None, typer.Option("--config", help="A shipped name or a YAML file [the recipe's].")
    ] = None,
    assignment: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting; may be repeated."),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Train a recipe on a corpus; the model is left in OUT/model."""
    from flows.progress import progress
    from flows.settings import device_name
    from flows.train import parse_overrides, run_recipe

    overrides = parse_overrides(assignment or [])
    with progress(f"train {recipe}") as bar:
        result = run_recipe(
            recipe,
            overrides,
            corpus,
            out,
            config,
            device_name(device),
            lambda told: bar.show(told.step, told.steps),
        )
    print(f"{result.folder}: {result.steps} steps, {result.trained_s:.0f} s of training")


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


def _card_text(card: ModelCard) -> str:
    lines = [
        f"{card.name}: {card.description}",
        f"  technique {card.technique}, tier {card.tier}, {card.sample_rate_hz} Hz, {card.length_s} s",
        f"  commercial use: {card.commercial}",
    ]
    lines += [f"    {link.part}: {link.name}, {link.licence or 'no licence given'}" for link in card.licence_chain]
    if card.trained_by:
        lines.append(f"  trained by: {card.trained_by}")
    return "\n".join(lines)

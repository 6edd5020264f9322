"""The licence chain of a trained model: what it was trained on, and all that stands behind its parents.

A card's chain is one corpus_link and the parent_links of every model the run built on, through `whole_chain`;
ModelCard.commercial is the strictest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generation.cards import CARD_FILE, LicenceLink, commercial_use, read_card_file
from generation.corpus.info import CorpusInfo
from generation.published_parts import published_links
from generation.training.export import MODEL_FOLDER
from generation.training.record import RECORD, read_record


def corpus_link(part: str, info: CorpusInfo | Mapping[str, Any]) -> LicenceLink:
    """The terms of a corpus, as corpus.json or a run's record says them; undeclared where they do not."""
    corpus = asdict(info) if isinstance(info, CorpusInfo) else info
    licence = corpus.get("licence")
    return LicenceLink(
        part=part,
        name=corpus["name"],
        licence=licence,
        commercial=commercial_use(licence),
        attribution=corpus.get("attribution"),
        url=corpus.get("url"),
    )


def parent_links(part: str, source: str) -> tuple[LicenceLink, ...]:
    """The terms of a model that another one builds on.

    Args:
        part: what it is to the other: "text encoder".
        source: a run's folder or its model folder, a converted model's folder, or a hub id.

    Returns:
        The chain of the folder's card; without a card, the corpus and the parents in its training.json; for a hub
        id, what published_parts knows. A folder or an id that says nothing is one undeclared link.

    Raises:
        ConfigError: a card or a record cannot be read.
    """
    return _within(part, source_links(source))


def source_links(source: str) -> tuple[LicenceLink, ...]:
    """The chain of a model by itself, its own weights under the part "weights"; see parent_links."""
    folder = Path(source)
    if not folder.is_dir():
        return published_links(source)
    for place in (folder, folder / MODEL_FOLDER):
        if (place / CARD_FILE).is_file():
            return read_card_file(place / CARD_FILE).licence_chain or _undeclared(folder)
        if (place / RECORD).is_file():
            return _recorded_links(read_record(place / RECORD), folder)
    return _undeclared(folder)


def whole_chain(links: Iterable[LicenceLink]) -> tuple[LicenceLink, ...]:
    """The links in their order, each once."""
    return tuple(dict.fromkeys(links))


def _within(part: str, links: Iterable[LicenceLink]) -> tuple[LicenceLink, ...]:
    """Links of another model, told as those of a part of this one."""
    named = ((link, part if link.part == "weights" else f"{part}, {link.part}") for link in links)
    return whole_chain(link.model_copy(update={"part": place}) for link, place in named)


def _recorded_links(record: Mapping[str, Any], folder: Path) -> tuple[LicenceLink, ...]:
    """What training.json says of a run's corpus and, all the way down, of its parents."""
    links = [corpus_link("trained on", record.get("corpus") or {"name": folder.resolve().name})]
    for parent in record.get("parents") or ():
        if "hub" in parent:
            links += _within("built on", published_links(parent["hub"]))
        elif "licence_chain" in parent:
            links += _within("built on", (LicenceLink.model_validate(link) for link in parent["licence_chain"]))
        else:
            recipe = parent.get("recipe") or "a model of unknown origin"
            links += _within(f"built on {recipe}", _recorded_links(parent, Path(recipe)))
    return whole_chain(links)


def _undeclared(folder: Path) -> tuple[LicenceLink, ...]:
    name = folder.resolve().name
    return (LicenceLink(part="weights", name=name, licence=None, commercial="undeclared", attribution=None),)

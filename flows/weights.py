"""The weights on this machine: where a model's come from, and whether they are what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.scores.extractors import EXTRACTORS
from flows.judge_weights import judge_problems, judges_here
from flows.ledger import read_ledger
from generation.cards import ModelCard, list_cards
from generation.errors import CardError, ConfigError
from generation.file_list import KnownFile, differences
from generation.hub import local_snapshot
from generation.hub_lock import LockedRepository, locked, locked_repositories
from generation.published_parts import is_hub_id
from generation.registry import find_card
from generation.shipped import config_names, starter_dir


@dataclass(frozen=True)
class WeightsCheck:
    """What was found of one model: problems has a line for each file that is missing or another."""

    name: str
    files: int
    problems: tuple[str, ...]


def hub_source(name: str) -> tuple[str, str | None]:
    """Return the hub id and the revision that a model's name means, or those of a hub id itself.

    Raises CardError when the model's weights lie on no hub.
    """
    if "/" in name and is_hub_id(name):
        return name, None
    card, _ = find_card(name)
    weights = card.weights
    if weights is None:
        raise CardError(f"{name}: no weights can be fetched; make them with: {card.trained_by or 'nightcrate train'}")
    if weights.hub is None:
        where = "ship with nightcrate" if weights.starter else "lie in its folder"
        raise CardError(f"{name}: its weights {where}; there is nothing to fetch")
    return weights.hub, weights.revision


def check_weights(names: Sequence[str] = ()) -> list[WeightsCheck]:
    """Recompute the hashes of models: shipped ones against the ledger, fetched ones against the lock file.

    names: models, hub ids or judges of scores; none means all shipped models and all that was fetched. Raises CardError
    for a name that was never fetched, and ConfigError for a ledger or lock file that cannot be read.
    """
    if not names:
        shipped = [_check_starter(card) for card in list_cards() if card.weights and card.weights.starter]
        judges = [_check_judge(kind) for kind in judges_here()]
        return shipped + [_check_locked(entry.repo, entry) for entry in locked_repositories()] + judges
    return [_check(name) for name in names]


def _check(name: str) -> WeightsCheck:
    card = find_card(name)[0] if name in config_names("models") else None
    if card is not None and card.weights and card.weights.starter:
        return _check_starter(card)
    if name in EXTRACTORS:
        return _check_judge(name)
    repo, revision = hub_source(name)
    entry = locked(repo, revision)
    if entry is None:
        raise _never_fetched(name)
    return _check_locked(name, entry)


def _check_judge(kind: str) -> WeightsCheck:
    if kind not in judges_here():
        raise _never_fetched(kind)
    return WeightsCheck(kind, 1, judge_problems(kind))


def _never_fetched(name: str) -> CardError:
    return CardError(f"{name}: was not fetched yet; fetch it: nightcrate models fetch {name}")


def _check_starter(card: ModelCard) -> WeightsCheck:
    assert card.weights is not None and card.weights.starter is not None
    shared = (f"{folder}/{part}/" for part, folder in card.shared.items())
    inside = (card.weights.starter + "/", *shared)
    try:
        files = [KnownFile(**entry) for entry in read_ledger(starter_dir()) if entry["path"].startswith(inside)]
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"{starter_dir()}: its ledger is damaged; install nightcrate again") from error
    return WeightsCheck(card.name, len(files), tuple(differences(starter_dir(), files)))


def _check_locked(name: str, entry: LockedRepository) -> WeightsCheck:
    folder = local_snapshot(entry.repo, entry.asked)
    if folder is None:
        return WeightsCheck(name, 0, (f"is not whole on this machine; nightcrate models fetch {entry.repo}",))
    return WeightsCheck(name, len(entry.files), tuple(differences(folder, entry.files)))

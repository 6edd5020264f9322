"""The nights of a library as they are found later, without the process that ran them: how each ended or stands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalog.library import Library
from catalog.records import NightRecord, NightSummary, SampleFilter
from catalog.writer_lock import in_use
from flows.order import Order, choose_models, model_settings
from flows.place import library_folder
from flows.settings import NightConfig, read_night
from flows.summary import Morning, look_back, standing
from generation.errors import ConfigError, GenerationError
from generation.prompts.plan import ModelSettings, plan_jobs
from generation.registry import ModelIdentity, model_fingerprint, weights_here
from generation.shipped import config_names
from generation.strict_yaml import unknown_name

_KEPT = ("accepted", "rejected", "failed", "pending")


@dataclass(frozen=True)
class PastNight:
    """One night of a library.

    standing: finished, deadline, running or interrupted. unsure: it is one of several that say running while somebody
    makes sounds, so it may have been interrupted as well. again: the command that goes on with it, None where it ended
    or runs. unready: how many of its accepted sounds have no vector or no score.
    """

    night: NightSummary
    standing: str
    unsure: bool
    again: str | None
    unready: int


def past_nights(library: Library) -> list[PastNight]:
    """All nights of a library, oldest first."""
    at_work, nights = _now(library)
    several = at_work and sum(night.status == "running" for night in nights) > 1
    unready = set(library.sample_ids()) - set(library.sample_ids(SampleFilter(min_score=0)))
    unready.update(sample.id for sample in library.missing_embeddings(library.embedding_state().embedder))
    found = []
    for night in nights:
        stands = standing(night, at_work)
        mine = unready.intersection(library.sample_ids(SampleFilter(night_id=night.id)))
        found.append(
            PastNight(
                night=library.summary(night.id),
                standing=stands,
                unsure=several and stands == "running",
                again=_command(night, library) if stands in ("deadline", "interrupted") else None,
                unready=len(mine),
            )
        )
    return found


def look_again(library: Library, name: str) -> Morning:
    """All about the newest night of this name; ConfigError, with the nearest name, when there is none.

    The catalogue does not keep which models were left out, nor why there are no scores; that is taken from the
    summary that the night left, if it left one.
    """
    at_work, nights = _now(library)
    named = [night for night in nights if night.name == name]
    if not named:
        raise ConfigError(unknown_name("night", name, {night.name for night in nights}))
    night = named[-1]
    target = night.config.get("target")
    morning = look_back(library, night.id, target, {}, None)
    morning = replace(morning, at_work=at_work or in_use(library.path))  # a night may have begun since
    told = _told_by_itself(morning)
    return replace(morning, left_out=told.get("left_out", {}), unscored=_why_unscored(morning, told))


def nights_json(nights: Sequence[PastNight]) -> list[dict[str, Any]]:
    """The nights as plain JSON, with the keys of summary.json; times are ISO 8601 in UTC."""
    return [
        {
            "night": past.night.night.name,
            "status": past.standing,
            "started_at": past.night.night.started_at.isoformat(),
            "ended_at": past.night.night.ended_at.isoformat() if past.night.night.ended_at else None,
            **{count: getattr(past.night, count) for count in _KEPT},
            "unready": past.unready,
        }
        for past in nights
    ]


def nights_text(nights: Sequence[PastNight]) -> str:
    """One line a night, or one that says that there is none."""
    if not nights:
        return "this library has no nights; `nightcrate night` begins one"
    name_width = max(len(past.night.night.name) for past in nights)
    widths = {count: max(len(str(getattr(past.night, count))) for past in nights) for count in _KEPT}
    lines = []
    for past in nights:
        counts = (f"{getattr(past.night, count):{widths[count]}d}" for count in _KEPT)
        told = "{} accepted, {} rejected, {} failed, {} still planned".format(*counts)
        begun = past.night.night.started_at
        lines.append(f"{past.night.night.name:{name_width}s}  {begun:%Y-%m-%d %H:%M} UTC  {told}  {_stands(past)}")
    return "\n".join(lines)


def _now(library: Library) -> tuple[bool, list[NightRecord]]:
    """Whether somebody is making sounds, and the nights as they are then.

    Asked before and after reading: a night that began or ended meanwhile was at work, not interrupted.
    """
    before = in_use(library.path)
    nights = library.nights()
    return before or in_use(library.path), nights


def _stands(past: PastNight) -> str:
    night = past.night
    words = {
        "finished": "finished",
        "deadline": f"stopped at its deadline: {past.again} goes on",
        "interrupted": f"was interrupted: {past.again} goes on",
        "running": "running now, or interrupted before the one that is" if past.unsure else "running now",
    }[past.standing]
    if past.standing == "finished" and night.failed and not night.accepted + night.rejected:
        words = "failed, not one sound could be made"
    if not past.unready:
        return words
    remedy = "" if past.standing == "running" else " (`nightcrate rebuild` makes them)"
    return f"{words}; {past.unready} accepted without vector or score yet{remedy}"


def _command(night: NightRecord, library: Library) -> str:
    """What goes on with a night: its name where it shipped with nightcrate, else the user's own file, not kept here."""
    shipped = _is_shipped(night, library)
    words = ["nightcrate", "night", night.config["name"] if shipped else "FILE"]
    if library.path != library_folder(None):
        words += ["--library", shlex.quote(str(library.path))]
    return f"`{' '.join(words)}`" + ("" if shipped else " (FILE: its configuration)")


def _is_shipped(night: NightRecord, library: Library) -> bool:
    """Whether the shipped night of this name, as it is today, is this one: a copy may be changed and keep the name."""
    name = night.config.get("name")
    if name not in config_names("night"):
        return False
    try:
        order = _order_from_here(*read_night(name), library)
    except GenerationError:  # a model that is damaged or not here any more
        return False
    return order is not None and order.identity() == night.config


def _order_from_here(config: NightConfig, folder: Path, library: Library) -> Order | None:
    """The order of a night as flows.order.read_order reads it, without torch, which a technique's own code needs.

    Which version that code has is what the library knows of these weights; None where it does not know them.
    """
    known = {(model.name, model.fingerprint): model for _, model in sorted(library.models().items())}
    models: dict[str, ModelIdentity] = {}
    settings: list[ModelSettings] = []
    for chosen in choose_models(config, folder):
        card, weights = weights_here(chosen.choice.model)
        if weights is None:
            continue
        record = known.get((card.name, model_fingerprint(card, weights)))
        if record is None:
            return None
        models[card.name] = ModelIdentity(card, record.fingerprint, record.technique_version)
        settings.append(model_settings(models[card.name], chosen.choice))
    prompts, turns = config.prompts.prompts_in(folder), len(settings)
    jobs = [plan_jobs(prompts, [one], config.seeds) for one in settings]
    if config.deal:
        jobs = [one[place::turns] for place, one in enumerate(jobs)]
    return Order(config, models, {}, {}, tuple(job for one in jobs for job in one))


def _told_by_itself(morning: Morning) -> dict[str, Any]:
    """The summary that lies beside the library from this very night; empty when there is none."""
    try:
        told = json.loads((morning.folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    began = morning.night.night.started_at.isoformat()
    return told if isinstance(told, dict) and told.get("started_at") == began else {}


def _why_unscored(morning: Morning, told: dict[str, Any]) -> str | None:
    """Why there are no scores, or what broke the night off, as it said itself if nothing was made since."""
    stands = standing(morning.night.night, morning.at_work)
    if stands == "running" or (morning.scores and stands != "interrupted"):
        return None
    if told.get("unscored") and told.get("made") == morning.night.made:
        return str(told["unscored"])
    if morning.scores:
        return None
    if stands == "interrupted":
        return "the night was interrupted before it scored its models"
    return "its models have no score yet; `nightcrate league --refresh` scores them"

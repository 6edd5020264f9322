"""What a night would make, how long it takes and how much disk it needs: the answer of `nightcrate plan`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from catalog.library import Library
from flows.order import ChosenModel, check_samplings, choose_models
from flows.pace import bytes_per_sound, seconds_per_sound
from flows.settings import NightConfig
from generation.cards import Weights
from generation.hub_lock import locked
from generation.registry import find_card, weights_here


@dataclass(frozen=True)
class ModelForecast:
    """One model's share. seconds is None when nobody has measured the model; bytes are of accepted sounds.

    is_here: whether its weights are on this machine; a model without them is counted all the same. get_by: where they
    are not, the commands that get them, or what is wrong. bytes_to_fetch: how much disk its files take that a hub
    holds, where the lock file knows; None for others.
    """

    model: str
    seconds_per_sound: float | None
    seconds_origin: str | None
    bytes_per_sound: float
    bytes_origin: str
    is_here: bool
    get_by: str | None
    bytes_to_fetch: int | None


@dataclass(frozen=True)
class Forecast:
    """A night looked at before it runs.

    first_sounds: prompts x models x seeds, or prompts x seeds where they are dealt. sounds: these, or as many as
    the target needs when that is more, were every sound accepted. most_sounds: with every re-roll that the limit
    allows. seconds (of `sounds`) and most_seconds are None when the pace of a model is unknown; bytes are those of
    `sounds`.
    """

    night: str
    prompts: tuple[str, ...]
    models: tuple[ModelForecast, ...]
    seeds: int
    deal: bool
    target: int | None
    first_sounds: int
    sounds: int
    most_sounds: int
    seconds: float | None
    most_seconds: float | None
    bytes: float


def forecast(config: NightConfig, folder: Path, library: Library | None) -> Forecast:
    """Look at a night without its weights; `library` None means that there is none yet.

    No network is asked. Raises ConfigError or CardError for prompts or models that do not exist, or that cannot do what
    is asked of them, and ConfigError for a broken lock file of the hub.
    """
    prompts = config.prompts.prompts_in(folder)
    chosen = choose_models(config, folder)
    check_samplings(chosen)
    models = [_model_forecast(each, library) for each in chosen]
    each = len(prompts) * len(config.seeds)
    tries = config.max_attempts if config.target else 1
    first = each if config.deal else each * len(models)
    cells = [(prompt.source, prompt.family) for prompt in prompts] * len(config.seeds)
    counted = {
        (model, cell)
        for place, cell in enumerate(cells)
        for model in range(len(models))
        if not config.deal or place % len(models) == model
    }
    needed = min(max(first, (config.target or 0) * len(counted)), first * tries)
    known = [model.seconds_per_sound for model in models if model.seconds_per_sound is not None]
    pace = sum(known) / len(models) if len(known) == len(models) else None
    return Forecast(
        night=config.name,
        prompts=tuple(prompt.caption for prompt in prompts),
        models=tuple(models),
        seeds=len(config.seeds),
        deal=config.deal,
        target=config.target,
        first_sounds=first,
        sounds=needed,
        most_sounds=first * tries,
        seconds=None if pace is None else pace * needed,
        most_seconds=None if pace is None else pace * first * tries,
        bytes=needed * sum(model.bytes_per_sound for model in models) / len(models),
    )


def _model_forecast(chosen: ChosenModel, library: Library | None) -> ModelForecast:
    card = chosen.card
    length_s = card.length_s if chosen.choice.length_s is None else chosen.choice.length_s
    measured, room = seconds_per_sound(library, card, length_s), bytes_per_sound(library, card, length_s)
    is_here = weights_here(chosen.choice.model)[1] is not None
    return ModelForecast(
        model=card.name,
        seconds_per_sound=measured.seconds if measured else None,
        seconds_origin=measured.origin if measured else None,
        bytes_per_sound=room.bytes,
        bytes_origin=room.origin,
        is_here=is_here,
        get_by=None if is_here else _get_by(chosen),
        bytes_to_fetch=None if is_here else _bytes_to_fetch(card.weights),
    )


def _get_by(chosen: ChosenModel) -> str:
    """How to get the weights of a model that are not on this machine."""
    card, place = chosen.card, chosen.choice.model
    if card.weights is None:
        return f"{card.trained_by or 'train it first'}; then name that folder in the night"
    if card.weights.hub is not None:
        return f"the night fetches it, or nightcrate models fetch {shlex.quote(place)}"
    if card.weights.starter is not None:
        return "its shipped weights are missing; install nightcrate again"
    folder = find_card(place)[1].parent / str(card.weights.folder)
    return f"the card's folder of weights is not there ({folder})"


def _bytes_to_fetch(weights: Weights | None) -> int | None:
    """Size of all files that the lock file names of a hub repository; None where it names none."""
    entry = locked(weights.hub, weights.revision) if weights and weights.hub else None
    return sum(file.bytes for file in entry.files) if entry else None


def forecast_text(told: Forecast, shown: int | None) -> str:
    """The forecast for people, with the first `shown` prompts (None: all of them)."""
    factors = [(len(told.prompts), "prompt"), (len(told.models), "model"), (told.seeds, "seed")]
    product = " x ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in factors)
    dealt = ", each prompt dealt to one model," if told.deal and len(told.models) > 1 else ""
    lines = [f"Night {told.night}: {product}{dealt} = {told.first_sounds} sounds"]
    if told.target:
        lines.append(f"  {told.target} accepted in each cell: {told.sounds} to {told.most_sounds} sounds with re-rolls")
    if told.seconds is None or told.most_seconds is None:
        lines.append("  time: unknown, nobody has measured this yet")
    else:
        most = f", at most {duration(told.most_seconds)}" if told.most_seconds > told.seconds else ""
        lines.append(f"  time: about {duration(told.seconds)}{most}")
    lines.append(f"  disk: about {size(told.bytes)}")
    for model in told.models:
        pace = (
            "pace unknown"
            if model.seconds_per_sound is None
            else f"{model.seconds_per_sound:.2f} s a sound ({model.seconds_origin})"
        )
        lines.append(f"  {model.model}: {pace}, {size(model.bytes_per_sound)} a sound ({model.bytes_origin})")
    for model in told.models:
        if not model.is_here:
            price = "" if model.bytes_to_fetch is None else f" ({size(model.bytes_to_fetch)})"
            lines.append(f"  {model.model} is counted, but not on this machine: {model.get_by}{price}")
    lines += [f"    {prompt}" for prompt in told.prompts[:shown]]
    if shown is not None and len(told.prompts) > shown:
        lines.append(f"    ... and {len(told.prompts) - shown} more; --all lists them")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A length of time for people: seconds below two minutes, then minutes, then hours and minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

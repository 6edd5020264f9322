"""What a night is asked to make: its models as they are today, and the first try of every sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.records import JobRecord, ModelRecord
from flows.settings import DEFAULT_BANKS, ModelChoice, NightConfig
from generation.cards import ModelCard
from generation.errors import CardError
from generation.prompts.plan import Job, ModelSettings, plan_jobs
from generation.registry import ModelIdentity, find_card, identify
from generation.sampling import check_sampling
from generation.shipped import config_names


@dataclass(frozen=True)
class Order:
    """A night's configuration with its models looked up.

    models: what each usable model of the configuration is, in its order, by the name in its card.
    left_out: models whose weights are not here -> the cause. first_tries: every prompt with every seed and
    every usable model, or the one it was dealt to, in plan order.
    """

    config: NightConfig
    models: Mapping[str, ModelIdentity]
    choices: Mapping[str, ModelChoice]
    left_out: Mapping[str, str]
    first_tries: tuple[Job, ...]

    def identity(self) -> dict[str, Any]:
        """Everything that decides the plan, as JSON: equal for nights that would make the same sounds.

        The first tries stand for prompts, models, weights and sampling alike; how many sounds are made at
        once is no part of it.
        """
        keys = "\n".join(job.key for job in self.first_tries)
        # What is as usual is not named: nights of before there was a choice stay the same nights.
        unnamed = {"models", "deal"} | ({"novelty"} if self.config.novelty == DEFAULT_BANKS else set())
        return self.config.model_dump(mode="json", exclude=unnamed) | {
            "models": list(self.models),
            "first_tries": hashlib.sha256(keys.encode()).hexdigest(),
        }


@dataclass(frozen=True)
class ChosenModel:
    """One model of a night: how it samples, with `choice.model` as find_card takes it from anywhere, and its card."""

    choice: ModelChoice
    card: ModelCard


def choose_models(config: NightConfig, folder: Path) -> list[ChosenModel]:
    """Look up the cards of a night's models; paths are relative to `folder`, see model_place.

    Raises CardError for a model that does not exist, and for two of one name: sounds are known by the card's name.
    """
    chosen: dict[str, ChosenModel] = {}
    for choice in config.models:
        choice = choice.model_copy(update={"model": model_place(choice.model, folder)})
        card, file = find_card(choice.model)
        if card.name in chosen:
            other = find_card(chosen[card.name].choice.model)[1]
            if other.resolve() == file.resolve():
                raise CardError(f"{config.name}: model '{card.name}' stands twice ({file}); each model once")
            raise CardError(
                f"{config.name}: two models are named '{card.name}' ({other} and {file}); change `name` in one of them"
            )
        chosen[card.name] = ChosenModel(choice, card)
    return list(chosen.values())


def model_place(name: str, folder: Path) -> str:
    """What a configuration in `folder` means by a model: a shipped name, else a path from there, if it is there.

    What is neither is left to find_card as it stands: a path from the working directory, or a mistake.
    """
    place = (folder / name).absolute()
    return str(place) if name not in config_names("models") and place.exists() else name


def check_samplings(chosen: Iterable[ChosenModel]) -> None:
    """Refuse steps, guidance, a scheduler, a dtype or a length that a model of a night cannot do, before it is loaded.

    Raises CardError, one line, as generation.sampling.check_sampling does.
    """
    for each in chosen:
        choice = each.choice
        check_sampling(
            choice.model, choice.steps, choice.guidance_scale, choice.scheduler, choice.dtype, choice.length_s
        )


def read_order(config: NightConfig, folder: Path) -> Order:
    """Look the models up and plan the first tries; paths in the configuration are relative to `folder`.

    Raises CardError as choose_models does, or when no model of the night has its weights.
    """
    models: dict[str, ModelIdentity] = {}
    choices: dict[str, ModelChoice] = {}
    left_out: dict[str, str] = {}
    # A misspelt name stops the night, missing weights only the model.
    for chosen in choose_models(config, folder):
        try:
            models[chosen.card.name] = identify(chosen.choice.model)
            choices[chosen.card.name] = chosen.choice
        except CardError as cause:
            left_out[chosen.card.name] = str(cause)
    if not models:
        raise CardError("; ".join(left_out.values()))
    # What a library keeps of its night is read from other folders too.
    banks = (name if name in DEFAULT_BANKS else str((folder / name).absolute()) for name in config.novelty)
    config = config.model_copy(update={"novelty": tuple(banks)})
    settings = [model_settings(model, choices[name]) for name, model in models.items()]
    jobs = plan_jobs(config.prompts.prompts_in(folder), settings, config.seeds)
    if config.deal:
        each = len(jobs) // len(models)
        jobs = [job for place, job in enumerate(jobs) if place % each % len(models) == place // each]
    return Order(config, models, choices, left_out, tuple(jobs))


def model_settings(model: ModelIdentity, choice: ModelChoice) -> ModelSettings:
    """How a model samples in this night: as the configuration says, else as its card says."""
    defaults = model.card.defaults
    return ModelSettings(
        model=model.card.name,
        fingerprint=model.fingerprint,
        technique_version=model.technique_version,
        steps=choice.steps if choice.steps is not None else defaults.steps,
        guidance_scale=choice.guidance_scale if choice.guidance_scale is not None else defaults.guidance_scale,
        scheduler=choice.scheduler if choice.scheduler is not None else defaults.scheduler,
        length_s=choice.length_s if choice.length_s is not None else model.card.length_s,
        dtype=choice.dtype,
    )


def model_record(model: ModelIdentity) -> ModelRecord:
    """What the catalogue keeps of a model."""
    card: ModelCard = model.card
    return ModelRecord(
        name=card.name,
        technique=card.technique,
        fingerprint=model.fingerprint,
        technique_version=model.technique_version,
        sample_rate_hz=card.sample_rate_hz,
        commercial=card.commercial,
        licence_chain=[link.model_dump(mode="json") for link in card.licence_chain],
        card=card.model_dump(mode="json"),
    )


def job_record(job: Job) -> JobRecord:
    """A planned sound as the catalogue keeps it."""
    return JobRecord(
        key=job.key,
        model=job.settings.model,
        prompt=job.prompt.caption,
        family=job.prompt.family,
        source=job.prompt.source,
        qualities=job.prompt.qualities,
        note=job.prompt.note,
        seed=job.seed,
        settings=job.settings.as_dict(),
        round=job.round,
    )

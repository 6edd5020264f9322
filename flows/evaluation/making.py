"""One setting's sounds: every row's model on the same prompts and seeds, in one library, batch by batch.

The library is an ordinary one, judged by the gate `measure`, which refuses only what cannot be heard; each row is a
night of its own in it. A run that was killed goes on where it stopped, as nights do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from catalog.library import Library
from catalog.records import SampleFilter
from flows import making
from flows.bench import Bench
from flows.deadline import Deadline
from flows.evaluation.settings import Evaluation, RowChoice
from flows.judging import read_judging
from flows.order import read_order
from flows.settings import ModelChoice, NightConfig, PromptChoice
from generation.errors import GenerationError
from generation.prompts.prompt import Prompt
from generation.registry import ModelIdentity, find_card, identify

MEASURE = "measure"
"""The gate of these libraries (configs/gate)."""
ONE_PASS = "chopan"
"""The technique that has neither steps nor guidance."""
EVERY = SampleFilter(statuses=("accepted", "rejected"))
"""All sounds of a library, those that cannot be heard included."""


@dataclass(frozen=True)
class Setting:
    """How the models sample; None leaves it to their cards."""

    steps: int | None = None
    guidance_scale: float | None = None

    @property
    def folder(self) -> str:
        """Where its library lies below OUT."""
        return "sounds" if self.steps is None else f"{self.steps}-{self.guidance_scale:g}"


@dataclass(frozen=True)
class MadeRow:
    """What became of one row in one setting.

    model: the name in its card; None where there is none. asked, heard, silent, failed: sounds. reason: why there is
    nothing to score, None where there is. steps, guidance_scale: None where the technique has no such thing.
    seconds: generating and measuring one sound.
    """

    row: str
    model: str | None
    reason: str | None
    asked: int
    heard: int = 0
    silent: int = 0
    failed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None
    fingerprint: str | None = None
    technique_version: str | None = None
    seconds: float | None = None


def settings_of(evaluation: Evaluation) -> list[Setting]:
    """The settings in order of cost."""
    if not evaluation.steps:
        return [Setting()]
    return [Setting(steps, scale) for steps in sorted(evaluation.steps) for scale in sorted(evaluation.guidance_scales)]


def make_rows(
    library: Library, evaluation: Evaluation, setting: Setting, prompts: Sequence[Prompt], device: str
) -> Iterator[MadeRow]:
    """Make what the library lacks of every row, one after another, and say what became of each.

    A row that cannot be made is told with its reason. Raises LibraryError when the disk or the catalogue refuses.
    """
    taken: dict[str, str] = {}
    for choice in evaluation.models:
        asked = len(prompts)
        try:
            # The thesis' name may be anybody's; the card's is what the library knows the sounds by.
            card, _ = find_card(choice.model)
            identity = identify(choice.model)
        except GenerationError as cause:
            yield MadeRow(choice.row, None, str(cause), asked)
            continue
        if card.name in taken:
            told = f"its card's name, {card.name}, is that of the row {taken[card.name]} too; rename one"
            yield MadeRow(choice.row, None, told, asked)
            continue
        taken[card.name] = choice.row
        if card.technique == ONE_PASS and evaluation.experiment in ("table-6.2", "table-6.3"):
            told = "it has neither steps nor guidance; it stands in table-6.1 and rows alone"
            yield MadeRow(choice.row, card.name, told, asked)
            continue
        if other := _other_weights(library, identity):
            yield MadeRow(choice.row, card.name, other, asked)
            continue
        yield _make(library, evaluation, setting, choice, identity, prompts, device)


def _make(
    library: Library,
    evaluation: Evaluation,
    setting: Setting,
    choice: RowChoice,
    identity: ModelIdentity,
    prompts: Sequence[Prompt],
    device: str,
) -> MadeRow:
    """Make one row's sounds as a night does, without Prefect."""
    card = identity.card
    sampling = Setting() if card.technique == ONE_PASS else setting
    config = NightConfig(
        name=re.sub(r"[^a-z0-9]+", "-", choice.row.lower()).strip("-")[:60] or "row",
        models=(
            ModelChoice(
                model=choice.model,
                batch_size=evaluation.batch_size_on(device),
                steps=sampling.steps,
                guidance_scale=sampling.guidance_scale,
            ),
        ),
        prompts=PromptChoice(prompts=tuple(prompt.caption for prompt in prompts)),
        seeds=(evaluation.seed,),
        gate=MEASURE,
        embedder=evaluation.embedder,
        novelty=(),
    )
    order = read_order(config, Path())
    job = order.first_tries[0]
    wanted = {one.key for one in order.first_tries}
    if other := _others(library, card.name, wanted):
        return MadeRow(choice.row, card.name, other, len(prompts))
    bench = Bench(library, order, read_judging(MEASURE), Deadline(), device)
    making.make_sounds(bench, card.name, lambda loaded, batch: making.make_batch(bench, loaded, batch))
    bench.end()
    # A batch that a stopped run of more prompts had planned is made whole, with prompts of its own.
    if other := _others(library, card.name, wanted):
        return MadeRow(choice.row, card.name, other, len(prompts))
    told = library.summary(bench.night_id)
    pace = library.pace(card.name)
    reason = None
    if not told.accepted:
        reason = next(iter(told.failures), None) or "none of its sounds can be heard"
    return MadeRow(
        row=choice.row,
        model=card.name,
        reason=reason,
        asked=len(prompts),
        heard=told.accepted,
        silent=told.rejected,
        failed=told.failed,
        steps=job.settings.steps,
        guidance_scale=job.settings.guidance_scale,
        fingerprint=identity.fingerprint,
        technique_version=identity.technique_version,
        seconds=None if pace is None else pace[0],
    )


def _other_weights(library: Library, identity: ModelIdentity) -> str | None:
    """Why a library cannot take this model: it has sounds that other weights or other code of its name made."""
    mine = (identity.fingerprint, identity.technique_version)
    others = {
        id
        for id, record in library.models().items()
        if record.name == identity.card.name and (record.fingerprint, record.technique_version) != mine
    }
    if not any(sample.model_id in others for sample in library.samples(EVERY)):
        return None
    return f"{library.path} holds sounds of other weights of {identity.card.name}; name another --out"


def _others(library: Library, name: str, wanted: Set[str]) -> str | None:
    """Why a model's sounds here cannot be scored: some are not among the jobs that were asked for."""
    made = library.samples(SampleFilter(models=(name,), statuses=EVERY.statuses))
    if all(sample.job_key in wanted for sample in made):
        return None
    return f"{library.path} holds sounds of {name} that other settings or more prompts asked for; name another --out"

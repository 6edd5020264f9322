"""Whether a model can sample as it is asked to, told by its folder's small files before any weight is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from generation.asked import check_length
from generation.cards import ModelCard
from generation.errors import CardError, GenerationError
from generation.registry import weights_here
from generation.shared_parts import shared_parts

_ANY_LENGTH = frozenset({"tango", "diffusers"})
"""Techniques whose sounds are as long as asked for."""


def check_sampling(
    name_or_folder: str | os.PathLike[str],
    steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
    dtype: str = "float32",
    length_s: float | None = None,
) -> None:
    """Refuse what a model cannot do; None takes the card's and asks for nothing, and so does float32.

    A card of any diffusers pipeline asks for its own scheduler: whoever wrote it may not know which ones fit.
    What is not on this machine, or is damaged, is not judged: loading it says so, and costs only its own sounds.
    Raises CardError, one line: the model, what came, what is possible.
    """
    card, folder = weights_here(name_or_folder)
    any_pipeline = card.technique == "diffusers"
    if card.technique not in _ANY_LENGTH:
        with _named(card):
            check_length(length_s, card.length_s)
    if any_pipeline and scheduler is None:
        scheduler = card.defaults.scheduler
    lower = None if dtype == "float32" else dtype
    asked = {"steps": steps, "guidance_scale": guidance_scale, "scheduler": scheduler, "dtype": lower}
    told = ", ".join(f"{name}: {value}" for name, value in asked.items() if value is not None)
    if not told or folder is None:
        return
    # They need diffusers: only whoever asks for something waits for it.
    from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj

    from generation.folder_parts import as_card_error, read_index
    from generation.pipelines.any_diffusers import sampler_for, saved_scheduler
    from generation.pipelines.denoising import build_sampler

    try:
        place = shared_parts(card).get("scheduler", folder / "scheduler")
        path = place / "scheduler_config.json"
        has_one = "scheduler" in read_index(folder)
        if has_one and any_pipeline:
            saved = saved_scheduler(folder)
        elif has_one:
            with as_card_error(f"{path}: is no scheduler's configuration"):
                config = json.loads(path.read_text(encoding="utf-8"))
                saved = simple_get_class_obj("diffusers", config["_class_name"]).from_config(config)
    except CardError:
        return
    if not has_one:
        raise CardError(f"{card.name}: {told} came; it does not denoise and has no such choice: leave them out")
    name, count = scheduler or card.defaults.scheduler, steps or card.defaults.steps or 1
    if any_pipeline:
        # Of a scheduler that the pipeline makes itself only the kind is known.
        sampler_for(card.name, saved, name, count if path.is_file() else None)
        return
    with _named(card):
        build_sampler(saved, name, count)


@contextmanager
def _named(card: ModelCard) -> Iterator[None]:
    """Say of which model an error tells, as a CardError."""
    try:
        yield
    except GenerationError as error:
        raise CardError(f"{card.name}: {error}") from error

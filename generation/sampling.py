"""Whether a model can sample as it is asked to, told by its folder's small files before any weight is opened."""

from __future__ import annotations

import json
import os

from generation.errors import CardError, GenerationError
from generation.registry import weights_here
from generation.shared_parts import shared_parts


def check_sampling(
    name_or_folder: str | os.PathLike[str],
    steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
    dtype: str = "float32",
) -> None:
    """Refuse what a model cannot do; None takes the card's and asks for nothing, and so does float32.

    What is not on this machine, or is damaged, is not judged: loading it says so, and costs only its own sounds.
    Raises CardError, one line: the model, what came, what is possible.
    """
    lower = None if dtype == "float32" else dtype
    asked = {"steps": steps, "guidance_scale": guidance_scale, "scheduler": scheduler, "dtype": lower}
    told = ", ".join(f"{name}: {value}" for name, value in asked.items() if value is not None)
    card, folder = weights_here(name_or_folder)
    if not told or folder is None:
        return
    # They need diffusers: only whoever asks for something waits for it.
    from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj

    from generation.folder_parts import as_card_error, read_index
    from generation.pipelines.any_diffusers import sampler_for
    from generation.pipelines.denoising import build_sampler

    try:
        place = shared_parts(card).get("scheduler", folder / "scheduler")
        path = place / "scheduler_config.json"
        has_one = "scheduler" in read_index(folder)
        if has_one:
            with as_card_error(f"{path}: is no scheduler's configuration"):
                config = json.loads(path.read_text(encoding="utf-8"))
                saved = simple_get_class_obj("diffusers", config["_class_name"]).from_config(config)
    except CardError:
        return
    if not has_one:
        raise CardError(f"{card.name}: {told} came; it does not denoise and has no such choice: leave them out")
    name, count = scheduler or card.defaults.scheduler, steps or card.defaults.steps or 1
    if card.technique == "diffusers":
        sampler_for(card.name, saved, name, count)
        return
    try:
        build_sampler(saved, name, count)
    except GenerationError as error:
        raise CardError(f"{card.name}: {error}") from error

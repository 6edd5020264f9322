"""From a trained denoising network to its complete folder: the pipeline in half precision, and its card."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from generation.cards import Defaults, LicenceLink, ModelCard, Weights, write_card
from generation.corpus.info import CorpusInfo
from generation.pipelines.text_to_sound import TextToSoundPipeline
from generation.training.captioning import CaptionSettings
from generation.training.licence_links import corpus_link, whole_chain


@dataclass(frozen=True)
class ModelFacts:
    """What the card of a trained model says beside its pictures and its licences.

    name: of the recipe. technique: as the registry names it. description: one sentence. parents: the terms of all
    that the model builds on. defaults: how it samples.
    """

    name: str
    technique: str
    description: str
    parents: tuple[LicenceLink, ...]
    defaults: Defaults


def write_denoiser(
    folder: Path, pipeline: TextToSoundPipeline, info: CorpusInfo, facts: ModelFacts, captions: CaptionSettings
) -> None:
    """Save the pipeline, networks in fp16, and its card with the licences of corpus and parts."""
    components = {name: _halved(part) for name, part in pipeline.components.items()}
    type(pipeline)(**components).save_pretrained(folder)
    write_card(
        folder,
        ModelCard(
            name=f"{facts.name}-own",
            technique=facts.technique,
            description=facts.description,
            tier="own",
            weights=Weights(folder=Path(".")),
            sample_rate_hz=pipeline.codec.config["sample_rate_hz"],
            length_s=pipeline.codec.duration_s,
            defaults=facts.defaults,
            prompt_style="tags" if captions.style == "tags" else "caption",
            licence_chain=whole_chain([corpus_link("training data", info), *facts.parents]),
        ),
    )


def _halved(part: Any) -> Any:
    if not isinstance(part, nn.Module):
        return part
    return copy.deepcopy(part).half().cpu()

"""May these sounds be sold, and what has to be said beside them: licence chains into two text files.

A sound carries the licences of everything that made it: weights, autoencoder, vocoder, training data. The
strictest link decides. What forbids commercial use, or says nothing, stays out of a pack unless the curator
names the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.errors import PackError
from catalog.records import ModelRecord, SampleRecord

_WHY = {"no": "forbids commercial use", "undeclared": "declares no terms for commercial use"}
_NO_LICENCE = "no licence given"


@dataclass(frozen=True)
class NotForSale:
    """How many sounds of a model stay out of a pack since they may not be sold, and which links forbid it."""

    model: str
    sounds: int
    why: str


def check_allowed(models: Collection[ModelRecord], allow_noncommercial: Collection[str]) -> None:
    """Raise PackError for an allowance that names no model of these, or one whose sounds may be sold anyway.

    Either is most likely a slip, and the model that was meant would stay out.
    """
    needing = sorted({model.name for model in models if model.commercial != "yes"})
    known = {model.name for model in models}
    others = f"it is for {', '.join(needing)}" if needing else "no model here needs it"
    for name in sorted(set(allow_noncommercial).difference(needing)):
        slip = "its sounds may be sold without it" if name in known else "this library has no such model"
        raise PackError(f"--allow-noncommercial {name}: {slip}; {others}")


def not_for_sale(models: Mapping[int, ModelRecord], allow_noncommercial: Collection[str]) -> dict[int, ModelRecord]:
    """Of the models of a library by id those whose sounds stay out of a pack.

    Undeclared terms keep sounds out as forbidding ones do, unless `allow_noncommercial` names their model.
    """
    return {
        id: model for id, model in models.items() if model.commercial != "yes" and model.name not in allow_noncommercial
    }


def counted(samples: Sequence[SampleRecord], barred: Mapping[int, ModelRecord]) -> tuple[NotForSale, ...]:
    """Sounds of models that are not for sale, counted by model and by what stands in the way."""
    counts = Counter((barred[sample.model_id].name, obstacle(barred[sample.model_id])) for sample in samples)
    return tuple(NotForSale(name, count, why) for (name, why), count in sorted(counts.items()))


def left_out_line(left: Sequence[NotForSale]) -> str:
    """Say how many sounds of which models stay out of a pack, why, and with which options they come in."""
    parts = "; ".join(f"{one.sounds} of {one.model}: {one.why}" for one in left)
    flags = " ".join(f"--allow-noncommercial {name}" for name in dict.fromkeys(one.model for one in left))
    return f"left out, not for sale: {parts}; they come in with {flags}"


def obstacle(model: ModelRecord) -> str:
    """Say which links of the chain of a model that is not free to sell stand in the way of commercial use."""
    parts = [f"{_part(link)} ({_licence(link)}) {_WHY[use]}" for link, use in _hindering(model)]
    return ", ".join(parts) or f"the model {_WHY[model.commercial]}"


def hindering_licences(model: ModelRecord) -> str:
    """Name the licences that forbid commercial use of a model's sounds or do not declare it, in short."""
    return ", ".join(dict.fromkeys(_licence(link) for link, _ in _hindering(model))) or _NO_LICENCE


def licence_text(models: Sequence[ModelRecord]) -> str:
    """Return LICENSE.txt: what the pack may be used for, and the chain of every model behind it."""
    lines = []
    restricted = [model for model in models if model.commercial != "yes"]
    if restricted:
        lines += [
            "NOT CLEARED FOR COMMERCIAL USE",
            "",
            "Sounds of these models are part of this pack although their licences forbid commercial use or",
            "do not mention it:",
            *(f"  {model.name}: {obstacle(model)}" for model in restricted),
            "Ask the owners of these parts before you publish or sell anything made with this pack.",
        ]
    else:
        lines += [
            "Every part that made these sounds declares that commercial use is allowed, under the licences",
            "listed below. You may use the sounds in your own music, released or sold, royalty-free.",
            "Where a licence asks for attribution, pass ATTRIBUTION.txt on with the sounds.",
        ]
    lines += ["", "The sounds are provided as they are, without warranty of any kind.", ""]
    for model in models:
        lines += [f"Model {model.name} ({model.technique}, weights {model.fingerprint})"]
        lines += [f"  {_link_line(link)}" for link in model.licence_chain]
        lines += [""]
    return "\n".join(lines)


def attribution_text(models: Sequence[ModelRecord], samples: Sequence[SampleRecord], names: Mapping[int, str]) -> str:
    """Return ATTRIBUTION.txt: that the sounds are machine-made, whom to credit, and what each is built from.

    `names` gives the file of each sample id. Recordings are listed only for sounds that are built from some.
    """
    lines = [
        "AI-GENERATED AUDIO",
        "",
        "All sounds in this pack were generated by machine-learning models from text descriptions; none is a",
        "recording of a performance. manifest.csv names the model, the description and the seed of each one.",
        "",
        "CREDITS",
        "",
    ]
    for model in models:
        lines += [f"Model {model.name}"]
        lines += [f"  {_link_line(link)}" for link in model.licence_chain]
        lines += [
            f"    {' '.join(str(link['attribution']).split())}"
            for link in model.licence_chain
            if link.get("attribution")
        ]
        lines += [""]
    built = [sample for sample in samples if sample.sources]
    if built:
        lines += [
            "SOURCE RECORDINGS",
            "",
            "These sounds were built from recordings of the training data credited above:",
            *(f"  {names[sample.id]}: {', '.join(sample.sources)}" for sample in built),
            "",
        ]
    return "\n".join(lines)


def _hindering(model: ModelRecord) -> list[tuple[Mapping[str, Any], str]]:
    """The links that keep a model's sounds from being sold, each with what it says of that: no or undeclared."""
    terms = [(link, link.get("commercial", "undeclared")) for link in model.licence_chain]
    return [(link, use) for link, use in terms if use != "yes"]


def _link_line(link: Mapping[str, Any]) -> str:
    """Return one link of a chain as a line: part, name, licence and address."""
    address = f", {link['url']}" if link.get("url") else ""
    return f"{_part(link)}: {_licence(link)}{address}"


def _part(link: Mapping[str, Any]) -> str:
    return " ".join(str(link[key]) for key in ("part", "name") if link.get(key))


def _licence(link: Mapping[str, Any]) -> str:
    return str(link.get("licence") or _NO_LICENCE)

"""Put a trained model among the shipped starters: `python -m flows.shipping RUN/model NAME`, then flows.ledger.

A component that another starter holds already, weight for weight, is not copied but shared. What a run exported as
a whole model gets its card in configs/models; a part alone (text encoder, autoencoder) is there to be shared.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from generation.audio import file_sha256, write_bytes
from generation.cards import CARD_FILE, LicenceLink, ModelCard, Weights, read_card, read_card_file
from generation.errors import ConfigError
from generation.shipped import configs_dir, starter_dir
from generation.strict_yaml import dump_yaml
from generation.training.loss_curves import CURVES, draw_curves
from generation.training.losses import LOSSES
from generation.training.record import RECORD, read_record

# What loaders write beside a configuration: where it was read from, by whom.
_REMARKS = frozenset({"is_local", "local_files_only"})
# Who wrote it: the same weights saved on another machine are the same component.
_WRITERS = frozenset({"transformers_version"})
_EVERY_STEPS = 20
_OF_CHOPAN = {"training data and bank": "training data", "weights and text-to-picture retrieval": "weights"}
_NOT_COPIED = (CARD_FILE, LOSSES, CURVES)


def ship(
    model: Path, name: str, starters: Path, configs: Path, terms: tuple[LicenceLink, ...] = ()
) -> ModelCard | None:
    """Copy what a run exported into `starters`/NAME, and write `configs`/models/NAME.yaml where it is a whole model.

    terms: the licence chain, where it says more than the corpus and the parts do.
    Raises ConfigError when `model` is no folder that a run exported. Returns the card.
    """
    if not (model / RECORD).is_file():
        raise ConfigError(f"{model}: holds no {RECORD}; give the model folder of a training run")
    final = starters / name
    shutil.rmtree(final, ignore_errors=True)
    shared = {}
    for part in sorted(path for path in model.iterdir() if path.is_dir()):
        twin = _twin(part, starters) if (model / CARD_FILE).is_file() else None
        if twin is None:
            shutil.copytree(part, final / part.name, copy_function=_copy)
        else:
            shared[part.name] = twin
    for path in sorted(path for path in model.iterdir() if path.is_file() and path.name not in _NOT_COPIED):
        _copy(path, final / path.name)
    write_bytes(final / LOSSES, _thinned(model / LOSSES))
    draw_curves(final / LOSSES, final / CURVES)
    _in_few_colours(final / CURVES)
    if not (model / CARD_FILE).is_file():
        return None
    card = _card(model, name, shared)
    card = card.model_copy(update={"licence_chain": terms}) if terms else card
    told = card.model_dump(mode="json", exclude_defaults=True)
    head = f"# A starter: shipped inside nightcrate, small enough for a laptop; made by: {card.trained_by}\n"
    write_bytes(configs / "models" / f"{name}.yaml", (head + dump_yaml(told)).encode())
    return card


def _card(model: Path, name: str, shared: dict[str, str]) -> ModelCard:
    own, record = read_card_file(model / CARD_FILE), read_record(model / RECORD)
    sized = f"{own.description} {record['parameters_trained']:,} parameters learned."
    return own.model_copy(
        update={
            "name": name,
            "tier": "starter",
            "description": sized,
            "weights": Weights(starter=name, shared=shared),
            "trained_by": record["command"],
        }
    )


def _twin(part: Path, starters: Path) -> str | None:
    """The starter that holds the same component: equal weights, and settings equal but for remarks."""
    content = _content(part)
    for other in sorted(starters.glob(f"*/{part.name}")):
        if _content(other) == content:
            return other.parent.name
    return None


def _content(part: Path) -> dict[str, Any]:
    return {path.relative_to(part).as_posix(): _comparable(path) for path in sorted(part.rglob("*")) if path.is_file()}


def _comparable(path: Path) -> Any:
    if path.suffix != ".json":
        return file_sha256(path)
    told = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in told.items() if not key.startswith("_") and key not in _REMARKS | _WRITERS}


def _copy(source: str | Path, target: str | Path) -> str:
    """Copy one file; settings without the remarks of loaders, which name places on a machine."""
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".json" and source.name != RECORD:
        told = json.loads(source.read_text(encoding="utf-8"))
        kept = {key: value for key, value in told.items() if key not in {*_REMARKS, "_name_or_path"}}
        write_bytes(target, (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode())
    else:
        write_bytes(target, source.read_bytes())
    return str(target)


def _in_few_colours(picture: Path) -> None:
    """Save a PNG of curves again with 32 colours: a third of its size, and every curve still there."""
    with Image.open(picture) as drawn:
        drawn.convert("RGB").quantize(32).save(picture, optimize=True)


def _thinned(losses: Path) -> bytes:
    """losses.csv with every validation, and of the other steps each twentieth: what a curve needs."""
    with losses.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    validated = [place for place, column in enumerate(header) if column.startswith("valid_")]
    step = header.index("step")
    kept = [row for row in rows if int(row[step]) % _EVERY_STEPS == 0 or any(row[place] for place in validated)]
    return "\n".join(",".join(row) for row in [header, *kept]).encode() + b"\n"


def _terms() -> tuple[LicenceLink, ...]:
    """The chain of a starter: all learned from the corpus of chopan-starter, whose SoundFonts are credited there."""
    chain = read_card("chopan-starter").licence_chain
    return tuple(link.model_copy(update={"part": _OF_CHOPAN.get(link.part, link.part)}) for link in chain)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m flows.shipping RUN/model NAME")
    made = ship(Path(sys.argv[1]), sys.argv[2], starter_dir(), configs_dir(), _terms())
    said = f"shares {made.shared}" if made else "a part to be shared"
    print(f"{sys.argv[2]}: {said}; now run python -m flows.ledger")

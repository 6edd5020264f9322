"""training.json names every model that a run builds on: runs, converted folders, plain folders, hub ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.parents import parents_of
from flows.train import _record
from generation import registry
from generation.cards import read_card, strictest
from generation.hub import open_source
from generation.published_parts import published_links
from generation.registry import weights_fingerprint
from generation.shipped import starter_dir
from generation.training.licence_links import parent_links
from generation.training.settings import TrainSettings
from tests.generation.fake_hub import serve_to_client
from tests.generation.toy_model import write_model


class Settings(TrainSettings):
    vae: str
    text_encoder: str
    base: str
    vocoder: str


def test_no_parent_is_lost_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run/model").mkdir(parents=True)
    (tmp_path / "run/model/weights.safetensors").write_bytes(b"x")
    corpus = {"name": "tones", "licence": "CC0-1.0"}
    (tmp_path / "run/model/training.json").write_text(json.dumps({"recipe": "vae", "corpus": corpus, "parents": []}))
    write_model(tmp_path / "tango", licence_chain=published_links("declare-lab/tango"))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/config.json").write_text("{}")
    settings = Settings(
        steps=1, batch_size=1, learning_rate=1e-3, vae=str(tmp_path / "run"), base=str(tmp_path / "tango"),
        vocoder=str(tmp_path / "plain"), text_encoder="openai/clip-vit-base-patch32",
    )  # fmt: skip
    record = _record("toy", {}, tmp_path / "corpus", None, settings)
    assert str(tmp_path) not in json.dumps(record["parents"])

    child = tmp_path / "child"
    child.mkdir()
    (child / "training.json").write_text(json.dumps({**record, "corpus": corpus}))
    links = parent_links("network", str(child))
    assert [link.name for link in links] == [
        "tones",
        "tones",
        *(link.name for link in published_links("declare-lab/tango")),
        "plain",
        "OpenAI CLIP ViT-B/32",
    ]
    assert strictest(link.commercial for link in links) == "no"


def test_a_base_by_its_shipped_name_is_a_parent() -> None:
    class FineTuned(TrainSettings):
        base: str

    settings = FineTuned(steps=1, batch_size=1, learning_rate=1e-3, base="chopan-starter")
    (parent,) = parents_of(settings)
    assert parent["fingerprint"] == weights_fingerprint(starter_dir() / "chopan-starter")
    assert parent["recipe"] == "chopan" and parent["corpus"]["name"]


def test_a_base_that_was_fetched_has_the_chain_of_its_shipped_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FineTuned(TrainSettings):
        base: str

    card = read_card("riffusion")
    assert card.weights is not None and card.weights.hub is not None
    files = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/diffusion_pytorch_model.safetensors": b"x"}
    with serve_to_client(files, tmp_path, monkeypatch):
        fetched = open_source("someone/toy")
        monkeypatch.setattr(registry, "open_source", lambda repo, revision: fetched)
        (parent,) = parents_of(FineTuned(steps=1, batch_size=1, learning_rate=1e-3, base="riffusion"))
    assert parent["fingerprint"] == weights_fingerprint(fetched)
    assert (parent["name"], len(parent["licence_chain"])) == ("riffusion", len(card.licence_chain))

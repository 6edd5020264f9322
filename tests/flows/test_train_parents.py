"""training.json names every model that a run builds on: runs, converted folders, plain folders, hub ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.train import _record
from generation.cards import strictest
from generation.published_parts import published_links
from generation.training.licence_links import parent_links
from generation.training.settings import TrainSettings
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

"""Starters that share components: copied once, loaded as if each had its own, told apart when a shared one changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import flows.shipping
from flows.shipping import ship
from generation import load_model
from generation.cards import write_card
from generation.errors import CardError, ConfigError
from generation.pipelines.diffusion_model import open_pipeline
from generation.pipelines.tango import TangoPipeline
from generation.registry import identify
from generation.training.denoising_parts import open_base
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, toy_card

LOSSES = "step,seconds,loss,valid_loss\n0,,,2.0\n" + "".join(
    f"{step},{step / 10},{1 / step},{0.5 if step == 30 else ''}\n" for step in range(1, 41)
)


@pytest.fixture
def starters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shipped folders from two runs whose pipelines have the same text encoder and autoencoder."""
    starters, configs = tmp_path / "starter", tmp_path / "configs"
    for place in ("registry", "shared_parts"):
        monkeypatch.setattr(f"generation.{place}.starter_dir", lambda: starters)
    monkeypatch.setattr("generation.shipped.configs_dir", lambda: configs)
    for seed, name in ((1, "first-starter"), (2, "second-starter")):
        assert ship(run_of(tmp_path / name, seed), name, starters, configs) is not None
    return starters


def run_of(out: Path, seed: int) -> Path:
    """What a run leaves: a whole TANGO whose network alone was learned."""
    pipeline = TOYS["tango"]()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in pipeline.unet.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    model = out / "model"
    pipeline.save_pretrained(model)
    config = model / "text_encoder" / "config.json"  # saved on another machine, by another version
    config.write_text(json.dumps(json.loads(config.read_text()) | {"transformers_version": f"5.{seed}.0"}))
    write_card(model, toy_card("tango", pipeline))
    (model / "losses.csv").write_text(LOSSES)
    record = {"command": "nightcrate train tango-ft", "settings": {}, "parameters_trained": 12345}
    (model / "training.json").write_text(json.dumps(record))
    return model


def test_what_another_starter_holds_is_shared(starters: Path, tmp_path: Path) -> None:
    held = {path.name for path in (starters / "second-starter").iterdir() if path.is_dir()}
    assert held == {"unet"}
    assert {path.name for path in (starters / "first-starter").iterdir()} >= {"unet", "vae", "text_encoder", "vocoder"}
    model = load_model("second-starter")
    assert model.card.shared["vae"] == "first-starter" and model.card.tier == "starter"
    assert model.card.trained_by == "nightcrate train tango-ft" and "12,345" in model.card.description
    own = load_model(tmp_path / "second-starter" / "model")
    for mine, shipped in zip(own.generate([SHORT, LONG], [1, 2]), model.generate([SHORT, LONG], [1, 2]), strict=True):
        assert np.array_equal(mine.samples, shipped.samples)
    other = load_model("first-starter").generate([SHORT], [1])[0]
    assert not np.allclose(other.samples, model.generate([SHORT], [1])[0].samples, atol=1e-6)


def test_a_shared_weight_that_changes_makes_another_model(starters: Path) -> None:
    before = identify("second-starter").fingerprint
    assert before == load_model("second-starter").fingerprint != identify("first-starter").fingerprint
    weights = next((starters / "first-starter/vae").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert identify("second-starter").fingerprint != before


def test_a_shared_part_that_is_not_there_is_one_line(starters: Path) -> None:
    shutil.rmtree(starters / "first-starter/vae")
    for look in (identify, load_model):
        with pytest.raises(CardError, match=r"second-starter: the shipped vae is missing .*install nightcrate again"):
            look("second-starter")


def test_a_damaged_shared_part_is_one_line(starters: Path) -> None:
    next((starters / "first-starter/vae").glob("*.safetensors")).write_bytes(b"damaged")
    with pytest.raises(CardError, match=r"second-starter: a part that it shares cannot be loaded") as told:
        load_model("second-starter")
    assert "\n" not in str(told.value)


def test_curves_are_thinned_but_no_validation_is_lost(starters: Path) -> None:
    rows = (starters / "first-starter/losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "0", "20", "30", "40"]
    assert (starters / "first-starter/losses.png").is_file()


def test_a_folder_that_no_run_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no training.json; give the model folder"):
        flows.shipping.ship(tmp_path, "x-starter", tmp_path / "starter", tmp_path / "configs")
    assert not (tmp_path / "starter").exists()


def test_a_starter_that_shares_can_be_trained_further(starters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.training.denoising_parts.config_names", lambda kind: ("second-starter",))
    base = open_base("second-starter")
    assert base.shared.keys() >= {"vae", "text_encoder", "codec"} and base.links[0].part.startswith("base, ")
    pipeline = open_pipeline(TangoPipeline, base.folder, "tango", **base.shared)
    loaded = load_model("second-starter").generate([SHORT], [1], steps=3, guidance_scale=2.0)[0]
    assert np.abs(pipeline([SHORT], [1], 3, 2.0).waves[0] - loaded.samples[0]).max() < 1e-4

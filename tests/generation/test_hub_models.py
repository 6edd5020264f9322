"""Published layouts, fetched through the hub's own client and played: what the cards of the full models rely on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from generation.cards import Weights, read_card, write_card
from generation.errors import CardError
from generation.pipelines import riffusion
from generation.published_parts import published_links
from generation.registry import load_model
from generation.shipped import config_names
from tests.generation.fake_hub import serve_to_client
from tests.generation.test_pipeline_riffusion import stable_diffusion
from tests.generation.toy_diffusion import SHORT, toy_card, toy_riffusion


def test_riffusions_layout_is_fetched_and_makes_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riffusion, "codec_at", lambda rate: toy_riffusion().codec)
    local = stable_diffusion(tmp_path / "published")
    files = {path.relative_to(local).as_posix(): path.read_bytes() for path in local.rglob("*") if path.is_file()}
    beside = {
        "riffusion-model-v1.ckpt": b"code",
        "unet_traced/unet_traced.pt": b"code",
        "unet/diffusion_pytorch_model.bin": b"code",
        "safety_checker/config.json": b"{}",
        "safety_checker/model.safetensors": b"never read",
        "feature_extractor/preprocessor_config.json": b"{}",
        "seed_image/og_beat.png": b"picture",
    }
    card = toy_card("riffusion", toy_riffusion())
    with serve_to_client({**files, **beside}, tmp_path, monkeypatch) as hub:
        (tmp_path / "card").mkdir()
        write_card(tmp_path / "card", card.model_copy(update={"weights": Weights(hub="someone/toy")}))
        fetched = load_model(tmp_path / "card").generate([SHORT], [3])[0]
        asked = {path for _, path, _ in hub.sent}
    assert not asked & (beside.keys() - {"feature_extractor/preprocessor_config.json"})
    write_card(local, card)
    assert np.array_equal(fetched.samples, load_model(local).generate([SHORT], [3])[0].samples)


def test_a_repository_with_halves_alone_makes_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riffusion, "codec_at", lambda rate: toy_riffusion().codec)
    local = stable_diffusion(tmp_path / "published")
    for path in local.glob("*/*.safetensors"):
        halves = {name: weight.half() for name, weight in load_file(path).items()}
        save_file(halves, path.with_name(f"{path.stem}.fp16.safetensors"), metadata={"format": "pt"})
        save_file({name: weight.float() for name, weight in halves.items()}, path, metadata={"format": "pt"})
    files = {path.relative_to(local).as_posix(): path.read_bytes() for path in local.rglob("*") if path.is_file()}
    halves_alone = {name: content for name, content in files.items() if ".safetensors" not in name or ".fp16." in name}
    card = toy_card("riffusion", toy_riffusion())
    with serve_to_client(halves_alone, tmp_path, monkeypatch):
        (tmp_path / "card").mkdir()
        write_card(tmp_path / "card", card.model_copy(update={"weights": Weights(hub="someone/toy")}))
        fetched = load_model(tmp_path / "card").generate([SHORT], [3])[0]
    write_card(local, card)
    assert np.array_equal(fetched.samples, load_model(local).generate([SHORT], [3])[0].samples)


SEVEN = {
    "chopan": "yes",
    "audio-diffusion": "yes",
    "audio-latent-diffusion": "yes",
    "riffusion": "yes",
    "riffusion-ft": "yes",
    "tango": "no",
    "tango-ft": "no",
}


@pytest.mark.parametrize("name", SEVEN)
def test_the_seven_models_have_cards_that_say_how_to_get_them(name: str) -> None:
    card = read_card(name)
    assert card.commercial == SEVEN[name]
    assert (card.weights is None) == (name != "riffusion")
    if card.weights is None:
        # TANGO's are downloaded and converted, all others trained.
        command = str(card.trained_by).rpartition(" && ")[2].split()
        assert command[:3] == ["nightcrate", *(("models", "convert") if name == "tango" else ("train", name))]
        assert "--config" not in command or command[command.index("--config") + 1] in config_names("train")
    if name != "chopan":
        assert (card.defaults.steps, card.defaults.guidance_scale) == (200, 3.0)


def test_whoever_wants_tango_is_told_where_its_files_are() -> None:
    with pytest.raises(CardError, match="hf download declare-lab/tango --local-dir") as caught:
        load_model("tango")
    assert "hf download google/flan-t5-large" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("riffusion", "riffusion/riffusion-model-v1"),
        ("riffusion-ft", "riffusion/riffusion-model-v1"),
        ("tango", "declare-lab/tango"),
        ("tango-ft", "declare-lab/tango"),
        ("tango", "google/flan-t5-large"),
        ("chopan", "openai/clip-vit-base-patch32"),
    ],
)
def test_a_card_says_of_its_parts_what_the_table_says(name: str, parent: str) -> None:
    """What is only code, and not used, asks for nothing in a card."""
    told = {link.model_copy(update={"part": ""}) for link in read_card(name).licence_chain}
    known = {
        link.model_copy(update={"part": ""}) for link in published_links(parent) if "original code" not in link.part
    }
    assert known <= told


def test_the_table_and_the_cards_name_no_revision_nobody_read() -> None:
    for name in config_names("models"):
        weights = read_card(name).weights
        assert weights is None or weights.hub is None or weights.revision is None

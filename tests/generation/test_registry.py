"""From a name or a folder to a loaded model, its fingerprint, and one clear line when that fails."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest

import generation
from generation import registry
from generation.cards import Weights
from generation.errors import CardError, ConfigError
from generation.registry import LoadedModel, find_card, identify, load_model, weights_fingerprint
from tests.generation.toy_model import write_model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def toy_technique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._TECHNIQUES, "toy", "tests.generation.toy_technique")


@pytest.fixture
def model(tmp_path: Path) -> LoadedModel:
    return load_model(write_model(tmp_path / "toy"))


# -------------------- making sound


def test_a_folder_loads_and_makes_sound(model: LoadedModel) -> None:
    assert (model.card.name, model.technique_version) == ("toy-own", "7")
    clips = model.generate(["a", "b"], [1, 2])
    assert [clip.sample_rate_hz for clip in clips] == [16000, 16000]
    alone = model.generate(["b"], [2])
    assert np.array_equal(clips[1].samples, alone[0].samples)


def test_the_package_offers_load_model(tmp_path: Path) -> None:
    assert generation.load_model(write_model(tmp_path / "toy")).card.name == "toy-own"


def test_the_cards_defaults_are_used_unless_asked_otherwise(model: LoadedModel) -> None:
    technique: Any = model._technique
    model.generate(["a"], [1], notes=[33])
    assert technique.asked == {"steps": 20, "guidance_scale": 3.0, "notes": [33], "scheduler": None}
    model.generate(["a"], [1], steps=5, guidance_scale=0.0, scheduler="ddpm")
    assert technique.asked == {"steps": 5, "guidance_scale": 0.0, "notes": None, "scheduler": "ddpm"}


def test_nothing_asked_nothing_made(model: LoadedModel) -> None:
    assert model.generate([], []) == []


def test_lists_of_other_lengths_are_refused(model: LoadedModel) -> None:
    with pytest.raises(CardError, match="2 prompts, 1 seeds; one seed"):
        model.generate(["a", "b"], [1])
    with pytest.raises(CardError, match="1 prompts, 1 seeds, 2 notes"):
        model.generate(["a"], [1], notes=[1, 2])
    with pytest.raises(CardError, match="made 1 clips for 2 prompts"):
        model.generate(["lose one", "b"], [1, 2])


# -------------------- finding


def test_a_runs_folder_stands_for_the_model_in_it(tmp_path: Path) -> None:
    write_model(tmp_path / "run/model")
    assert find_card(tmp_path / "run")[1] == tmp_path / "run/model/card.yaml"


def test_a_card_stands_for_its_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    assert identify(folder / "card.yaml") == identify(folder)
    assert load_model(str(folder / "card.yaml")).card.name == "toy-own"
    with pytest.raises(CardError, match="no model"):
        load_model(tmp_path / "gone" / "card.yaml")


def test_a_shipped_name_wins_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "chopan")
    assert find_card("chopan")[0].name == "chopan"
    assert find_card("./chopan")[0].name == "toy-own"


def test_unknown_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"no model 'chopn'; did you mean 'chopan'\? \(known: "):
        load_model("chopn")
    with pytest.raises(CardError, match="holds no card.yaml; name a model or a folder"):
        load_model(tmp_path)
    with pytest.raises(CardError, match=r"no technique 'tooy'; did you mean 'toy'\?"):
        load_model(write_model(tmp_path / "toy", technique="tooy"))


def test_a_model_without_weights_says_how_to_make_them() -> None:
    with pytest.raises(CardError) as caught:
        load_model("chopan")
    assert "no weights can be fetched; make them with: nightcrate train chopan" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_gone(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy", weights=Weights(folder=Path("elsewhere")))
    with pytest.raises(CardError, match="the card's folder of weights is not there"):
        load_model(folder)
    (folder / "elsewhere").mkdir()
    with pytest.raises(CardError, match="holds no weights"):
        load_model(folder)
    shutil.copy(folder / "loudness.txt", folder / "elsewhere")
    assert load_model(folder).card.name == "toy-own"
    with pytest.raises(CardError, match="the shipped weights are missing; install nightcrate again"):
        load_model(write_model(tmp_path / "lost", weights=Weights(starter="lost")))


def test_a_card_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match="card.yaml: line 1"):
        load_model(tmp_path)


# -------------------- fingerprints


def test_the_fingerprint_by_hand(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/c.txt").write_text("two")
    (tmp_path / "a.txt").write_text("one")
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
    expected = hashlib.sha256(f"{one}  a.txt\n{two}  b/c.txt\n".encode()).hexdigest()
    assert weights_fingerprint(tmp_path) == expected


def test_the_fingerprint_follows_the_weights_alone(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    first = weights_fingerprint(folder)
    for record in ("card.yaml", "training.json", "losses.csv", "README.md", ".hidden"):
        (folder / record).write_text("another text")
        assert weights_fingerprint(folder) == first
    shutil.copytree(folder, tmp_path / "copy")
    assert weights_fingerprint(tmp_path / "copy") == first
    (folder / "loudness.txt").write_text("0.6")
    changed = weights_fingerprint(folder)
    assert changed != first
    (folder / "loudness.txt").rename(folder / "volume.txt")
    assert weights_fingerprint(folder) not in (first, changed)


def test_the_fingerprint_is_kept_for_the_process(tmp_path: Path) -> None:
    """A change that leaves size and time alone is not read again: this shows the files were not."""
    folder = write_model(tmp_path / "toy")
    first = weights_fingerprint(folder)
    times = (folder / "loudness.txt").stat()
    (folder / "loudness.txt").write_text("0.7")
    os.utime(folder / "loudness.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights_fingerprint(folder) == first


def test_identify_hashes_without_loading(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    (folder / "loudness.txt").write_text("no number")
    identity = identify(folder)
    assert (identity.card.name, identity.technique_version) == ("toy-own", "7")
    assert identity.fingerprint == weights_fingerprint(folder)
    with pytest.raises(ValueError, match="no number"):
        load_model(folder)


# -------------------- the hub


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_without_network_the_line_names_the_starters(tmp_path: Path, hub_cache: Path) -> None:
    folder = write_model(tmp_path / "toy", weights=Weights(hub="someone/toy", revision=REVISION))
    with pytest.raises(CardError) as caught:
        load_model(folder)
    assert "someone/toy is not on this machine and the hub cannot be reached" in str(caught.value)
    assert "use a starter model, which needs no network: audio-diffusion-starter, " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pinned_snapshot_in_the_cache_needs_no_network(tmp_path: Path, hub_cache: Path) -> None:
    snapshot = hub_cache / "models--someone--toy/snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / "loudness.txt").write_text("0.25")
    folder = write_model(tmp_path / "toy", weights=Weights(hub="someone/toy", revision=REVISION))
    assert load_model(folder).fingerprint == weights_fingerprint(snapshot)


def test_what_other_programs_put_into_the_cache_is_no_weight(tmp_path: Path, hub_cache: Path) -> None:
    """Known by the formats that are fetched, where no lock file says more."""
    snapshot = hub_cache / "models--someone--toy/snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / "loudness.txt").write_text("0.25")
    folder = write_model(tmp_path / "toy", weights=Weights(hub="someone/toy", revision=REVISION))
    first = identify(folder)
    (snapshot / "og_beat.png").write_bytes(b"picture")
    assert identify(folder) == first

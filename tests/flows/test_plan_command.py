"""`nightcrate plan`: how many, which, how long, how much disk, before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from flows.forecast import duration, forecast, forecast_text, size
from flows.settings import ModelChoice, read_night
from generation.cards import Pace, Weights, read_card, write_card
from generation.file_list import KnownFile
from generation.hub_lock import LockedRepository, lock
from tests.flows.command_line import ROOT, run
from tests.flows.toy_night import MODEL, write_toy_library

CARD = """
name: {name}
technique: chopan
description: for a test
tier: own
weights: {{folder: .}}
sample_rate_hz: 16000
length_s: 1.0
prompt_style: tags
licence_chain: []
pace: {pace}
"""


@pytest.fixture
def night(tmp_path):
    """A configuration with a model of our own; gives (path of the night, folder of the model)."""

    def write(name: str = MODEL, pace: str = "null", target: str = "null", seeds: str = "[1, 2]") -> str:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "card.yaml").write_text(CARD.format(name=name, pace=pace), encoding="utf-8")
        path = tmp_path / "night.yaml"
        path.write_text(
            f"name: test\nmodels: [{{model: {folder}}}]\nprompts: {{cells: [bass], max_qualities: 1}}\n"
            f"target: {target}\nmax_attempts: 3\nseeds: {seeds}\n",
            encoding="utf-8",
        )
        return str(path)

    return write


def test_all_is_exactly_12096_prompts_a_model(capsys, tmp_path):
    code, out, _ = run(capsys, "plan", "all", "--library", str(tmp_path / "none"), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["first_sounds"] == told["most_sounds"] == len(told["prompts"]) == 12_096
    assert not (tmp_path / "none").exists(), "nothing is made"


def test_the_first_prompts_are_listed_and_all_of_them_when_asked(capsys, tmp_path):
    library = ("--library", str(tmp_path / "none"))
    _, few, _ = run(capsys, "plan", "starter", *library)
    _, every, _ = run(capsys, "plan", "starter", "--all", *library)
    assert "56 prompts x 3 models x 1 seed, each prompt dealt to one model, = 56 sounds" in few
    assert "and 46 more; --all lists them" in few
    assert "synthetic dark long_release vocal, C4" not in few
    assert "synthetic dark long_release vocal, C4" in every


def test_sounds_are_counted_over_cells_qualities_and_seeds(night):
    told = forecast(*read_night(night()), None)
    # 3 bass cells x (no quality + 10 single ones) x 2 plan seeds
    assert (told.first_sounds, told.sounds, told.most_sounds) == (66, 66, 66)
    told = forecast(*read_night(night(target="30")), None)
    assert (told.first_sounds, told.sounds, told.most_sounds) == (66, 90, 198)


def test_dealt_prompts_are_counted_once(capsys, night, tmp_path):
    config, folder = read_night(night(target="2", pace="{seconds_per_sound: 2.0, on: a bench}"))
    models = (*config.models, ModelChoice(model="chopan-starter"))
    dealt = config.model_copy(update={"models": models, "deal": True})
    told = forecast(dealt, folder, None)
    # 66 prompts; both models have prompts of all 3 cells, so that 12 sounds are the least.
    assert (told.first_sounds, told.sounds, told.most_sounds) == (66, 66, 198)
    told = forecast(dealt.model_copy(update={"target": 20}), folder, None)
    assert (told.first_sounds, told.sounds) == (66, 120)
    pace = sum(model.seconds_per_sound for model in told.models) / 2
    assert told.seconds == pytest.approx(120 * pace)
    assert "each prompt dealt to one model, = 66 sounds" in forecast_text(told, 0)


def test_without_any_measurement_the_time_is_unknown(capsys, night, tmp_path):
    _, out, _ = run(capsys, "plan", night(), "--library", str(tmp_path / "none"))
    assert "time: unknown" in out
    assert "pace unknown" in out


def test_the_card_gives_the_first_estimate_and_says_so(capsys, night, tmp_path):
    path = night(pace="{seconds_per_sound: 2.5, on: a laptop of 2019}")
    _, out, _ = run(capsys, "plan", path, "--library", str(tmp_path / "none"))
    assert "time: about 3 min" in out  # 66 x 2.5 s
    assert "2.50 s a sound (from the card, measured on a laptop of 2019)" in out
    assert "48 kB a sound (from the card, at most)" in out
    assert "disk: about 3.2 MB" in out


def test_a_length_asked_for_is_what_a_sound_takes_room_for(capsys, tmp_path):
    path = write_night(tmp_path, "[{model: tango, length_s: 2.5}]")
    _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
    assert "tango: pace unknown, 120 kB a sound (from the card, at most)" in out


def test_earlier_nights_of_the_library_are_the_better_measure(capsys, night, tmp_path):
    write_toy_library(tmp_path / "library")
    path = night(pace="{seconds_per_sound: 2.5, on: a laptop of 2019}")
    _, out, _ = run(capsys, "plan", path, "--library", str(tmp_path / "library"), "--json")
    told = json.loads(out)["models"][0]
    assert told["seconds_per_sound"] == 0.25
    assert told["seconds_origin"] == "measured on 5 sounds of this library"
    masters = [path.stat().st_size for path in Path(tmp_path / "library" / "audio").rglob("*.flac")]
    assert told["bytes_per_sound"] == sum(masters) / len(masters)
    assert told["bytes_origin"] == "measured on 4 sounds of this library"


def test_what_was_measured_at_another_length_is_scaled_to_the_one_asked_for(capsys, tmp_path):
    write_toy_library(tmp_path / "library")  # its sounds were asked for with 1 s
    write_card(tmp_path / "mine", read_card("tango").model_copy(update={"name": MODEL}))
    path = write_night(tmp_path, f"[{{model: {tmp_path / 'mine'}, length_s: 2.5}}]")
    _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "library", "--json")
    told = json.loads(out)["models"][0]
    masters = [path.stat().st_size for path in Path(tmp_path / "library" / "audio").rglob("*.flac")]
    assert told["bytes_per_sound"] == pytest.approx(2.5 * sum(masters) / len(masters))
    assert told["bytes_origin"] == "measured on 4 sounds of this library, scaled from 1 s to 2.5 s"
    assert told["seconds_per_sound"] == pytest.approx(2.5 * 0.25)
    assert told["seconds_origin"] == "measured on 5 sounds of this library, scaled from 1 s to 2.5 s"


def test_the_pace_of_a_card_is_scaled_to_the_length_asked_for(capsys, tmp_path):
    card = read_card("tango").model_copy(update={"name": "mine", "pace": Pace(seconds_per_sound=8.0, on="a bench")})
    write_card(tmp_path / "mine", card)
    path = write_night(tmp_path, f"[{{model: {tmp_path / 'mine'}, length_s: 2.5}}]")
    _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
    scaled = 8.0 * 2.5 / card.length_s
    assert (
        f"mine: {scaled:.2f} s a sound (from the card, measured on a bench, scaled from {card.length_s:g} s to 2.5 s), "
        "120 kB a sound (from the card, at most)"
    ) in out


# -------------------- models that are not on this machine


def write_night(folder: Path, models: str) -> Path:
    path = folder / "night.yaml"
    path.write_text(f"name: test\nmodels: {models}\nprompts: {{cells: [bass], max_qualities: 0}}\nseeds: [1]\n")
    return path


def test_what_is_not_on_this_machine_is_said_with_the_way_to_get_it(capsys, tmp_path):
    path = write_night(tmp_path, "[{model: chopan-starter}, {model: chopan}, {model: tango}, {model: riffusion}]")
    code, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
    told = [line.strip() for line in out.splitlines() if "not on this machine" in line]
    assert code == 0
    then = "; then name that folder in the night"
    assert told == [
        "chopan is counted, but not on this machine: nightcrate train chopan --config chopan-thesis --corpus NSYNTH "
        f"--out FOLDER{then}",
        f"tango is counted, but not on this machine: {read_card('tango').trained_by}{then}",
        "riffusion is counted, but not on this machine: the night fetches it, or nightcrate models fetch riffusion",
    ]
    code, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none", "--json")
    models = {model["model"]: model for model in json.loads(out)["models"]}
    assert code == 0 and [name for name, model in models.items() if model["is_here"]] == ["chopan-starter"]
    assert models["chopan-starter"]["get_by"] is None
    assert models["riffusion"]["get_by"] == "the night fetches it, or nightcrate models fetch riffusion"
    assert models["riffusion"]["bytes_to_fetch"] is None  # only the hub knows
    assert models["tango"]["get_by"].startswith("hf download declare-lab/tango ")


def test_a_night_without_any_model_on_this_machine_is_told(capsys, tmp_path):
    path = write_night(tmp_path, "[{model: chopan}]")
    code, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
    assert code == 0 and "3 sounds" in out and "chopan is counted, but not on this machine" in out


def test_what_the_lock_file_knows_of_the_price_is_said_without_a_network(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCRATE_HUB_LOCK", str(tmp_path / "hub.lock.yaml"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    files = tuple(KnownFile(path=name, bytes=2_100_000_000, sha256="0" * 64) for name in ("a", "b"))
    repo = "riffusion/riffusion-model-v1"
    lock(LockedRepository(repo=repo, asked=None, revision="a" * 40, resolved_at="2026-01-01", files=files))
    path = write_night(tmp_path, "[{model: chopan-starter}, {model: riffusion}]")
    _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
    assert "on this machine: the night fetches it, or nightcrate models fetch riffusion (4.2 GB)" in out
    _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none", "--json")
    assert json.loads(out)["models"][1]["bytes_to_fetch"] == 4_200_000_000


def test_a_card_of_ones_own_is_fetched_by_its_folder(capsys, tmp_path):
    own = tmp_path / "my model"
    own.mkdir()
    for weights, told in (
        (Weights(hub="someone/toy"), f"the night fetches it, or nightcrate models fetch '{own}'"),
        (Weights(folder=Path("gone")), f"the card's folder of weights is not there ({own / 'gone'})"),
    ):
        write_card(own, read_card("chopan").model_copy(update={"name": "mine", "weights": weights}))
        path = write_night(tmp_path, f"[{{model: chopan-starter}}, {{model: '{own}'}}]")
        _, out, _ = run(capsys, "plan", path, "--library", tmp_path / "none")
        assert f"mine is counted, but not on this machine: {told}\n" in out


def test_planning_loads_no_network(tmp_path):
    path = write_night(tmp_path, "[{model: chopan-starter}, {model: tango}, {model: riffusion}]")
    program = (
        "import sys\nfrom flows.cli import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    print('torch' in sys.modules, file=sys.stderr)"
    )
    line = [sys.executable, "-c", program, "plan", path, "--library", tmp_path / "none"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "False\n" and done.stdout.count("not on this machine") == 2


@pytest.mark.parametrize(("seconds", "said"), [(5, "5 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h 30 min")])
def test_lengths_of_time_in_words(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(12, "12 B"), (1500, "1.5 kB"), (48_384, "48 kB"), (2.7e9, "2.7 GB"), (5e12, "5.0 TB")],
)
def test_bytes_in_words(count, said):
    assert size(count) == said

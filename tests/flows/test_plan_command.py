"""`nightcrate plan`: how many, which, how long, how much disk, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.forecast import duration, forecast, forecast_text, size
from flows.settings import ModelChoice, read_night
from tests.flows.command_line import run
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


@pytest.mark.parametrize(("seconds", "said"), [(5, "5 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h 30 min")])
def test_lengths_of_time_in_words(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(12, "12 B"), (1500, "1.5 kB"), (48_384, "48 kB"), (2.7e9, "2.7 GB"), (5e12, "5.0 TB")],
)
def test_bytes_in_words(count, said):
    assert size(count) == said

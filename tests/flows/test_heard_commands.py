"""What the judge hears in sounds, as people and programs meet it: show, search, pack, the page, summary.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.embedders import load_embedder
from catalog.library import Library
from catalog.records import ScoreRecord
from flows.page import as_html
from flows.stages import embed_missing
from flows.summary import as_json, look_back
from tests.flows.command_line import run
from tests.flows.toy_night import write_toy_library

BASS, OTHER_BASS, VOCAL = 1, 2, 3


def heard(sound: int, value: float, likeliest: dict[str, float], rank: int) -> ScoreRecord:
    settings = {"heard": likeliest, "rank": rank}
    return ScoreRecord("sample", str(sound), "family [starter]", value, None, "starter@1", n=1, settings=settings)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two basses and two vocals: one bass is heard as a guitar, one vocal could not be heard, one never was."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = tmp_path_factory.mktemp("heard") / "library"
    write_toy_library(path)
    with Library.open(path) as opened:
        embed_missing(opened, load_embedder("starter"))
        opened.add_scores(
            [
                heard(BASS, 0.02, {"guitar": 0.81, "keyboard": 0.12}, 6),
                heard(OTHER_BASS, 0.11, {"string": 0.6, "bass": 0.11}, 2),
                ScoreRecord("sample", str(VOCAL), "family [starter]", None, "its file is damaged", "starter@1", n=1),
            ]
        )
    return path


def test_show_says_it_in_words_and_to_machines(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    def lines(sound: int) -> list[str]:
        return run(capsys, "show", sound, "--library", library)[1].splitlines()

    assert lines(BASS)[-1] == "the judge hears guitar 81 %, keyboard 12 %; bass, as asked, 2 %"
    assert lines(OTHER_BASS)[-1] == "the judge hears string 60 %, bass 11 % (as asked)"
    assert lines(VOCAL)[-1] == "not heard by the judge: its file is damaged"
    assert not any("the judge" in line for line in lines(4))
    told = [
        json.loads(run(capsys, "show", sound, "--library", library, "--json")[1])["heard"]
        for sound in (BASS, OTHER_BASS, VOCAL, 4)
    ]
    assert told[0] == {
        "judge": "starter@1", "families": {"guitar": 0.81, "keyboard": 0.12}, "asked": 0.02, "rank": 6,
        "doubtful": True, "reason": None,
    }  # fmt: skip
    assert list(told[1]["families"]) == ["string", "bass"], "most likely first"
    assert (told[1]["doubtful"], told[2]["asked"], told[2]["reason"]) == (False, None, "its file is damaged")
    assert told[3] is None


def test_the_page_marks_only_what_is_doubtful_and_says_what_that_means(library: Path) -> None:
    with Library.open(library) as opened:
        morning = look_back(opened, 1, 1, {}, None)
    html = as_html(morning)
    figures = "the judge hears guitar 81 %, keyboard 12 %; bass, as asked, 2 %"
    assert html.count("heard as ") == 1
    assert f'<br><abbr title="{figures}">heard as guitar</abbr>' in html
    assert '"Heard as" marks 1 of 2 sounds: ' in html and "about six in ten" in html
    told = {sound["id"]: sound["heard"] for sound in as_json(morning)["sounds"]}
    assert told[BASS]["doubtful"] and list(told[BASS]["families"]) == ["guitar", "keyboard"]
    assert told[VOCAL]["reason"] == "its file is damaged" and told[4] is None
    assert not any(score["scope"] == "sample" for score in as_json(morning)["scores"])


def test_search_and_pack_leave_doubtful_sounds_out_when_told(
    capsys: pytest.CaptureFixture[str], library: Path, tmp_path: Path
) -> None:
    def found(*more: str) -> set[int]:
        return {
            sound["id"]
            for sound in json.loads(run(capsys, "search", "sound", "--library", library, "--json", *more)[1])
        }

    assert found() - found("--heard") == {BASS}
    packed = ("pack", "--out", tmp_path / "pack.zip", "--heard", "--include-copies", "--library", library, "--json")
    code, out, err = run(capsys, *packed)
    assert code == 0, err
    assert {item["sample_id"] for item in json.loads(out)["items"]} == {OTHER_BASS, VOCAL, 4}


def test_a_league_hears_the_sounds_and_shows_what_it_showed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = tmp_path / "library"
    night = write_toy_library(place)
    assert run(capsys, "league", "--refresh", "--library", place)[0] == 0
    shown = json.loads(run(capsys, "league", "--library", place, "--json")[1])["scores"]
    assert shown and {row["kind"] for row in shown} <= {"all", "family", "quality"}
    assert not any(row["figure"].startswith("family") for row in shown)
    with Library.open(place) as opened:
        told = look_back(opened, night, 1, {}, None).heard
        assert sorted(told) == [sound.id for sound in opened.samples()]
    assert all(0.0 < float(one.probability or 0) < 1.0 and len(one.likeliest) <= 3 for one in told.values())
    assert all(sum(one.likeliest.values()) <= 1.001 for one in told.values())

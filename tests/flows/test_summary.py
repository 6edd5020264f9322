"""The morning's pages."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from contextlib import closing
from html.parser import HTMLParser

import pytest

from catalog.library import Library
from catalog.pictures import waveform_svg
from catalog.records import Kinship, SampleFilter, ScoreRecord
from flows.page import as_html, write_morning
from flows.summary import as_json, as_text, look_back
from tests.flows.toy_night import MODEL, TEXTS, tone, write_toy_library

LEFT_OUT = {"big-model": "big-model: its weights are not here"}


@pytest.fixture(scope="module")
def morning(tmp_path_factory):
    path = tmp_path_factory.mktemp("morning") / "library"
    night = write_toy_library(path)
    with Library.open(path) as library:
        library.add_scores(
            [
                ScoreRecord("model", MODEL, "KL [starter]", 1.25, None, "starter@1", "held-out", 4),
                ScoreRecord("model", MODEL, "FAD [starter]", None, "4 sounds, at least 50 are needed", "s", "h", 4),
            ]
        )
        yield look_back(library, night, 1, LEFT_OUT, None)


def test_only_scores_of_this_nights_models_and_sounds_are_read(tmp_path):
    night = write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        library.add_scores(
            [
                ScoreRecord("sample", "1", "family [starter]", 0.5, None, "starter@1", n=1),
                ScoreRecord("sample", "999", "family [starter]", 0.5, None, "starter@1", n=1),
                ScoreRecord("model", MODEL, "KL [starter]", 1.25, None, "starter@1", n=4),
                ScoreRecord("model", "other", "KL [starter]", 1.25, None, "starter@1", n=4),
                ScoreRecord("model_family", f"{MODEL}/bass", "KL [starter]", 1.25, None, "starter@1", n=2),
            ]
        )
        with closing(sqlite3.connect(library.path / "catalog.sqlite")) as rows, rows:
            rows.execute("UPDATE score SET settings = '{' WHERE subject = '999'")  # whoever reads it stumbles
        morning = look_back(library, night, 1, {}, None)
    assert list(morning.heard) == [1]
    assert [score.subject for score in morning.scores] == [MODEL, f"{MODEL}/bass"]


class Page(HTMLParser):
    """Collects tags, text, and whatever would be fetched from elsewhere."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href") and value]


def test_the_text_says_what_was_made_and_what_was_not(morning):
    text = as_text(morning)
    assert "4 accepted, 1 rejected, 1 failed; 6 made in this night, 0 found" in text
    assert "rejected for: wrong_note 1" in text
    assert "failed (1): RuntimeError: out of memory" in text
    assert "stopped by the canary: flute was stopped" in text
    assert "not used: big-model" in text
    assert "toy: KL [starter] 1.25 (n 4)" in text
    assert "toy: FAD [starter] unscored, 4 sounds, at least 50 are needed" in text
    assert "2 of 4 cells lack some: toy electronic organ 0, toy acoustic flute 0" in text
    assert "generate 1.5" in text
    assert str(morning.folder / "index.html") in text
    assert morning.went_wrong


def test_the_json_holds_the_same_facts_and_is_json(morning):
    facts = json.loads(json.dumps(as_json(morning), allow_nan=False))
    assert (facts["accepted"], facts["rejected"], facts["failed"], facts["made"]) == (4, 1, 1, 6)
    assert facts["rejection_reasons"] == {"wrong_note": 1}
    assert facts["short_cells"] == ["toy electronic organ", "toy acoustic flute"]
    assert facts["left_out"] == LEFT_OUT
    assert facts["stopped"][0]["family"] == "flute"
    assert facts["stage_seconds"] == {"generate": 1.5}
    assert {sound["prompt"] for sound in facts["sounds"]} == set(TEXTS) - {"electronic organ, C4"}
    assert {(sound["model"], sound["commercial"]) for sound in facts["sounds"]} == {(MODEL, "yes")}
    assert facts["written_at"] == morning.written_at.isoformat()


def test_the_pages_are_written_where_the_text_says(morning):
    page = write_morning(morning)
    assert page == morning.library / "nights" / "toy" / "index.html"
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "index.html",
        "summary.json",
        "summary.txt",
    ]
    assert (page.parent / "summary.txt").read_text().rstrip("\n") == as_text(morning)
    assert json.loads((page.parent / "summary.json").read_text()) == json.loads(json.dumps(as_json(morning)))


def test_the_page_plays_every_sound_by_relative_path_and_fetches_nothing(morning):
    page = write_morning(morning)
    parsed = Page(page.read_text())
    assert "script" not in parsed.tags
    assert parsed.tags.count("svg") == 5, "four accepted sounds and the rejected one have a picture"
    assert parsed.tags.count("audio") == 5
    for link in parsed.links:
        assert not link.startswith(("http", "/", "file:"))
        assert (page.parent / link).resolve().is_file()


def test_the_page_shows_trouble_and_reasons(morning):
    html = as_html(morning)
    assert "A4 was asked for, A3 was measured" in html
    assert "Not used: big-model" in html
    assert "Failed (1): RuntimeError: out of memory" in html
    assert "A1 +3 ct" in html


def test_the_page_says_which_model_made_a_sound_and_that_all_may_be_sold(morning):
    html = as_html(morning)
    assert html.count("#1 · toy · A1 +3 ct") == 1
    assert "<p>4 may be sold</p>" in html and "not for sale" not in html
    assert "  4 may be sold\n" in as_text(morning)


def test_a_sound_a_little_flat_is_not_minus_nothing(morning):
    sounds = tuple(dataclasses.replace(sound, cents=-0.4) for sound in morning.sounds)
    html = as_html(dataclasses.replace(morning, sounds=sounds))
    assert "A1 +0 ct" in html and "-0 ct" not in html


@pytest.mark.parametrize(
    ("commercial", "licence", "told", "why"),
    [
        ("no", "CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0", "weights toy (CC-BY-NC-SA-4.0) forbids commercial use"),
        ("undeclared", None, "no licence given", "weights toy (no licence given) declares no terms for commercial use"),
    ],
)
def test_what_may_not_be_sold_is_told_beside_each_sound_and_at_the_top(tmp_path, commercial, licence, told, why):
    night = write_toy_library(tmp_path / "library", commercial)
    with Library.open(tmp_path / "library") as library:
        (record,) = library.models().values()
        link = {**record.licence_chain[0], "licence": licence}
        library.add_models([dataclasses.replace(record, licence_chain=[link])])
        morning = look_back(library, night, 1, {}, None)
    html = as_html(morning)
    assert html.count(f'<abbr title="{why}">not for sale</abbr>') == 5
    assert f"<p>0 may be sold, 4 of toy may not ({told})</p>" in html
    assert f"  0 may be sold, 4 of toy may not ({told})\n" in as_text(morning)
    assert {sound["commercial"] for sound in as_json(morning)["sounds"]} == {commercial}


def test_copies_are_not_counted_among_what_may_be_sold(tmp_path):
    night = write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        library.add_kinships("bank", {library.samples()[0].id: Kinship("bass_001", 0.9, None, None, True)})
        assert "<p>3 may be sold</p>" in as_html(look_back(library, night, 1, {}, None))


def test_the_page_says_of_which_day_its_scores_are(tmp_path):
    night = write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert "Scores are ranks" not in as_html(look_back(library, night, 1, {}, None))
        library.set_sample_scores({sample.id: 50.0 for sample in library.samples()})
        morning = look_back(library, night, 1, {}, None)
    assert (
        "Scores are ranks among this library's accepted sounds of the same family as it was when this page was "
        f"written, {morning.written_at:%Y-%m-%d %H:%M} UTC; they move when it grows."
    ) in as_html(morning)


def test_a_lost_file_costs_its_picture_not_the_page(morning):
    with Library.open(morning.library) as library:
        sample = library.samples(SampleFilter(families=("vocal",)))[0]
        path = library.audio_path(sample)
    kept = path.read_bytes()
    path.unlink()
    try:
        assert as_html(morning).count("no picture") == 1
    finally:
        path.write_bytes(kept)


def test_a_waveform_picture_shows_where_the_sound_is():
    clip = tone(69, seconds=1.0)
    svg = waveform_svg(clip, columns=50, height_px=40)
    points = [pair.split() for pair in svg.split('d="M')[1].split("Z")[0].split("L")]
    tops = [float(y) for _, y in points[:50]]
    assert len(points) == 100
    assert min(tops) == pytest.approx(10, abs=1), "half of full scale reaches a quarter of the height"
    assert tops[0] < tops[-1] <= 19.5, "it decays"

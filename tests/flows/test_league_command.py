"""`nightcrate league`: ranks that say no more than the intervals, as table, JSON, CSV and pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from catalog.embedders import VGGish, vggish
from catalog.embedders.published_weights import PublishedWeights, keep_as_safetensors
from catalog.library import Library
from catalog.records import SampleFilter, ScoreRecord
from catalog.rejudging import NewVerdict
from catalog.scores.reference import STARTER_REFERENCE, Reference
from flows.judge_weights import judges_folder
from flows.league_plots import write_plots
from flows.league_table import league_csv, league_rows, league_text
from tests.catalog.toy_library import make, rejected, toy_job
from tests.flows.command_line import run
from tests.flows.toy_night import REASON, write_toy_library
from tests.toy_corpus import write_toy_corpus


def score(
    subject: str, value: float | None, low: float = 0.0, high: float = 0.0, name: str = "FAD [starter]", **about: object
) -> ScoreRecord:
    settings = {"length_s": 1.0, "reference_id": "abc", "reference_n": 300, **about}
    if value is not None:
        settings |= {"low": low, "high": high, "interval": "by hand"}
    reason = None if value is not None else "12 sounds, at least 50 are needed"
    scope = "model_family" if "/" in subject else "model"
    return ScoreRecord(scope, subject, name, value, reason, "starter@1", "held-out notes", 60, settings)


SCORES = [
    score("tango", 9.0, 8.0, 10.0),
    score("chopan", 2.0, 1.0, 3.0),
    score("riffusion", 3.5, 2.5, 4.5),
    score("small", None),
    score("chopan/bass", 5.0, 4.0, 6.0),
    score("tango/bass", 1.0, 0.5, 1.5),
    score("chopan/dark", 1.0, 0.5, 1.5, quality="dark"),
    score("chopan", 0.5, 0.4, 0.6, name="KL [starter]", of_the_reference_itself=0.3),
]


def test_models_that_the_figures_do_not_tell_apart_share_a_rank() -> None:
    rows = [row for row in league_rows(SCORES) if row.kind == "all" and row.figure == "FAD [starter]"]
    assert [(row.model, row.rank, row.of) for row in rows] == [
        ("chopan", 1, 3), ("riffusion", 1, 3), ("tango", 3, 3), ("small", None, 3),
    ]  # fmt: skip
    text = league_text(league_rows(SCORES))
    lines = [line.split() for line in text.splitlines()[1:5]]
    assert [line[0] for line in lines[:3]] == ["1=", "1=", "3"]
    assert lines[3][0] == "small" and "unscored: 12 sounds, at least 50 are needed" in text
    assert "FAD [starter] of all sounds, against held-out notes cut to 1 s, judge starter@1" in text
    assert "2 (1 to 3; n 60, reference n 300)" in text
    assert "real notes 0.3" in text
    assert "FAD [starter] of quality dark" in text and "FAD [starter] of family bass" in text


def few(subject: str, n: int, needed: int = 50, **about: Any) -> ScoreRecord:
    """A score that there is not, for too few sounds; about: as of `score`."""
    return replace(score(subject, None, **about), n=n, reason=f"{n} sounds, at least {needed} are needed")


def test_a_family_or_quality_of_which_no_model_is_scored_is_one_line_with_the_reason() -> None:
    unscored = [
        few("chopan/bass", 3), few("tango/bass", 3), few("small/bass", 3),
        few("chopan/flute", 5), few("tango/flute", 3), few("small/flute", 4),
        few("tango/dark", 4, needed=5, name="KL [starter]", quality="dark"),
    ]  # fmt: skip
    scored = [score("chopan/vocal", 2.0, 1.0, 3.0), few("tango/vocal", 3), *SCORES[:4]]
    text = league_text(league_rows([*unscored, *scored]))
    assert text.split("\n\n")[1].splitlines() == [
        "FAD [starter] of family bass: unscored for all 3 models, 3 sounds each, at least 50 are needed",
        "FAD [starter] of family flute: unscored for all 3 models, 3 to 5 sounds, at least 50 are needed",
    ]
    assert "\n\nKL [starter] of quality dark: unscored for tango, 4 sounds, at least 5 are needed\n\nLower" in text
    assert text.split("\n\n")[2].splitlines() == [
        "FAD [starter] of family vocal, against held-out notes cut to 1 s, judge starter@1",
        "         chopan     2 (1 to 3; n 60, reference n 300)",
        "         tango      unscored: 3 sounds, at least 50 are needed",
    ]
    assert league_text(league_rows([few("chopan", 3), few("tango", 3)])).count("unscored: 3 sounds") == 2


def test_what_is_unscored_for_several_reasons_or_by_several_judges_says_so() -> None:
    basses = [few("chopan/bass", 3), few("tango/bass", 3)]
    notes = "7 real notes, at least 50 are needed"
    mixed = league_text(league_rows([basses[0], replace(basses[1], reason=notes)]))
    assert "chopan  unscored: 3 sounds" in mixed and f"tango   unscored: {notes}" in mixed
    for reason, told in ((notes, "7 real notes each, at least 50 are needed"), ("no distance", "no distance")):
        text = league_text(league_rows(replace(bass, reason=reason) for bass in basses))
        assert text == f"FAD [starter] of family bass: unscored for all 2 models, {told}"
    judged = [replace(bass, embedder=judge) for judge in ("a@1", "a@2") for bass in basses]
    assert [line.partition(": ")[0] for line in league_text(league_rows(judged)).splitlines()] == [
        f"FAD [starter] of family bass, against held-out notes cut to 1 s, judge {judge}" for judge in ("a@1", "a@2")
    ]


def test_columns_stand_under_each_other_however_long_a_name_is() -> None:
    long = "audio-latent-diffusion-starter"
    text = league_text(league_rows([SCORES[1], replace(SCORES[0], subject=long), SCORES[3]]))
    _, *lines = text.split("\n\n")[0].splitlines()
    assert {line.index(figure) for line, figure in zip(lines, ("2 (", "9 (", "unscored"), strict=True)} == {
        len("         ") + len(long) + 2
    }


def test_only_what_compares_is_ranked() -> None:
    other = score("tango", 9.0, 8.0, 10.0, length_s=4.0)
    older = ScoreRecord(
        "model", "old", "FAD [starter]", 1.0, None, "starter@1", "held-out notes", 60, {"length_s": 1.0}
    )
    rows = {row.model: row for row in league_rows([SCORES[1], other, older])}
    assert all(row.rank in (None, 1) for row in rows.values())
    assert (rows["tango"].of, rows["chopan"].of, rows["old"].rank) == (1, 1, None)
    assert "no interval, measure again" in league_text(league_rows([older]))


def test_models_that_only_their_numbers_of_sounds_keep_apart_share_a_rank_and_the_note_says_why() -> None:
    rows = league_rows([SCORES[1], replace(SCORES[0], n=3000)])
    told = "n 60 beside 3000: FAD of so few sounds compares only at nearly equal n"
    assert [(row.model, row.rank) for row in rows] == [("chopan", 1), ("tango", 1)] and rows[0].held_by_n == told
    text = league_text(rows)
    assert text.count("1=") == 2 and text.splitlines()[-1].startswith("FAD and FD of few sounds are too large")
    assert "FAD and FD of few" not in league_text(league_rows(SCORES)), "all are of 60 sounds"


def test_a_model_that_its_number_of_sounds_keeps_from_a_rank_says_why_everywhere(tmp_path: Path) -> None:
    rows = league_rows([SCORES[1], SCORES[0], replace(SCORES[2], n=400), SCORES[3]])
    told = "n 400 beside 60: FAD of so few sounds compares only at nearly equal n"
    assert [(row.model, row.rank, row.of, row.held_by_n) for row in rows] == [
        ("chopan", 1, 2, None), ("tango", 2, 2, None), ("riffusion", None, 2, told), ("small", None, 2, None),
    ]  # fmt: skip
    text = league_text(rows)
    assert f"riffusion  3.5 (2.5 to 4.5; n 400, reference n 300); no rank, {told}\n" in text
    assert text.splitlines()[-1].startswith("FAD and FD of few sounds are too large")
    read = list(csv.DictReader(league_csv(rows).splitlines()))
    assert [(row["rank"], row["held_by_n"]) for row in read] == [("1", ""), ("2", ""), ("", told), ("", "")]
    pictures = {}
    for name, some in (("some", rows), ("same", [replace(row, held_by_n=None) for row in rows])):
        (pictures[name],) = write_plots(some, tmp_path / name)
    assert pictures["some"].read_bytes() != pictures["same"].read_bytes()


def test_csv_carries_what_a_figure_was_made_with() -> None:
    read = list(csv.DictReader(league_csv(league_rows(SCORES)).splitlines()))
    assert len(read) == len(SCORES)
    first = read[0]
    assert (first["model"], first["rank"], first["low"], first["n"], first["length_s"]) == (
        "chopan",
        "1",
        "1.0",
        "60",
        "1.0",
    )
    assert (first["embedder"], first["reference"]) == ("starter@1", "held-out notes")
    assert json.loads(first["settings"])["reference_n"] == 300
    assert next(row for row in read if row["model"] == "small")["value"] == ""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        opened.add_scores(SCORES)
    return tmp_path / "library"


def test_the_command_writes_table_json_csv_and_pictures(
    capsys: pytest.CaptureFixture[str], library: Path, tmp_path: Path
) -> None:
    files = ("--csv", tmp_path / "out" / "league.csv", "--plots", tmp_path / "plots")
    code, out, _ = run(capsys, "league", "--library", library, "--json", *files)
    rows = json.loads(out)["scores"]
    assert code == 0 and len(rows) == len(SCORES)
    assert {"rank", "low", "high", "n", "embedder", "reference", "length_s", "settings"} <= set(rows[0])
    assert (tmp_path / "out" / "league.csv").read_text() == league_csv(league_rows(SCORES))
    pictures = sorted((tmp_path / "plots").iterdir())
    assert [path.name for path in pictures] == [
        "league-fad-starter-all.png", "league-fad-starter-family.png", "league-fad-starter-quality.png",
        "league-kl-starter-all.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    code, out, _ = run(capsys, "league", "--library", library)
    assert out.startswith(league_text(league_rows(SCORES)) + "\n")


def test_refresh_measures_and_lists_the_worst_and_forgets_groups_that_are_gone(
    capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    with Library.open(library) as opened:
        opened.add_scores([ScoreRecord("model", "gone", "KL [starter]", 1.0, None, judge_id(), "old notes", 9)])
    code, out, err = run(capsys, "league", "--refresh", "--infinity", "--worst", 2, "--json", "--library", library)
    assert code == 0, err
    told = json.loads(out)
    mine = [row for row in told["scores"] if row["embedder"] == judge_id()]
    assert {row["figure"] for row in mine} == {"FAD [starter]", "KL [starter]", "FAD-inf [starter]"}
    assert "gone" not in {row["model"] for row in mine}
    assert all(row["value"] is not None or "needed" in row["reason"] for row in mine)
    assert len(told["worst"]["sounds"]) == 2
    assert Path(told["worst"]["sounds"][0]["file"]).is_file()
    assert told["worst"]["sounds"][0]["times"] >= told["worst"]["sounds"][1]["times"]
    code, out, _ = run(capsys, "league", "--worst", 1, "--library", library)
    assert "Farthest from real notes" in out.splitlines()[-2]


def test_a_league_of_other_sounds_than_are_accepted_now_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = tmp_path / "library"
    write_toy_library(place)
    shown = ("league", "--library", place)
    assert "other sounds" not in run(capsys, *shown)[1], "no league yet"
    assert json.loads(run(capsys, *shown, "--refresh", "--json")[1])["stale"] == []
    assert "other sounds" not in run(capsys, *shown)[1]
    # One of four is rejected, as by a gate; another model has made its first sound.
    with Library.open(place) as opened:
        opened.rejudge([NewVerdict(opened.samples()[0].id, (REASON,))])
        make(opened, [toy_job(1, model="new")])
    code, out, _ = run(capsys, *shown)
    told = "are of other sounds than are accepted now: new (0 then, 1 now), toy (4 then, 3 now); "
    against = Reference.load(STARTER_REFERENCE).name
    command = "measure again: nightcrate league --refresh"
    assert out.splitlines()[-1] == f"scores by {judge_id()} against {against} {told}{command}"
    stale = json.loads(run(capsys, *shown, "--json")[1])["stale"]
    assert [(one["model"], one["measured"], one["accepted"]) for one in stale] == [("new", 0, 1), ("toy", 4, 3)]
    assert {one["embedder"] for one in stale} == {judge_id()}
    assert json.loads(run(capsys, *shown, "--refresh", "--json")[1])["stale"] == []
    # As many sounds, but not the same ones; and all of a model gone.
    with Library.open(place) as opened:
        first, *_ = opened.samples(SampleFilter(models=("toy",)))
        make(opened, [toy_job(2, model="toy")])
        opened.rejudge(
            [NewVerdict(one.id, (REASON,)) for one in (first, *opened.samples(SampleFilter(models=("new",))))]
        )
    assert "new (1 then, 0 now), toy (3 then, 3 others now)" in run(capsys, *shown)[1]
    rows = json.loads(run(capsys, *shown, "--refresh", "--json")[1])["scores"]
    assert [(row["kind"], row["reason"]) for row in rows if row["model"] == "new"] == [
        ("all", "0 sounds, at least 50 are needed"), ("all", "0 sounds, at least 5 are needed"),
    ]  # fmt: skip


def test_a_library_of_rejects_alone_has_a_league_that_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Library.open(tmp_path / "library", create=True) as opened:
        make(opened, [toy_job(seed) for seed in range(3)], rejected)
    code, out, err = run(capsys, "league", "--refresh", "--library", tmp_path / "library")
    assert code == 0, err
    assert out.count("toy  ") == 2 and "unscored: 0 sounds, at least 50 are needed" in out


def test_figures_of_an_older_version_are_compared_by_their_number(
    capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    """They say neither which sounds were accepted nor how many, only how many were heard."""
    with Library.open(library) as opened:
        opened.add_scores([replace(SCORES[0], subject="toy", n=4), replace(SCORES[0], embedder="vggish@1")])
    stale = stale_of(capsys, library)
    of = {(one["model"], one["embedder"]): (one["measured"], one["accepted"]) for one in stale}
    assert ("toy", "starter@1") not in of and of["tango", "starter@1"] == of["tango", "vggish@1"] == (60, 0)
    assert of["toy", "vggish@1"] == (0, 4)
    *_, by_refresh, by_reference = run(capsys, "league", "--library", library)[1].splitlines()
    assert by_refresh.startswith("scores by starter@1 against held-out notes are of other sounds")
    assert by_refresh.endswith("; measure again: nightcrate league --refresh")
    assert by_reference.endswith("; measure again: nightcrate league --reference FOLDER --vggish fetched --length 1")
    # Those of the judge that an earlier version shipped cannot be measured again, and are no reason to.
    run(capsys, "league", "--library", library, "--refresh")
    assert {one["embedder"] for one in stale_of(capsys, library)} == {"vggish@1"}


def stale_of(capsys: pytest.CaptureFixture[str], library: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(run(capsys, "league", "--library", library, "--json")[1])["stale"]
    return told


def against_notes(model: str, embedder: str, n: int, reference: str = "toy corpus, valid") -> ScoreRecord:
    return ScoreRecord("model", model, "FD [x]", 5.0, None, embedder, reference, n, {"low": 4.0, "high": 6.0})


def test_a_clap_that_is_not_the_librarys_ear_is_superseded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """No command measures with it any more; the ear's own figures are stale until the printed command has run."""
    place, notes = tmp_path / "library", write_toy_corpus(tmp_path / "notes") / "valid"
    write_toy_library(place)
    with Library.open(place) as opened:
        opened.add_scores([against_notes("toy", "laion@630k", 3)])
    assert stale_of(capsys, place) == [], "nothing was heard yet"
    assert run(capsys, "league", "--library", place, "--reference", notes)[0] == 0
    assert stale_of(capsys, place) == []
    with Library.open(place) as opened:
        make(opened, [toy_job(1, model="new")])
        assert opened.embedding_state().embedder.startswith("clap-starter@")
    stale = stale_of(capsys, place)
    assert [(one["model"], one["kind"], one["measured"], one["accepted"]) for one in stale] == [("new", "ear", 0, 1)]
    assert {one["embedder"].partition("@")[0] for one in stale} == {"clap-starter"}
    assert stale[0]["measure_again"] == "nightcrate league --reference FOLDER"
    _, *printed = stale[0]["measure_again"].replace("FOLDER", str(notes)).split()
    assert run(capsys, *printed, "--library", place)[0] == 0
    assert stale_of(capsys, place) == []


def test_a_model_is_named_once_for_each_judge(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A judge keeps one measuring: what it heard against another folder, or in another version, is replaced by it."""
    write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        opened.add_scores(
            [
                against_notes("toy", "vggish@0", 1),
                against_notes("removed", "vggish@1", 3, "some other folder"),
                against_notes("toy", "vggish@1", 3),
                against_notes("toy", "cnn14_16k@1", 4),
            ]
        )
    told = run(capsys, "league", "--library", tmp_path / "library")[1].splitlines()[-1]
    assert told == (
        "scores by vggish@1 against some other folder and toy corpus, valid are of other sounds than are accepted now: "
        "removed (3 then, 0 now), toy (3 then, 4 now); measure again: "
        "nightcrate league --reference FOLDER --vggish fetched"
    )


@pytest.mark.slow
def test_the_printed_command_clears_what_a_published_judge_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    judges_folder().mkdir(parents=True)
    torch.manual_seed(0)
    fetched = PublishedWeights(VGGish().state_dict(), vggish.PUBLISHED.sha256)
    keep_as_safetensors(judges_folder() / vggish.PUBLISHED.name, fetched)
    place, notes = tmp_path / "library", write_toy_corpus(tmp_path / "notes") / "valid"
    write_toy_library(place)
    id = f"vggish@{vggish.PUBLISHED.sha256[:12]}"
    with Library.open(place) as opened:
        opened.add_scores([against_notes("toy", id, 3), against_notes("removed", id, 3, "a deleted folder")])
    first, _ = stale_of(capsys, place)
    _, *printed = first["measure_again"].replace("FOLDER", str(notes)).split()
    code, _, err = run(capsys, *printed, "--library", place)
    assert code == 0, err
    assert stale_of(capsys, place) == []


def judge_id() -> str:
    from catalog.embedders.judge import Judge

    return Judge().id


def test_infinity_without_refresh_is_refused(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    code, out, err = run(capsys, "league", "--infinity", "--library", library)
    assert (code, out) == (1, "") and "add --refresh" in err and err.count("\n") == 1

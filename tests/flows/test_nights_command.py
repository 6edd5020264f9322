"""`nightcrate nights`: how nights ended or stand, those too that were killed and could not say so themselves."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.library import Library
from catalog.records import ModelRecord, ResultRecord, ScoreRecord
from flows.order import job_record, model_record, read_order
from flows.page import write_morning
from flows.prefect_home import sweep_servers
from flows.settings import read_night
from flows.summary import as_text, look_back
from generation.prompts.plan import ModelSettings, plan_jobs
from generation.prompts.prompt import read_prompt
from generation.registry import identify
from generation.shipped import config_names, config_path
from tests.flows.command_line import ROOT, process, refused, run
from tests.flows.night_kit import said, start_night, write_model, write_night
from tests.flows.toy_night import MODEL, RATE_HZ, tone, write_toy_library

pytestmark = pytest.mark.timeout(600)  # whole nights, each with a server of Prefect's that starts
TEXTS = ("synthetic dark bass, A1", "synthetic bright bass, E1", "acoustic vocal, A3")
PAGES = {"index.html", "summary.json", "summary.txt"}


def begin(library: Library, name: str, config: dict[str, Any], seed: int = 1, error: str | None = None) -> int:
    """Begin a night of three sounds in three batches and end the first, with an error if one is given; its id."""
    settings = ModelSettings(MODEL, "f" * 64, "toy-1", None, None, None, 1.0, "float32")
    jobs = plan_jobs([read_prompt(text) for text in TEXTS], [settings], [seed])
    link = {"part": "weights", "name": "toy", "licence": "MIT", "commercial": "yes", "attribution": None}
    library.add_models([ModelRecord(MODEL, "toy", "f" * 64, "toy-1", RATE_HZ, "yes", [link], {"name": MODEL})])
    shipped = set(config_names("models")).intersection(config.get("models", ()))
    library.add_models([model_record(identify(model)) for model in sorted(shipped)])  # as a night does before its plan
    night = library.start_night(name, config)
    library.plan(night, [[job_record(job)] for job in jobs])
    first = library.pending_batches(night)[0]
    library.claim(first.id)
    note = jobs[0].prompt.note
    facts = {"midi_note": note, "cents": 0.0, "duration_s": 0.5}
    clip = None if error else tone(note or 60)
    result = ResultRecord(
        jobs[0].key, clip, None, {}, None if error else facts, not error, [], 0.1, "cpu", {}, error=error
    )
    library.finish_batch(first.id, [result])
    return night


GO_ON = """
import json, sys, time
from catalog.library import Library
library = Library.open(sys.argv[1])
night = library.start_night(sys.argv[2], json.loads(sys.argv[3]))
library.claim(library.pending_batches(night)[0].id)
print("at work", flush=True)
time.sleep(100)
"""


def at_work(path: Path, name: str, config: dict[str, Any], seed: int = 1) -> subprocess.Popen[str]:
    """A process that is making the second sound of a night and holds the library."""
    with Library.open(path, create=True) as library:
        begin(library, name, config, seed)
    line = [sys.executable, "-c", GO_ON, str(path), name, json.dumps(config)]
    night = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert night.stdout is not None and night.stdout.readline() == "at work\n"
    return night


def killed(path: Path, name: str, config: dict[str, Any]) -> Path:
    """A library whose night was killed while it made its second sound."""
    night = at_work(path, name, config)
    night.kill()
    assert night.wait() == -signal.SIGKILL
    return path


@pytest.fixture(scope="session")
def basses() -> dict[str, Any]:
    """What makes the shipped night `basses` the one it is."""
    return read_order(*read_night("basses")).identity()


@pytest.fixture(scope="session")
def dealt() -> dict[str, Any]:
    """The same of `starter`, which deals its prompts to three models."""
    return read_order(*read_night("starter")).identity()


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    write_toy_library(tmp_path / "library")
    return tmp_path / "library"


# -------------------- a line each


def test_a_night_is_a_line(capsys, toy):
    code, out, err = run(capsys, "nights", "--library", toy)
    assert (code, err, out.count("\n")) == (0, "", 1)
    with Library.open(toy) as library:
        began = library.nights()[0].started_at
    assert out.startswith(
        f"toy  {began:%Y-%m-%d %H:%M} UTC  4 accepted, 1 rejected, 1 failed, 0 still planned  finished"
    )
    assert "; 4 accepted without vector or score yet (`nightcrate rebuild` makes them)" in out


def test_the_newest_is_last_and_json_has_the_same_facts(capsys, toy):
    with Library.open(toy) as library:
        library.end_night(begin(library, "later-night", {"name": "later-night"}, seed=2), "deadline")
    lines = run(capsys, "nights", "--library", toy)[1].splitlines()
    assert [line.split()[0] for line in lines] == ["toy", "later-night"]
    assert lines[0].index("UTC") == lines[1].index("UTC")
    assert (
        f"stopped at its deadline: `nightcrate night FILE --library {toy}` (FILE: its configuration) goes on"
        in lines[1]
    )
    first, last = json.loads(run(capsys, "nights", "--library", toy, "--json")[1])
    assert (first["night"], first["status"], first["accepted"], first["unready"]) == ("toy", "finished", 4, 4)
    assert (last["status"], last["accepted"], last["pending"], last["unready"]) == ("deadline", 1, 2, 1)
    assert last["started_at"] < last["ended_at"]


def test_only_sounds_without_vector_or_without_score_are_counted(capsys, toy):
    with Library.open(toy) as library:
        ids = library.sample_ids()
        library.add_embeddings("ear@1", ids[:3], np.eye(3, 4, dtype=np.float32))
        library.set_sample_scores({id: 50.0 for id in ids[1:]})
    assert json.loads(run(capsys, "nights", "--library", toy, "--json")[1])[0]["unready"] == 2
    with Library.open(toy) as library:
        library.add_embeddings("ear@1", ids[3:], np.ones((1, 4), np.float32))
        library.set_sample_scores({ids[0]: 0.0})
    out = run(capsys, "nights", "--library", toy)[1]
    assert out.endswith("0 still planned  finished\n")


def test_a_night_without_a_sound_has_failed(capsys, tmp_path):
    with Library.open(tmp_path / "library", create=True) as library:
        library.end_night(begin(library, "bad", {}, error="RuntimeError: no memory"), "finished")
    assert "failed, not one sound could be made" in run(capsys, "nights", "--library", tmp_path / "library")[1]


def test_a_library_without_nights_says_so(capsys, tmp_path):
    with Library.open(tmp_path / "library", create=True):
        pass
    told = "this library has no nights; `nightcrate night` begins one\n"
    assert run(capsys, "nights", "--library", tmp_path / "library") == (0, told, "")
    assert run(capsys, "nights", "--library", tmp_path / "library", "--json") == (0, "[]\n", "")


def test_what_is_not_there_is_one_line(capsys, toy, tmp_path):
    assert "did you mean 'toy'?" in refused(capsys, "nights", "tyo", "--library", toy)
    assert "there is no library here" in refused(capsys, "nights", "--library", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["basses", None])
def test_it_asks_for_nothing_heavy(tmp_path, basses, name):
    library = killed(tmp_path / "library", "basses", basses)
    arguments = ["nights", *([name] if name else []), "--library", str(library)]
    script = (
        f"import sys\nfrom flows.cli import main\ntry: main({arguments!r})\n"
        "finally: print(sorted({'torch', 'prefect', 'scipy', 'librosa', 'faiss'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "[]"), ended.stderr


# -------------------- running and killed


def test_a_running_night_is_only_told_and_a_killed_one_gets_its_pages(capsys, tmp_path, basses):
    library = tmp_path / "library"
    night = at_work(library, "basses", basses)
    try:
        line = run(capsys, "nights", "--library", library)[1]
        assert "1 accepted, 0 rejected, 0 failed, 2 still planned  running now; 1 accepted without" in line
        assert "rebuild" not in line, "the night itself will do it"
        code, out, err = run(capsys, "nights", "basses", "--library", library)
        assert (code, err.count("\n")) == (0, 1) and "were not written anew" in err
        assert out.startswith("Night basses: another process is making sounds here, 2 planned sounds are not made yet")
        assert "no scores" not in out
        assert not (library / "nights").exists()
    finally:
        night.kill()
        night.wait()
    line = run(capsys, "nights", "--library", library)[1]
    assert f"was interrupted: `nightcrate night basses --library {library}` goes on; 1 accepted without" in line
    code, out, err = run(capsys, "nights", "basses", "--library", library)
    assert (code, err) == (0, "")
    assert out.startswith("Night basses: was interrupted, 2 planned sounds are not made yet (begun ")
    assert "  no scores: the night was interrupted before it scored its models\n" in out
    folder = library / "nights" / "basses"
    assert {file.name for file in folder.iterdir()} == PAGES
    assert (folder / "summary.txt").read_text() == out
    facts = json.loads((folder / "summary.json").read_text())
    assert (facts["status"], facts["ended_at"], facts["accepted"], facts["pending"]) == ("interrupted", None, 1, 2)
    assert (folder / "index.html").read_text().count("<figure>") == 1


def test_json_of_a_night_is_its_summary(capsys, tmp_path):
    library = killed(tmp_path / "library", "mine", {"name": "mine", "target": 2})
    facts = json.loads(run(capsys, "nights", "mine", "--library", library, "--json")[1])
    assert facts == json.loads((library / "nights" / "mine" / "summary.json").read_text())
    assert facts["target"] == 2 and len(facts["short_cells"]) == 2


def test_the_library_of_the_environment_is_not_named(capsys, tmp_path, basses, monkeypatch):
    monkeypatch.setenv("NIGHTCRATE_LIBRARY", str(killed(tmp_path / "library", "basses", basses)))
    assert "interrupted: `nightcrate night basses` goes on" in run(capsys, "nights")[1]


def test_a_shipped_night_that_deals_its_prompts_is_known_again(capsys, tmp_path, dealt):
    library = killed(tmp_path / "library", "starter", dealt)
    assert f"`nightcrate night starter --library {library}` goes on" in run(capsys, "nights", "--library", library)[1]


@pytest.mark.parametrize("more", ["steps: 7", "guidance_scale: 1.5", "dtype: bfloat16"])
def test_a_copy_that_samples_otherwise_is_not_taken_for_the_shipped_night(capsys, tmp_path, basses, more):
    file = tmp_path / "night.yaml"
    shipped = config_path("night", "basses").read_text()
    file.write_text(shipped.replace("    batch_size: 8 ", f"    {more}\n    batch_size: 8 "))
    copied = read_order(*read_night(str(file))).identity()
    assert copied["name"] == "basses" and copied != basses
    library = killed(tmp_path / "library", "basses", copied)
    assert "`nightcrate night FILE --library " in run(capsys, "nights", "--library", library)[1]


def test_a_night_by_other_weights_is_not_taken_for_the_shipped_one(capsys, tmp_path, basses):
    library = killed(tmp_path / "library", "basses", basses)
    with Library.open(library) as opened, closing(sqlite3.connect(opened.path / "catalog.sqlite")) as rows, rows:
        rows.execute("UPDATE model SET fingerprint = ? WHERE name = 'chopan-starter'", ("0" * 64,))
    assert "`nightcrate night FILE --library " in run(capsys, "nights", "--library", library)[1]


@pytest.mark.parametrize("change", [{"seeds": [7]}, {"models": ["my-own"]}, {"novelty": []}])
def test_a_changed_copy_of_a_shipped_night_is_not_taken_for_it(capsys, tmp_path, basses, change):
    library = killed(tmp_path / "library", "basses", basses | change)
    assert "`nightcrate night FILE --library " in run(capsys, "nights", "--library", library)[1]


def test_of_two_that_say_running_nobody_knows_which_one_is(capsys, tmp_path):
    library = killed(tmp_path / "library", "first", {"name": "first"})
    second = at_work(library, "second", {"name": "second"}, seed=2)
    try:
        lines = run(capsys, "nights", "--library", library)[1].splitlines()
    finally:
        second.kill()
        second.wait()
    assert all("running now, or interrupted before the one that is" in line for line in lines)
    lines = run(capsys, "nights", "--library", library)[1].splitlines()
    assert len(lines) == 2 and all("was interrupted" in line for line in lines)


# -------------------- the pages


def test_what_only_the_night_knew_stays_on_its_pages(capsys, toy):
    left_out = {"big-model": "its weights are not here"}
    with Library.open(toy) as library:
        write_morning(look_back(library, 1, 1, left_out, "the judge is damaged"))
    (toy / "nights" / "toy" / "index.html").unlink()
    out = run(capsys, "nights", "toy", "--library", toy)[1]
    assert "not used: big-model: its weights are not here" in out and "no scores: the judge is damaged" in out
    with Library.open(toy) as library:
        assert out == as_text(look_back(library, 1, 1, left_out, "the judge is damaged")) + "\n"
        library.add_scores([ScoreRecord("model", MODEL, "KL [starter]", 1.25, None, "starter@1", "held-out", 4)])
    out = run(capsys, "nights", "toy", "--library", toy)[1]
    assert "KL [starter] 1.25" in out and "no scores" not in out, "they were measured since"
    assert "big-model" in (toy / "nights" / "toy" / "index.html").read_text()


@pytest.mark.parametrize("status", ["finished", "deadline"])
def test_only_an_interrupted_night_is_told_to_be_interrupted(capsys, toy, status):
    with Library.open(toy) as library:
        library.end_night(1, status)
    out = run(capsys, "nights", "toy", "--library", toy)[1]
    told = "its models have no score yet; `nightcrate league --refresh` scores them"
    assert f"  no scores: {told}\n" in out and "was interrupted" not in out
    page = (toy / "nights" / "toy" / "index.html").read_text()
    assert told in page and "was interrupted" not in page


@pytest.mark.parametrize("lies", ["{", "[]", '{"started_at": "1999"}'])
def test_a_summary_of_something_else_is_not_believed(capsys, toy, lies):
    file = toy / "nights" / "toy" / "summary.json"
    file.parent.mkdir(parents=True)
    file.write_text(lies)
    assert run(capsys, "nights", "toy", "--library", toy)[0] == 0
    assert json.loads(file.read_text())["accepted"] == 4


def test_of_two_nights_with_one_name_the_newest_is_told(capsys, toy):
    with Library.open(toy) as library:
        library.end_night(begin(library, "toy", {"target": 1}, seed=2), "finished")  # as after sounds that failed
    assert len(run(capsys, "nights", "--library", toy)[1].splitlines()) == 2
    assert "1 accepted, 0 rejected" in run(capsys, "nights", "toy", "--library", toy)[1]


def test_where_the_pages_cannot_be_written_the_summary_is_told_first(capsys, toy):
    (toy / "nights").write_text("a file where the folder should be")
    code, out, err = run(capsys, "nights", "toy", "--library", toy)
    assert (code, err.count("\n")) == (1, 1) and "cannot be written" in err
    assert out.startswith("Night toy: finished")
    assert (toy / "nights").read_text() == "a file where the folder should be"


if os.geteuid() == 0:  # nobody else may mount one, and root may write to any folder that is not

    @pytest.fixture
    def read_only_disk(tmp_path: Path) -> Iterator[Path]:
        place = tmp_path / "disk"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", place], check=True)
        write_toy_library(place / "library")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        yield place
        subprocess.run(["umount", place], check=True)

    def test_a_library_that_cannot_be_written_is_only_told(read_only_disk: Path) -> None:
        ended = process("nights", "toy", "--library", read_only_disk / "library")
        assert ended.returncode == 0 and ended.stdout.startswith("Night toy: finished")
        assert ended.stderr.count("\n") == 1 and "nothing may be written to" in ended.stderr
        ended = process("nights", "--library", read_only_disk / "library")
        assert (ended.returncode, ended.stderr) == (0, "") and ended.stdout.startswith("toy ")


# -------------------- the real thing


@pytest.mark.slow
def test_a_real_night_running_then_killed(capsys, tmp_path):
    library = tmp_path / "library"
    model = write_model(tmp_path / "toy-chopan")
    prompts = "{cells: [bass, flute], max_qualities: 1}"
    config = write_night(tmp_path / "night.yaml", [model], prompts, seeds="[1, 2, 3, 4]", batch_size=1)
    night = start_night(config, library)
    try:
        while not list(library.glob("audio/*/*")):
            assert night.poll() is None, said(library)
            time.sleep(0.1)
        assert "running now" in run(capsys, "nights", "--library", library)[1]
        assert "were not written anew" in run(capsys, "nights", "test", "--library", library)[2]
        assert not (library / "nights").exists()
    finally:
        night.kill()
        night.wait()
        sweep_servers((library / "prefect").resolve())
    assert "was interrupted: `nightcrate night FILE" in run(capsys, "nights", "--library", library)[1]
    code, out, err = run(capsys, "nights", "test", "--library", library)
    assert (code, err) == (0, "") and out.startswith("Night test: was interrupted")
    assert {file.name for file in (library / "nights" / "test").iterdir()} == PAGES

"""The night: made to its target, resumed, stopped in time, and honest about what went wrong."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from catalog.library import Library
from catalog.records import SampleFilter
from flows import making
from flows.bench import Bench
from flows.deadline import Deadline
from flows.judging import read_judging
from flows.order import read_order
from flows.pace import seconds_per_sound
from flows.settings import read_night
from flows.standing import is_complete, latest_night
from generation.audio import read_clip
from generation.cards import write_card
from tests.flows.command_line import run
from tests.flows.night_kit import EMBEDDER, ROOT, write_model, write_night
from tests.generation.toy_diffusion import toy_card, toy_tango

pytestmark = pytest.mark.timeout(600)  # whole nights, each with a server of Prefect's that starts
PROMPTS = "{cells: [bass, flute], max_qualities: 0}"  # 6 cells, one prompt each


def in_a_process(*arguments: object) -> tuple[int, str, str]:
    """As `run`, but as a user does it: what libraries say while they load counts too."""
    line = [sys.executable, "-c", "from flows.cli import main; main()", *map(str, arguments)]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "toy-chopan")


@pytest.fixture(scope="module")
def night(model, tmp_path_factory):
    """A night that was run to its end by Prefect: (configuration, library, exit code, summary, stderr)."""
    place = tmp_path_factory.mktemp("night")
    config = write_night(place / "night.yaml", [model], PROMPTS, target=2, max_attempts=8, embedder=EMBEDDER)
    code, out, err = in_a_process("night", config, "--library", place / "library", "--device", "cpu", "--json")
    assert out, err
    return config, place / "library", code, json.loads(out), err


def bench(library: Library, config: Path, **settings: object) -> Bench:
    """A night at its workbench, without Prefect."""
    order = read_order(*read_night(str(config)))
    stop = settings.pop("stop", Deadline())
    return Bench(library, order, read_judging("default"), stop, "cpu", **settings)  # type: ignore[arg-type]


def work(desk: Bench) -> None:
    """Make everything that is left, as the flow does."""
    for name in desk.order.models:
        making.make_sounds(desk, name, lambda loaded, batch: making.make_batch(desk, loaded, batch))
    desk.end()


def test_dealt_prompts_each_go_to_one_model_in_turn(model, tmp_path):
    other = write_model(tmp_path / "other", "other-chopan")
    config, folder = read_night(
        str(write_night(tmp_path / "night.yaml", [model, other], PROMPTS, target=1, seeds=[1, 2]))
    )
    every = read_order(config, folder).first_tries
    dealt = read_order(config.model_copy(update={"deal": True}), folder)
    made = [(job.settings.model, job.key) for job in dealt.first_tries]
    assert len(made) == len(every) / 2 and set(made) < {(job.settings.model, job.key) for job in every}
    captions = [
        [job.prompt.caption for job in dealt.first_tries if job.settings.model == name] for name in dealt.models
    ]
    asked = [job.prompt.caption for job in every if job.settings.model == "toy-chopan"]
    assert captions == [asked[0::2], asked[1::2]]
    assert dealt.identity() != read_order(config, folder).identity()


def test_every_cell_has_its_target_and_nothing_is_said_where_nobody_watches(night):
    _, path, code, facts, errors = night
    assert (code, errors) == (0, "")
    assert facts["status"] == "finished"
    assert facts["short_cells"] == []
    with Library.open(path) as library:
        cells = Counter((sample.source, sample.family) for sample in library.samples())
        assert len(cells) == 6 and set(cells.values()) == {2}
        assert library.verify() == []


def test_everything_is_embedded_scored_and_indexed_and_the_pages_are_there(night):
    _, path, _, facts, _ = night
    with Library.open(path) as library:
        assert all(sample.score is not None for sample in library.samples())
        states = [path.name for path in (library.path / "index").iterdir()]
    assert any(name.endswith(".faiss") for name in states)
    assert Path(facts["page"]).is_file()
    assert {"generate", "judge", "keep", "embed", "score sounds", "index"} <= set(facts["stage_seconds"])
    assert set(facts["left_out"]) == set(facts["failures"]) == set()


def test_what_the_night_made_is_found(night, capsys):
    _, path, _, _, _ = night
    code, out, _ = run(capsys, "search", "bass", "-k", 3, "--library", path, "--device", "cpu", "--json")
    hits = json.loads(out)
    assert code == 0 and len(hits) == 3
    assert {"id", "file", "model", "prompt", "source", "family", "qualities", "seed", "note"} <= set(hits[0])
    assert {"duration_s", "score", "percentile", "status"} <= set(hits[0])
    assert Path(hits[0]["file"]).is_file()
    code, out, _ = run(capsys, "similar", hits[0]["id"], "--library", path, "--device", "cpu", "--json")
    assert code == 0 and hits[0]["id"] not in [hit["id"] for hit in json.loads(out)]


def test_a_second_run_makes_nothing_new_and_never_starts_prefect(night):
    config, path, _, facts, _ = night
    script = (
        "import sys\nfrom flows.cli import main\n"
        f"try: main(['night', {str(config)!r}, '--library', {str(path)!r}, '--device', 'cpu', '--json'])\n"
        "except SystemExit as ended: print(ended.code, 'prefect' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr.split() == ["0", "False"]
    again = json.loads(ended.stdout)
    assert again["sounds"] == facts["sounds"]
    assert (again["made"], again["status"]) == (facts["made"], "finished")
    with Library.open(path) as library:
        assert len(library.nights()) == 1


def test_a_second_run_makes_what_is_missing_beside_sounds(night, capsys):
    config, path, _, facts, _ = night
    connection = sqlite3.connect(path / "catalog.sqlite")
    connection.execute("DELETE FROM embedding WHERE sample_id IN (SELECT min(id) FROM sample)")
    connection.execute("UPDATE sample SET score = NULL")
    connection.commit()
    connection.close()
    shutil.rmtree(path / "index")
    code, out, _ = run(capsys, "night", config, "--library", path, "--device", "cpu", "--json")
    assert code == 0
    assert {sound["id"]: sound["score"] for sound in json.loads(out)["sounds"]} == {
        sound["id"]: sound["score"] for sound in facts["sounds"]
    }
    assert list((path / "index").glob("*.faiss"))


def test_two_nights_on_one_library_are_told_apart_in_one_line(night):
    config, path, _, _, _ = night
    with Library.open(path) as first:
        first.lock()
        code, out, err = in_a_process("night", config, "--library", path, "--device", "cpu")
    assert (code, out) == (1, "")
    assert err.startswith("nightcrate: ") and err.count("\n") == 1 and "writing to this library" in err


def test_prefects_record_lies_in_the_library_and_stays_small(night):
    """Its database alone, 1.6 MB, without a log of 4 MB beside it."""
    _, path, _, _, _ = night
    assert (path / "prefect" / "prefect.db").is_file()
    assert sum(file.stat().st_size for file in (path / "prefect").rglob("*") if file.is_file()) < 2_500_000


def test_sounds_do_not_depend_on_the_size_of_the_batch(model, tmp_path):
    config = write_night(tmp_path / "night.yaml", [model], PROMPTS)
    masters = []
    for size in (1, 5):
        with Library.open(tmp_path / f"by{size}", create=True) as library:
            work(bench(library, config, batch_size=size))
            sounds = library.samples(SampleFilter(statuses=("accepted", "rejected")))
            masters.append({s.job_key: read_clip(library.audio_path(s)).samples for s in sounds})
    assert masters[0].keys() == masters[1].keys() and len(masters[0]) == 6
    for key, samples in masters[0].items():
        assert np.max(np.abs(samples - masters[1][key])) <= 1e-4


def test_a_model_that_cannot_be_loaded_fails_alone_and_gets_another_chance(model, tmp_path):
    broken = write_model(tmp_path / "broken", name="broken")
    card = (broken / "card.yaml").read_text()
    (broken / "card.yaml").write_text(card.replace("16000", "44100"))
    config = write_night(tmp_path / "night.yaml", [broken, model], PROMPTS)
    with Library.open(tmp_path / "library", create=True) as library:
        desk = bench(library, config)
        work(desk)
        told = library.summary(desk.night_id)
        assert {cell.model: cell.failed for cell in told.cells} == {"broken": 1, "toy-chopan": 0}
        assert told.failed == 6
        (cause,) = told.failures
        assert "44100" in cause and "\n" not in cause
        assert not is_complete(library, desk.order, latest_night(library, desk.order))
        (broken / "card.yaml").write_text(card)
        desk = bench(library, config)
        work(desk)
        told = library.summary(desk.night_id)
        assert (told.failed, told.made, told.found) == (0, 6, 6), "only what had failed was made"


def test_a_model_whose_weights_are_missing_is_left_out(model, tmp_path):
    empty = write_model(tmp_path / "empty", name="empty")
    card = (empty / "card.yaml").read_text().replace("folder: .", "folder: nowhere")
    (empty / "card.yaml").write_text(card)
    order = read_order(*read_night(str(write_night(tmp_path / "night.yaml", [empty, model], PROMPTS))))
    assert list(order.models) == ["toy-chopan"]
    assert "not there" in order.left_out["empty"]


def test_an_error_of_the_network_is_recorded_and_the_model_given_up_after_three(tmp_path):
    """More steps than it was trained on, which a night refuses beforehand, stand for what may go wrong in a model."""
    pipeline = toy_tango()
    pipeline.save_pretrained(tmp_path / "tango")
    write_card(tmp_path / "tango", toy_card("tango", pipeline))
    config = write_night(tmp_path / "night.yaml", [tmp_path / "tango"], PROMPTS, batch_size=1)
    config.write_text(config.read_text().replace("batch_size: 1", "batch_size: 1, steps: 101"))
    with Library.open(tmp_path / "library", create=True) as library:
        desk = bench(library, config)
        work(desk)
        told = library.summary(desk.night_id)
        assert (told.failed, told.accepted, told.rejected) == (6, 0, 0)
        assert sorted(told.failures.values()) == [3, 3]
        assert sum("given up after 3 batches" in line for line in told.failures) == 1


def test_the_canary_stops_a_mute_model_and_says_so(tmp_path):
    mute = write_model(tmp_path / "mute", name="mute", gain=0.0)
    config = write_night(tmp_path / "night.yaml", [mute], "{cells: [bass, flute]}", seeds="[1]", batch_size=10)
    with Library.open(tmp_path / "library", create=True) as library:
        desk = bench(library, config)
        work(desk)
        told = library.summary(desk.night_id)
        assert told.accepted == 0 and set(told.rejection_reasons) == {"silence"}
        assert told.rejected < told.planned / 10, "most was never made"
        assert {(cell.model, cell.family) for cell in told.stopped} == {("mute", "bass"), ("mute", "flute")}
        assert is_complete(library, desk.order, latest_night(library, desk.order)), "stopped is not unfinished"


def test_no_batch_starts_that_would_end_after_the_deadline(model, tmp_path):
    config = write_night(tmp_path / "night.yaml", [model], PROMPTS, batch_size=1)
    clock = [datetime(2026, 11, 24, 22, 0, tzinfo=UTC)]
    with Library.open(tmp_path / "library", create=True) as library:
        stop = Deadline(clock[0] + timedelta(hours=1), now=lambda: clock[0])
        desk = bench(library, config, stop=stop)
        batches = desk.batches_left("toy-chopan")
        making.make_batch(desk, making.load_model(str(model)), next(batches))
        pace = seconds_per_sound(library, desk.order.models["toy-chopan"].card, 1.008)
        assert pace is not None
        clock[0] += timedelta(hours=1) - timedelta(seconds=pace.seconds / 2)
        assert list(batches) == [] and desk.out_of_time
        desk.end()
        assert library.night(desk.night_id).status == "deadline"
        first = desk.night_id
        desk = bench(library, config)
        work(desk)
        told = library.summary(desk.night_id)
        assert (desk.night_id, told.night.status, told.made) == (first, "finished", 6)


@pytest.mark.slow
def test_a_night_past_its_deadline_still_leaves_a_usable_library(model, tmp_path):
    config = write_night(tmp_path / "night.yaml", [model], PROMPTS, embedder=EMBEDDER)
    path = tmp_path / "library"
    with Library.open(path, create=True) as library:
        desk = bench(library, config)
        making.make_batch(desk, making.load_model(str(model)), next(desk.batches_left("toy-chopan")))
        made = library.count()
    code, out, err = in_a_process("night", config, "--library", path, "--device", "cpu", "--for", "1s", "--json")
    facts = json.loads(out)
    assert (code, err, facts["status"]) == (0, "", "deadline")
    assert facts["pending"] == 4 and facts["accepted"] == made
    with Library.open(path) as library:
        assert all(sample.score is not None for sample in library.samples())


def test_a_night_of_another_order_under_the_same_name_keeps_both_pages(model, tmp_path):
    path = tmp_path / "night.yaml"
    with Library.open(tmp_path / "library", create=True) as library:
        names = []
        for seeds in ("[1]", "[2]", "[1]"):
            desk = bench(library, write_night(path, [model], PROMPTS, seeds=seeds))
            names.append(library.night(desk.night_id).name)
    assert names == ["test", "test-2", "test"]


def test_sounds_of_an_earlier_night_are_found_and_not_made_again(model, tmp_path):
    few = write_night(tmp_path / "few.yaml", [model], "{cells: [synthetic bass], max_qualities: 0}")
    more = write_night(tmp_path / "more.yaml", [model], PROMPTS, name="more")
    with Library.open(tmp_path / "library", create=True) as library:
        work(bench(library, few))
        desk = bench(library, more)
        work(desk)
        told = library.summary(desk.night_id)
        assert (told.planned, told.found, told.made) == (6, 1, 5)

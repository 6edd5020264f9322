"""A night's models: found beside its configuration, told apart by name, refused early where they cannot do it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from catalog.library import Library
from catalog.records import SampleFilter
from flows import making
from flows.bench import Bench
from flows.deadline import Deadline
from flows.forecast import forecast
from flows.judging import read_judging
from flows.order import job_record, read_order
from flows.settings import read_night
from generation.audio import Clip, read_clip
from generation.cards import Pace, Weights, list_cards
from generation.errors import CardError
from generation.sampling import check_sampling
from tests.flows.command_line import refused
from tests.flows.night_kit import write_model, write_night
from tests.generation.toy_any_diffusers import toy_stable_audio
from tests.generation.toy_diffusion import toy_card, toy_tango
from tests.generation.toy_model import write_card, write_model_card

PROMPTS = "{cells: [synthetic bass], max_qualities: 0}"


@pytest.fixture(scope="session")
def chopan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "toy-chopan")


@pytest.fixture(scope="session")
def tango(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on 100 steps."""
    folder, pipeline = tmp_path_factory.mktemp("model") / "toy-tango", toy_tango()
    pipeline.save_pretrained(folder)
    write_card(folder, toy_card("tango", pipeline, name="toy-tango"))
    return folder


@pytest.fixture(scope="session")
def stable_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes four channels; trained on 1000 steps."""
    folder = tmp_path_factory.mktemp("model") / "toy-stable"
    toy_stable_audio(channels=4).save_pretrained(folder)
    defaults = {"steps": 2, "guidance_scale": 3.0}
    changes = {"sample_rate_hz": 4000, "length_s": 0.25, "defaults": defaults}
    return write_model_card(folder, name="toy-stable", technique="diffusers", **changes)


@pytest.fixture
def night(tmp_path: Path) -> Callable[..., Path]:
    """Writes a night of models given by YAML."""

    def write(*models: str) -> Path:
        listed = "".join(f"  - {{{model}}}\n" for model in models)
        path = tmp_path / "night.yaml"
        path.write_text(f"name: test\nmodels:\n{listed}prompts: {PROMPTS}\n", encoding="utf-8")
        return path

    return write


def refused_twice(capsys: pytest.CaptureFixture[str], config: Path) -> str:
    """The line that plan and night refuse a night with, before anything is made."""
    library = config.parent / "library"
    lines = {refused(capsys, command, config, "--library", library) for command in ("plan", "night")}
    assert len(lines) == 1 and not library.exists()
    return lines.pop()


# -------------------- where models lie


def test_a_relative_path_starts_beside_the_configuration(
    chopan: Path, night: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(chopan, tmp_path / "mine" / "toy")
    write_model(tmp_path / "elsewhere" / "mine" / "toy", name="another")
    config = night("model: mine/toy")
    monkeypatch.chdir(tmp_path / "elsewhere")
    order = read_order(*read_night(str(config)))
    assert list(order.models) == ["toy-chopan"]
    assert order.choices["toy-chopan"].model == str(tmp_path / "mine" / "toy"), "also from another working directory"
    assert [model.model for model in forecast(*read_night(str(config)), None).models] == ["toy-chopan"]


def test_what_is_not_there_is_taken_from_the_working_directory(
    chopan: Path, night: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chopan.parent)
    assert list(read_order(*read_night(str(night("model: toy-chopan")))).models) == ["toy-chopan"]


def test_a_shipped_name_wins_over_a_folder_beside_the_configuration(night: Callable[..., Path], tmp_path: Path) -> None:
    write_model(tmp_path / "chopan-starter", name="mine")
    for asked, found in (("chopan-starter", "chopan-starter"), ("./chopan-starter", "mine")):
        assert list(read_order(*read_night(str(night(f"model: {asked}")))).models) == [found]


def test_a_card_stands_for_its_folder(chopan: Path, night: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(chopan, tmp_path / "toy")
    order = read_order(*read_night(str(night("model: toy/card.yaml"))))
    assert order.models == read_order(*read_night(str(night("model: toy")))).models


# -------------------- names


def test_two_models_of_one_name_are_refused(
    capsys: pytest.CaptureFixture[str], chopan: Path, night: Callable[..., Path], tmp_path: Path
) -> None:
    shutil.copytree(chopan, tmp_path / "again")
    line = refused_twice(capsys, night(f"model: {chopan}", "model: again"))
    assert "two models are named 'toy-chopan'" in line and "change `name` in one" in line
    assert str(chopan / "card.yaml") in line and str(tmp_path / "again" / "card.yaml") in line


def test_one_model_in_two_spellings_is_refused(
    capsys: pytest.CaptureFixture[str], chopan: Path, night: Callable[..., Path]
) -> None:
    assert "stands twice" in refused_twice(capsys, night(f"model: {chopan}", f"model: {chopan}/card.yaml"))


# -------------------- what is asked of them


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("steps: 101", "toy-tango: 101 steps were asked for; this model was trained on 100"),
        ("steps: 101, scheduler: ddim", "101 steps were asked for"),
        ("scheduler: edm-dpm-solver++", "toy-tango: there is no scheduler 'edm-dpm-solver++'; did you mean"),
    ],
)
def test_what_a_diffusion_model_cannot_do_is_refused(
    capsys: pytest.CaptureFixture[str], tango: Path, night: Callable[..., Path], asked: str, told: str
) -> None:
    assert told in refused_twice(capsys, night(f"model: {tango}, {asked}"))


@pytest.mark.parametrize(
    "starter", [card.name for card in list_cards() if card.tier == "starter" and card.technique != "chopan"]
)
def test_every_shipped_diffusion_starter_is_judged(
    capsys: pytest.CaptureFixture[str], night: Callable[..., Path], starter: str
) -> None:
    """Some of them have their scheduler in the folder of another one."""
    line = refused(capsys, "plan", night(f"model: {starter}, steps: 2000"))
    assert f"{starter}: 2000 steps were asked for; this model was trained on 1000" in line
    with pytest.raises(CardError, match="there is no scheduler 'edm-dpm-solver"):
        check_sampling(starter, scheduler="edm-dpm-solver++")


@pytest.mark.parametrize(
    "asked",
    ["steps: 100", "steps: 7, scheduler: dpm-solver++", "guidance_scale: 1.0", "dtype: bfloat16", "length_s: 1"],
)
def test_what_it_can_do_is_planned(tango: Path, night: Callable[..., Path], asked: str) -> None:
    assert forecast(*read_night(str(night(f"model: {tango}, {asked}"))), None).sounds == 1


def test_a_scheduler_that_does_not_fit_a_diffusers_pipeline_is_refused(
    capsys: pytest.CaptureFixture[str], stable_audio: Path, night: Callable[..., Path]
) -> None:
    line = refused_twice(capsys, night(f"model: {stable_audio}, steps: 1001, scheduler: ddim"))
    assert "toy-stable: scheduler: ddim came" in line and "ask for edm-dpm-solver++, or leave it out" in line


@pytest.mark.parametrize("asked", ["steps: 5", "guidance_scale: 2.0", "scheduler: ddim", "dtype: bfloat16"])
def test_a_model_without_steps_refuses_them(
    capsys: pytest.CaptureFixture[str], chopan: Path, night: Callable[..., Path], asked: str
) -> None:
    line = refused_twice(capsys, night(f"model: {chopan}, {asked}"))
    assert f"toy-chopan: {asked} came; it does not denoise and has no such choice" in line


def test_another_length_than_a_models_own_is_refused(
    capsys: pytest.CaptureFixture[str], chopan: Path, night: Callable[..., Path]
) -> None:
    line = refused_twice(capsys, night(f"model: {chopan}, length_s: 30"))
    assert "toy-chopan: 30 s were asked for; this model's sounds last" in line


def test_a_damaged_folder_is_left_to_loading(tango: Path, night: Callable[..., Path], tmp_path: Path) -> None:
    damaged = shutil.copytree(tango, tmp_path / "damaged")
    (damaged / "scheduler" / "scheduler_config.json").write_text("[]")
    check_sampling(damaged, steps=5)
    (damaged / "model_index.json").write_text("{")
    check_sampling(damaged, steps=5)


def test_a_model_that_is_not_here_is_not_judged(night: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    write_card(tmp_path / "far", toy_card("tango", toy_tango(), name="far", weights=Weights(hub="someone/toy")))
    assert forecast(*read_night(str(night("model: far, steps: 5000"))), None).sounds == 1
    with pytest.raises(CardError, match="no model 'further'"):
        forecast(*read_night(str(night("model: further, steps: 5000"))), None)


# -------------------- what they make


def make_all(library: Library, config: Path) -> Bench:
    """Make the sounds of a night."""
    bench = Bench(library, read_order(*read_night(str(config))), read_judging("default"), Deadline(), "cpu")
    for name in bench.order.models:
        making.make_sounds(bench, name, lambda loaded, batch: making.make_batch(bench, loaded, batch))
    return bench


def test_the_same_prompts_in_another_dtype_are_other_sounds(
    tango: Path, night: Callable[..., Path], tmp_path: Path
) -> None:
    kept = SampleFilter(statuses=("accepted", "rejected"))
    with Library.open(tmp_path / "library", create=True) as library:
        for dtype in ("float32", "bfloat16"):
            make_all(library, night(f"model: {tango}, dtype: {dtype}"))
        exact, rounded = library.samples(kept)
        assert [each.seed for each in (exact, rounded)] == [exact.seed] * 2
        assert [library.details(each.id).settings["dtype"] for each in (exact, rounded)] == ["float32", "bfloat16"]
        assert exact.sha256 != rounded.sha256


def test_a_night_makes_the_length_it_names(tango: Path, night: Callable[..., Path], tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", create=True) as library:
        for asked in ("", ", length_s: 0.64"):
            make_all(library, night(f"model: {tango}{asked}"))
        usual, longer = library.samples(SampleFilter(statuses=("accepted", "rejected")))
        lengths = [read_clip(library.path / str(each.file)).duration_s for each in (usual, longer)]
        assert lengths == [0.32, 0.64], "raw, for no toy's sound is accepted"


def test_a_deadline_reckons_with_the_length_that_was_asked_for(night: Callable[..., Path], tmp_path: Path) -> None:
    pipeline = toy_tango()
    pipeline.save_pretrained(tmp_path / "slow")
    pace = Pace(seconds_per_sound=100.0, on="a bench")
    write_card(tmp_path / "slow", toy_card("tango", pipeline, name="slow", pace=pace))
    now = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
    stop = Deadline(now + timedelta(seconds=150), now=lambda: now)
    started = []
    for number, asked in enumerate(("", f", length_s: {2 * pipeline.codec.duration_s}")):
        order = read_order(*read_night(str(night(f"model: slow{asked}"))))
        with Library.open(tmp_path / f"library-{number}", create=True) as library:
            bench = Bench(library, order, read_judging("default"), stop, "cpu")
            started.append(next(bench.batches_left("slow"), None) is not None)
    assert started == [True, False]


def test_sounds_of_four_channels_fail_alone(chopan: Path, stable_audio: Path, tmp_path: Path) -> None:
    config = write_night(tmp_path / "night.yaml", [stable_audio, chopan], "{cells: [bass], max_qualities: 0}")
    with Library.open(tmp_path / "library", create=True) as library:
        bench = make_all(library, config)
        told = library.summary(bench.night_id)
        assert {cell.model: cell.failed for cell in told.cells} == {"toy-stable": 1, "toy-chopan": 0}
        assert all("4 channels; mono or stereo is needed" in cause for cause in told.failures)


def test_a_sound_of_three_channels_is_a_failure_and_no_fault_of_the_disk(chopan: Path, tmp_path: Path) -> None:
    config = write_night(tmp_path / "night.yaml", [chopan], PROMPTS)
    job = job_record(read_order(*read_night(str(config))).first_tries[0])
    clip = Clip(np.full((3, 16_000), 0.1, np.float32), 16_000)
    result = making.judged(job, clip, read_judging("default"), "cpu")
    assert result.error == "it has 3 channels; mono or stereo is needed"

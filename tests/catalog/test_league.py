"""Reference and league: the same cut for both sides, unscored below the thresholds, figures one can check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from catalog.embedders.judge import Judge, save_judge
from catalog.embedders.judge_net import JudgeNet
from catalog.errors import CatalogError
from catalog.library import Library
from catalog.records import JobRecord, ResultRecord, ScoreRecord
from catalog.scores.extractors import cut, hear
from catalog.scores.frechet import frechet_distance
from catalog.scores.league import LeagueSettings, league
from catalog.scores.reference import Cell, Reference, build_reference
from generation.audio import Clip
from generation.prompts.vocabulary import FAMILIES, SOURCES
from tests.catalog.toy_library import accepted, make, rejected, toy_job, toy_model

RATE_HZ = 8_000
LENGTH_S = 0.05
FEW = LeagueSettings(min_sounds_fad=6, min_sounds_kl=3)


class LevelJudge:
    """Hears the family in a clip's first sample and the source in its second; embeds three of its samples.

    A sample of 0.01 * i means class i, heard with probability 0.9; the rest is shared among the others.
    """

    id = "levels@1"

    def posteriors(self, clips: Sequence[Clip]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rows = np.stack([clip.samples[0, :5] for clip in clips])
        heads = {"family": self._sure(rows[:, 0], 11), "source": self._sure(rows[:, 1], 3)}
        lengths = np.array([[clip.samples.shape[1]] for clip in clips])
        return heads, np.hstack([rows[:, 2:5], lengths / 1_000.0])

    def _sure(self, levels: np.ndarray, classes: int) -> np.ndarray:
        table = np.full((len(levels), classes), 0.1 / (classes - 1))
        table[np.arange(len(levels)), np.round(levels * 100).astype(int)] = 0.9
        return table


def note(cell: Cell, rng: np.random.Generator, offset: float = 0.0, duration_s: float = LENGTH_S) -> Clip:
    """A clip that LevelJudge hears as this cell, with embeddings around the offset."""
    samples = np.zeros((1, round(duration_s * RATE_HZ)), np.float32)
    samples[0, 0], samples[0, 1] = FAMILIES.index(cell[1]) / 100, SOURCES.index(cell[0]) / 100
    samples[0, 2:5] = 0.05 * rng.standard_normal(3) + offset
    return Clip(samples, RATE_HZ)


CELLS: tuple[Cell, ...] = (("acoustic", "bass"), ("synthetic", "bass"), ("acoustic", "flute"))


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    return build_reference(
        LevelJudge(), {cell: [note(cell, rng) for _ in range(20)] for cell in CELLS}, "toy notes", LENGTH_S
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a good model, a shifted one and one with few sounds; made once."""
    path = tmp_path_factory.mktemp("league") / "library"
    rng = np.random.default_rng(1)
    plan: dict[str, tuple[JobRecord, Clip]] = {}

    def want(model: str, count: int, cells: Sequence[Cell], offset: float, heard: Mapping[Cell, Cell]) -> None:
        for seed in range(count):
            source, family = cells[seed % len(cells)]
            job = toy_job(seed, family=family, source=source, model=model, prompt=f"{source} {family}")
            sound = heard.get((source, family), (source, family))
            plan[job.key] = (job, note(sound, rng, offset, duration_s=LENGTH_S * (1 + seed % 2)))

    want("good", 18, CELLS, 0.0, {})
    want("shifted", 18, CELLS, 0.2, {CELLS[0]: CELLS[2]})
    want("few", 2, CELLS[:1], 0.0, {})
    want("stranger", 4, [("electronic", "vocal")], 0.0, {})

    def outcome(key: str) -> ResultRecord:
        return replace(accepted(key), clip=plan[key][1], raw=None)

    with Library.open(path, create=True) as library:
        for model in ("good", "shifted", "few", "stranger"):
            make(library, [job for job, _ in plan.values() if job.model == model], outcome)
    return path


@pytest.fixture
def stocked(made: Path) -> Iterator[Library]:
    with Library.open(made, read_only=True) as library:
        yield library


def find(records: Sequence[ScoreRecord], subject: str, name: str) -> ScoreRecord:
    (found,) = [r for r in records if r.subject == subject and r.name == f"{name} [levels]"]
    return found


# -------------------- reference


def test_cut_gives_exactly_the_length() -> None:
    clip = Clip(np.ones((2, 300), np.float32), 1_000, ("a",))
    short, long = cut(clip, 0.1), cut(clip, 0.5)
    assert short.samples.shape == (2, 100)
    assert long.samples.shape == (2, 500)
    assert long.samples[:, 300:].max() == 0.0
    assert long.sources == ("a",)


def test_hear_listens_in_batches_and_keeps_the_order() -> None:
    rng = np.random.default_rng(0)
    clips = [note(CELLS[i % 3], rng, duration_s=LENGTH_S / 2) for i in range(70)]
    heard = hear(LevelJudge(), iter(clips), LENGTH_S)
    assert heard.features.shape == (70, 4)
    assert heard.features[:, :3] == pytest.approx(np.stack([c.samples[0, 2:5] for c in clips]))
    assert set(heard.features[:, 3].tolist()) == {np.float32(LENGTH_S * RATE_HZ / 1_000)}
    assert heard.posteriors.sum(axis=1) == pytest.approx(np.ones(70))
    assert hear(LevelJudge(), [], LENGTH_S).features.shape[0] == 0


def test_a_reference_survives_its_file(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    read = Reference.load(path)
    assert (read.name, read.judge, read.length_s, read.own_kl) == (
        "toy notes", "levels@1", LENGTH_S, reference.own_kl,
    )  # fmt: skip
    assert list(read.features) == sorted(CELLS)
    for cell in CELLS:
        assert np.array_equal(read.features[cell], reference.features[cell])
        assert np.array_equal(read.posteriors[cell], reference.posteriors[cell])
    again = tmp_path / "again.safetensors"
    read.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_reference_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match="reference") as error:
        Reference.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("about", ["{}", "[]", '{"name": "n", "judge": "j", "length_s": 1, "own_kl": []}'])
def test_a_file_of_another_kind_is_no_reference(about: str, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    save_file({"features/acoustic/bass": np.zeros((2, 3), np.float32)}, path, {"nightcrate": about})
    with pytest.raises(CatalogError, match="this is no reference of nightcrate"):
        Reference.load(path)


def test_a_cell_of_one_note_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    notes = {CELLS[0]: [note(CELLS[0], rng)], CELLS[1]: [note(CELLS[1], rng) for _ in range(2)]}
    assert set(build_reference(LevelJudge(), notes, "toy", LENGTH_S).features) == {CELLS[1]}
    assert " ".join(CELLS[0]) in caplog.text


def test_notes_of_which_no_cell_has_two_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(CatalogError, match="no source and family has two notes"):
        build_reference(LevelJudge(), {cell: [note(cell, rng)] for cell in CELLS}, "toy", LENGTH_S)


# -------------------- league


def test_the_league_ranks_the_good_model_first(stocked: Library, reference: Reference) -> None:
    records = league(stocked, LevelJudge(), reference, FEW)
    good, shifted = find(records, "good", "FAD"), find(records, "shifted", "FAD")
    assert good.value is not None and shifted.value is not None
    assert good.value < 0.01
    # Three embedding dimensions are shifted by 0.2.
    assert shifted.value - good.value == pytest.approx(3 * 0.2**2, abs=0.02)
    assert find(records, "good", "KL").value < find(records, "shifted", "KL").value  # type: ignore[operator]


def test_figures_are_those_of_the_plain_functions(stocked: Library, reference: Reference) -> None:
    from generation.audio import read_clip

    records = league(stocked, LevelJudge(), reference, FEW)
    basses = [s for s in stocked.samples() if s.model == "good" and s.family == "bass"]
    clips = [read_clip(stocked.audio_path(sample)) for sample in basses]
    heard = hear(LevelJudge(), clips, LENGTH_S)
    real = np.concatenate([reference.features[cell] for cell in sorted(CELLS[:2])])
    record = find(records, "good/bass", "FAD")
    assert record.value == pytest.approx(frechet_distance(heard.features, real), rel=1e-9)
    assert (record.scope, record.n, record.embedder, record.reference) == (
        "model_family", 12, "levels@1", "toy notes",
    )  # fmt: skip
    said = record.settings
    assert (said["length_s"], said["cells"], said["min_sounds"], said["reference_n"]) == (LENGTH_S, 2, 6, 40)
    assert said["reference_id"] == reference.fingerprint
    assert said["low"] <= record.value <= said["high"]  # type: ignore[operator]
    assert "jackknife" in said["interval"]


def test_sounds_that_are_heard_as_asked_reach_the_floor_of_the_reference(
    stocked: Library, reference: Reference
) -> None:
    record = find(league(stocked, LevelJudge(), reference, FEW), "good", "KL")
    assert record.value == pytest.approx(record.settings["of_the_reference_itself"], abs=1e-6)


def test_too_few_sounds_are_unscored_with_a_reason(stocked: Library, reference: Reference) -> None:
    records = league(stocked, LevelJudge(), reference)
    few = find(records, "few", "KL")
    assert few.value is None
    assert few.reason == "2 sounds, at least 5 are needed"
    assert find(records, "good", "FAD").reason == "18 sounds, at least 50 are needed"
    assert find(records, "good", "KL").value is not None


def test_too_few_real_notes_are_unscored_with_a_reason(stocked: Library) -> None:
    """The distance is symmetric: six notes would give a figure, an interval and a rank as if they were many."""
    rng = np.random.default_rng(0)
    notes = {cell: [note(cell, rng) for _ in range(count)] for cell, count in zip(CELLS, (4, 2, 5), strict=True)}
    few_notes = build_reference(LevelJudge(), notes, "few notes", LENGTH_S)
    records = league(stocked, LevelJudge(), few_notes, FEW)
    whole, bass, flute = (find(records, f"good{of}", "FAD") for of in ("", "/bass", "/flute"))
    assert whole.value is not None and whole.settings["reference_n"] == 11
    assert bass.value is not None and bass.settings["reference_n"] == 6
    assert (flute.value, flute.reason, flute.n) == (None, "5 real notes, at least 6 are needed", 6)
    assert find(records, "good/flute", "KL").value is not None
    less_kl = league(stocked, LevelJudge(), few_notes, replace(FEW, min_sounds_kl=6))
    assert find(less_kl, "good/flute", "KL").reason == "5 real notes, at least 6 are needed"
    # As for the sounds, dimensions ask for more: 3 for each of the 4.
    wide = league(stocked, LevelJudge(), few_notes, replace(FEW, min_sounds_a_dimension=3.0))
    assert find(wide, "good", "FAD").reason == "11 real notes, at least 12 are needed"
    assert find(wide, "good/bass", "FAD").reason == "6 real notes, at least 12 are needed"


def test_a_model_whose_sounds_were_all_rejected_has_a_row(made: Path, reference: Reference, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made, tmp_path / "copy")
    with Library.open(tmp_path / "copy") as library:
        make(library, [toy_job(seed, model="poor") for seed in range(3)], rejected)
        library.add_models([toy_model("never asked")])
        records = league(library, LevelJudge(), reference)
    told = {(one.subject, one.name): (one.value, one.reason, one.n) for one in records if one.subject[:4] == "poor"}
    assert told == {
        ("poor", "FAD [levels]"): (None, "0 sounds, at least 50 are needed", 0),
        ("poor", "KL [levels]"): (None, "0 sounds, at least 5 are needed", 0),
    }
    assert "never asked" not in {one.subject for one in records}


def test_the_interval_of_kl_does_not_reach_below_the_least_that_kl_can_be(
    stocked: Library, reference: Reference
) -> None:
    """Of six sounds that are heard rightly or wholly wrongly, the spread alone would reach below 0."""
    rng = np.random.default_rng(2)
    jobs = [toy_job(seed, family="bass", source="acoustic", model="uneven") for seed in range(6)]
    clips = {job.key: note(CELLS[2] if job.seed == 0 else CELLS[0], rng) for job in jobs}
    with Library.open(stocked.path.parent / "uneven", create=True) as library:
        make(library, jobs, lambda key: replace(accepted(key), clip=clips[key], raw=None))
        kl = find(league(library, LevelJudge(), reference, FEW), "uneven", "KL")
    assert kl.value is not None and kl.settings["low"] == 0.0
    assert kl.settings["high"] > 2 * kl.value


def test_sounds_without_a_reference_cell_are_left_out(stocked: Library, reference: Reference) -> None:
    records = league(stocked, LevelJudge(), reference, FEW)
    assert find(records, "stranger", "KL").n == 0
    assert find(records, "stranger/vocal", "KL").reason == "0 sounds, at least 3 are needed"


def test_scores_can_be_kept(made: Path, reference: Reference, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made, tmp_path / "copy")
    with Library.open(tmp_path / "copy") as library:
        records = league(library, LevelJudge(), reference, FEW)
        library.add_scores(records)
        assert library.scores(scope="model", subject="good", name="FAD [levels]") == [find(records, "good", "FAD")]


def test_a_damaged_master_is_named_and_the_rest_scored(
    made: Path, reference: Reference, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    shutil.copytree(made, tmp_path / "copy")
    with Library.open(tmp_path / "copy", read_only=True) as library:
        victim = library.samples()[0]
        library.audio_path(victim).write_bytes(b"not a sound")
        assert find(league(library, LevelJudge(), reference, FEW), "good", "KL").n == 17
    assert str(victim.file) in caplog.text


def test_an_empty_library_has_no_league(library: Library, reference: Reference) -> None:
    assert league(library, LevelJudge(), reference) == []


def test_another_judge_is_refused(stocked: Library, reference: Reference) -> None:
    class Other(LevelJudge):
        id = "other@2"

    with pytest.raises(CatalogError, match="made with levels@1, the judge is other@2"):
        league(stocked, Other(), reference)


def test_a_prompt_without_source_is_held_against_its_family(reference: Reference) -> None:
    assert reference.cells(None, "bass") == (("acoustic", "bass"), ("synthetic", "bass"))
    assert reference.cells("acoustic", "bass") == (("acoustic", "bass"),)
    mean = reference.mean_posterior(reference.cells(None, "bass"))
    halves = [reference.posteriors[cell] for cell in CELLS[:2]]
    assert mean == pytest.approx(np.mean(halves, axis=0))


def test_the_shipped_kind_of_judge_fits(stocked: Library, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_judge(JudgeNet(widths=(4, 8), embedding_dim=6), tmp_path / "judge")
    judge = Judge(tmp_path / "judge", name="toy")
    rng = np.random.default_rng(0)
    notes = {cell: [note(cell, rng) for _ in range(8)] for cell in CELLS}
    records = league(stocked, judge, build_reference(judge, notes, "toy notes", LENGTH_S), FEW)
    assert {r.name for r in records} == {"FAD [toy]", "KL [toy]"}
    assert all(np.isfinite(r.value) for r in records if r.value is not None)
    assert any(r.value is not None for r in records if r.name == "FAD [toy]")

"""What the league keeps between refreshes: equal to hearing all anew, whatever came, went or changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from catalog.errors import ScoreError
from catalog.library import Library
from catalog.records import SampleRecord
from catalog.scores import hearing
from catalog.scores.extractors import Heard
from catalog.scores.frechet import frechet_distance
from catalog.scores.league import LeagueSettings, league, odd_sounds
from catalog.scores.moments import Moments
from catalog.scores.reference import Reference, build_reference
from catalog.scores.tally import Tally, identity, tally_path
from generation.audio import Clip, read_clip
from tests.catalog.test_league import CELLS, FEW, LENGTH_S, LevelJudge, note
from tests.catalog.toy_library import accepted, make, toy_job

DIM = 5
GROUPS = ("family/bass", "family/flute", "quality/dark")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SampleRecord:
    with Library.open(tmp_path_factory.mktemp("one") / "library", create=True) as library:
        make(library, [toy_job(0)])
        return library.samples()[0]


def sound(template: SampleRecord, number: int, version: int = 0) -> SampleRecord:
    return replace(
        template,
        job_key=f"{number:032x}",
        sha256=f"{version:064x}",
        family=("bass", "flute")[number % 2],
        qualities=("dark",) if number % 3 else (),
    )


def heard(samples: Sequence[SampleRecord]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, KL and FAD alone that follow from the sound."""
    rows = [np.random.default_rng(list(identity(one).encode())).standard_normal(DIM + 3) for one in samples]
    table = np.array(rows).reshape(len(samples), DIM + 3)
    return table[:, :DIM] + 4.0, table[:, DIM : DIM + 2], table[:, -1]


def bring_up_to_date(tally: Tally, samples: Sequence[SampleRecord]) -> int:
    tally.forget({identity(one) for one in samples})
    known = tally.heard
    new = [one for one in samples if identity(one) not in known]
    tally.add(new, *heard(new))
    return len(new)


def same(one: Moments, other: Moments) -> bool:
    return (
        one.n == other.n
        and np.allclose(one.mean, other.mean, rtol=1e-9, atol=1e-9)
        and np.allclose(one.scatter, other.scatter, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(other.scatter).max()))
    )


Libraries = st.lists(st.dictionaries(st.integers(0, 60), st.integers(0, 1), max_size=40), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(states=Libraries, by_file=st.booleans())
def test_a_library_that_grows_shrinks_and_changes_is_told_as_if_heard_at_once(
    template: SampleRecord, tmp_path_factory: pytest.TempPathFactory, states: list[dict[int, int]], by_file: bool
) -> None:
    """Each state maps sound to version of its file; nothing of an earlier state may show in the last one's figures."""
    path = tmp_path_factory.mktemp("tally") / "scores.safetensors"
    tally = Tally()
    for state in states:
        samples = [sound(template, number, version) for number, version in state.items()]
        bring_up_to_date(tally, samples)
        if by_file:
            tally.save(path)
            tally = Tally.load(path)
    at_once = Tally()
    at_once.add(samples, *heard(samples))
    assert tally.heard == at_once.heard
    assert set(tally.heard) == {identity(one) for one in samples}
    for kind in ("features", "kl"):
        for groups in [*[[group] for group in GROUPS], GROUPS[:2]]:
            kept, wanted = tally.blocks(kind, groups), at_once.blocks(kind, groups)
            assert len(kept) == len(wanted)
            assert all(same(one, other) for one, other in zip(kept, wanted, strict=True))
    bass = [one for one in samples if one.family == "bass"]
    if bass:
        assert same(Moments.merge(tally.blocks("features", GROUPS[:1])), Moments.of(heard(bass)[0]))


def test_growth_costs_what_is_new_and_a_removed_sound_its_block(template: SampleRecord) -> None:
    samples = [sound(template, number) for number in range(320)]
    tally = Tally()
    assert bring_up_to_date(tally, samples[:300]) == 300
    assert bring_up_to_date(tally, samples) == 20
    assert bring_up_to_date(tally, samples) == 0
    assert bring_up_to_date(tally, samples[1:]) <= 320 / 16 * 2


def test_a_sound_counts_once(template: SampleRecord) -> None:
    samples = [sound(template, number) for number in range(6)]
    tally = Tally()
    for _ in range(2):
        tally.add(samples, *heard(samples))
    assert sum(block.n for block in tally.blocks("kl", GROUPS[:2])) == 6


@pytest.mark.parametrize("content", [b"", b"no tally", b"\x02\0\0\0\0\0\0\0{}", save({}, {"nightcrate": "[]"})])
def test_a_file_that_is_no_tally_is_made_again(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "scores.safetensors").write_bytes(content)
    assert Tally.load(tmp_path / "scores.safetensors").heard == {}
    assert Tally.load(tmp_path / "none.safetensors").heard == {}


# -------------------- through the league


class CountingJudge(LevelJudge):
    """Remembers how many clips it heard, and how many at most at a time."""

    def __init__(self) -> None:
        self.clips = 0

    def posteriors(self, clips: Sequence[Clip]):  # type: ignore[no-untyped-def]
        self.clips += len(clips)
        return super().posteriors(clips)


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    return build_reference(
        LevelJudge(), {cell: [note(cell, rng) for _ in range(20)] for cell in CELLS}, "toy notes", LENGTH_S
    )


def fill(library: Library, seeds: range) -> None:
    plan = {}
    for seed in seeds:
        source, family = CELLS[seed % 3]
        job = toy_job(seed, family=family, source=source, prompt=f"{source} {family}", qualities=("dark",)[: seed % 2])
        plan[job.key] = (job, note((source, family), np.random.default_rng(seed)))

    make(library, [job for job, _ in plan.values()], lambda key: replace(accepted(key), clip=plan[key][1], raw=None))


@pytest.fixture
def stocked(library: Library) -> Iterator[Library]:
    fill(library, range(40))
    yield library


def measured(library: Library, reference: Reference) -> tuple[dict[tuple[str, str], object], int]:
    """What the league says, and how many clips it heard for that."""
    judge = CountingJudge()
    records = league(library, judge, reference, FEW)
    return {(one.subject, one.name): one for one in records}, judge.clips


def anew(library: Library, reference: Reference) -> dict[tuple[str, str], object]:
    tally_path(library.path, "toy", reference).unlink()
    return measured(library, reference)[0]


def agree(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for key, record in one.items():
        twin = other[key]
        assert (record.n, record.reason) == (twin.n, twin.reason)
        assert record.value == pytest.approx(twin.value, rel=1e-9, abs=1e-12)
        assert record.settings == {
            name: pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
            for name, value in twin.settings.items()
        }


def test_a_grown_library_costs_only_its_new_sounds(stocked: Library, reference: Reference) -> None:
    assert measured(stocked, reference)[1] == 40
    assert measured(stocked, reference)[1] == 0
    fill(stocked, range(40, 52))
    grown, heard_clips = measured(stocked, reference)
    assert heard_clips == 12
    assert grown["toy", "KL [levels]"].n == 52  # type: ignore[attr-defined]
    agree(grown, anew(stocked, reference))


@pytest.mark.parametrize("change", ["status = 'rejected'", "sha256 = 'f00d'"])
def test_a_sound_that_is_gated_again_or_changed_leaves_nothing(
    stocked: Library, reference: Reference, change: str
) -> None:
    before = measured(stocked, reference)[0]
    with sqlite3.connect(stocked.path / "catalog.sqlite") as connection:
        connection.execute(f"UPDATE sample SET {change} WHERE id IN (3, 4)")
    connection.close()
    after, heard_clips = measured(stocked, reference)
    assert heard_clips < 20
    if "rejected" in change:
        assert after["toy", "KL [levels]"].n == before["toy", "KL [levels]"].n - 2  # type: ignore[attr-defined]
    agree(after, anew(stocked, reference))


def test_another_reference_or_model_has_statistics_of_its_own(stocked: Library, reference: Reference) -> None:
    other = replace(reference, length_s=LENGTH_S / 2)
    assert other.fingerprint != reference.fingerprint
    measured(stocked, reference)
    assert measured(stocked, other)[1] == 40
    assert measured(stocked, reference)[1] == 0


def test_a_kill_in_the_middle_keeps_what_was_heard(
    stocked: Library, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(LevelJudge):
        turns = 0

        def posteriors(self, clips: Sequence[Clip]):  # type: ignore[no-untyped-def]
            self.turns += 1
            if self.turns > 2:
                raise KeyboardInterrupt
            return super().posteriors(clips)

    monkeypatch.setattr(hearing, "HEAR_AT_ONCE", 10)
    with pytest.raises(KeyboardInterrupt):
        league(stocked, Killed(), reference, FEW)
    resumed, heard_clips = measured(stocked, reference)
    assert heard_clips == 20
    agree(resumed, anew(stocked, reference))


def test_a_read_only_library_is_heard_and_not_written(stocked: Library, reference: Reference) -> None:
    with Library.open(stocked.path, read_only=True) as opened:
        assert measured(opened, reference)[1] == 40
        assert measured(opened, reference)[1] == 40
    assert not tally_path(stocked.path, "toy", reference).exists()


def test_statistics_of_models_that_are_gone_go_too(stocked: Library, reference: Reference) -> None:
    gone, old = (stocked.path / "index" / f"scores-{name}.safetensors" for name in ("of-a-model", "of-an-old-format"))
    gone.parent.mkdir(exist_ok=True)
    old.write_bytes(b"format 0")
    Tally().save(gone, "a model without sounds")
    other = replace(reference, length_s=LENGTH_S / 2)
    measured(stocked, other)
    assert not gone.exists() and not old.exists()
    measured(stocked, reference)
    assert tally_path(stocked.path, "toy", other).exists()


class Framed:
    """Hears a clip in halves, each half a row; no classifier."""

    name, id, distance, protocol = "Framed", "framed@1", "FAD", "two rows a clip"

    def __init__(self) -> None:
        self.clips = 0

    def embed(self, clips: Sequence[Clip]) -> Heard:
        self.clips += len(clips)
        rows = [half.reshape(-1)[2:5] for clip in clips for half in np.split(clip.samples[0], 2)]
        return Heard(np.array(rows, np.float32), np.full(len(clips), 2))


@pytest.fixture(scope="module")
def framed_reference() -> Reference:
    rng = np.random.default_rng(0)
    notes = {cell: [noisy(rng) for _ in range(20)] for cell in CELLS}
    return build_reference(Framed(), notes, "toy notes", LENGTH_S)  # type: ignore[arg-type]


def noisy(rng: np.random.Generator) -> Clip:
    return Clip(rng.uniform(-0.5, 0.5, (1, 400)).astype(np.float32), 8_000)


def test_rows_of_all_sounds_are_pooled_and_only_new_sounds_are_heard(
    library: Library, framed_reference: Reference
) -> None:
    rng = np.random.default_rng(1)
    jobs = [toy_job(seed, family=family, source=source) for source, family in CELLS[:2] for seed in range(8)]
    make(library, jobs, lambda key: replace(accepted(key), clip=noisy(rng), raw=None))
    extractor = Framed()
    few = LeagueSettings(min_sounds_fad=6, min_sounds_kl=3)
    for heard_clips in (16, 16):
        records = league(library, extractor, framed_reference, few)  # type: ignore[arg-type]
        assert extractor.clips == heard_clips
    assert {one.name for one in records} == {"FAD [Framed]"}
    whole = records[0]
    rows = np.concatenate([extractor.embed([read_clip(library.audio_path(one))]).features for one in library.samples()])
    real = framed_reference.pooled_features(CELLS[:2])
    assert len(rows) == 32 and len(real) == 80
    assert whole.value == pytest.approx(frechet_distance(rows, real), rel=1e-6)
    assert (whole.n, whole.embedder, whole.settings["rows"], whole.settings["reference_n"]) == (16, "framed@1", 32, 40)
    assert whole.settings["protocol"] == "two rows a clip" and whole.settings["reference_rows"] == 80


def test_sounds_with_other_rows_than_the_notes_are_not_mixed(library: Library, framed_reference: Reference) -> None:
    """One row of one sound and three of the next would make two sounds of two rows each."""

    class Uneven(Framed):
        def embed(self, clips: Sequence[Clip]) -> Heard:
            heard = super().embed(clips)
            return Heard(heard.features, np.resize([1, 3], len(clips)))

    make(library, [toy_job(seed) for seed in range(8)])
    with pytest.raises(ScoreError, match=r"gave \[1, 3\] rows a sound, 2 are needed") as caught:
        league(library, Uneven(), framed_reference, FEW)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_high_dimensions_need_more_sounds(library: Library, framed_reference: Reference) -> None:
    make(library, [toy_job(seed) for seed in range(8)])
    (record, *_) = league(library, Framed(), framed_reference, LeagueSettings(2, 3, 10.0))  # type: ignore[arg-type]
    assert record.reason == "8 sounds, at least 15 are needed"  # 3 dimensions, 10 rows for each, 2 rows a sound


def test_vectors_that_are_kept_are_not_heard_again(
    stocked: Library, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    judge = CountingJudge()
    without = replace(reference, posteriors={}, own_kl={})
    ids = [sample.id for sample in stocked.samples()]
    vectors = np.random.default_rng(0).standard_normal((len(ids), 4)).astype(np.float32)
    stocked.add_embeddings(judge.id, ids[:-1], vectors[:-1])
    (whole, *_) = league(stocked, judge, without, FEW, from_vectors=True)
    assert judge.clips == 0
    assert (whole.n, whole.scope) == (39, "model")
    assert whole.value == pytest.approx(frechet_distance(vectors[:-1], reference.pooled_features(CELLS)), rel=1e-6)
    assert "1 sounds without a vector of levels@1" in caplog.text


def test_qualities_have_figures_of_their_own(stocked: Library, reference: Reference) -> None:
    dark = measured(stocked, reference)[0]["toy/dark", "KL [levels]"]
    assert (dark.n, dark.scope, dark.settings["quality"]) == (20, "model_family", "dark")  # type: ignore[attr-defined]


def test_infinity_is_given_on_request_and_needs_sounds(stocked: Library, reference: Reference) -> None:
    records = league(stocked, LevelJudge(), reference, LeagueSettings(6, 3, infinity=True))
    (whole,) = [one for one in records if one.name == "FAD-inf [levels]" and one.scope == "model"]
    (plain,) = [one for one in records if one.name == "FAD [levels]" and one.scope == "model"]
    assert whole.value is not None and plain.value is not None
    assert whole.value < plain.value
    assert whole.settings["low"] <= whole.value <= whole.settings["high"]
    (flute,) = [one for one in records if one.name == "FAD-inf [levels]" and one.subject == "toy/flute"]
    assert flute.value is not None or "needed" in str(flute.reason)


def test_the_oddest_sounds_are_listed_the_worst_first(stocked: Library, reference: Reference) -> None:
    job = toy_job(99, source="acoustic")
    strange = note(CELLS[0], np.random.default_rng(9), offset=0.9)
    make(stocked, [job], lambda key: replace(accepted(key), clip=strange, raw=None))
    assert odd_sounds(stocked, reference, 5) == []
    measured(stocked, reference)
    worst = odd_sounds(stocked, reference, 5)
    assert len(worst) == 5
    assert worst[0].sample.job_key == job.key
    assert worst[0].fad == pytest.approx(3 * 0.9**2, rel=0.2)
    assert [odd.fad / odd.real for odd in worst] == sorted([odd.fad / odd.real for odd in worst], reverse=True)

"""What the judge takes sounds for: kept with a league, heard once, and never of a sound that is another one now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import SampleFilter, ScoreRecord
from catalog.rejudging import NewVerdict
from catalog.scores.heard_as import HeardAs, heard_as
from catalog.scores.league import heard_families, league
from catalog.scores.reference import Reference, build_reference
from catalog.scores.tally import tally_path
from generation.audio import Clip
from generation.prompts.vocabulary import FAMILIES
from tests.catalog.test_league import CELLS, FEW, LENGTH_S, LevelJudge, note
from tests.catalog.toy_library import REASON, accepted, make, toy_job

ASKED = ("bass", "bass", "flute", "bass", "vocal")
SOUNDS_LIKE = ("bass", "flute", "flute", "guitar", "vocal")


class MixedJudge(LevelJudge):
    """Hears the family in a clip's first sample with 0.6, the one before it with 0.25, the two after with the rest."""

    id = "levels@2"

    def __init__(self) -> None:
        self.clips = 0

    def posteriors(self, clips: Sequence[Clip]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        self.clips += len(clips)
        heads, embedding = super().posteriors(clips)
        mixed = np.zeros_like(heads["family"])
        for row, likeliest in zip(mixed, heads["family"].argmax(axis=1), strict=True):
            for step, share in ((0, 0.6), (-1, 0.25), (1, 0.09), (2, 0.06)):
                row[(likeliest + step) % len(row)] = share
        return heads | {"family": mixed}, embedding


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    notes = {cell: [note(cell, rng) for _ in range(20)] for cell in CELLS}
    return build_reference(MixedJudge(), notes, "toy notes", LENGTH_S)


@pytest.fixture
def stocked(library: Library) -> Iterator[Library]:
    """Sounds 1 to 5: a bass, a bass like a flute, a flute, a bass like a guitar, a vocal without real notes."""
    jobs = [toy_job(seed, family=family, prompt=f"acoustic {family}") for seed, family in enumerate(ASKED)]
    rng = np.random.default_rng(1)
    clips = {job.key: note(("acoustic", like), rng) for job, like in zip(jobs, SOUNDS_LIKE, strict=True)}
    make(library, jobs, lambda key: replace(accepted(key), clip=clips[key], raw=None))
    yield library


def listen(library: Library, reference: Reference, judge: LevelJudge | None = None) -> int:
    """A league as a night runs it; how many sounds were heard for it."""
    judge = judge or MixedJudge()
    scores = league(library, judge, reference, FEW) + heard_families(library, judge, reference)
    library.replace_model_scores(scores, judge.id)
    return getattr(judge, "clips", -1)


def told(library: Library) -> dict[int, HeardAs]:
    return heard_as(library.scores(), library.samples(SampleFilter(statuses=())))


def test_each_sound_has_its_likeliest_families_and_the_place_of_its_own(stocked: Library, reference: Reference) -> None:
    listen(stocked, reference)
    heard = told(stocked)
    assert list(heard[1].likeliest.items()) == [("bass", 0.6), (FAMILIES[FAMILIES.index("bass") - 1], 0.25)]
    assert heard[1].probability == pytest.approx(0.6) and heard[1].rank == 1 and not heard[1].doubtful
    assert list(heard[2].likeliest.items()) == [("flute", 0.6), ("brass", 0.25)], "third is below 0.1"
    assert heard[2].probability == 0.0 and heard[2].doubtful
    assert heard[2].sentence == "the judge hears flute 60 %, brass 25 %; bass, as asked, 0 %"
    assert heard[3].sentence == "the judge hears flute 60 % (as asked), brass 25 %"
    assert heard[5].reason == "toy notes has no real note of acoustic vocal, so the judge did not hear it"
    assert (heard[5].probability, heard[5].rank, heard[5].doubtful) == (None, None, False)
    assert heard[5].sentence.startswith("not heard by the judge: toy notes has no")
    (record,) = stocked.scores(scope="sample", subject="3")
    assert (record.name, record.embedder, record.n) == ("family [levels]", "levels@2", 1)
    assert record.settings == {"heard": {"flute": 0.6, "brass": 0.25}, "rank": 1}


def test_a_family_in_the_third_place_is_not_doubtful_though_it_is_not_told(
    library: Library, reference: Reference
) -> None:
    asked = FAMILIES[FAMILIES.index("bass") - 1]
    job = toy_job(family="bass")
    make(library, [job], lambda key: replace(accepted(key), clip=note(("acoustic", asked), np.random.default_rng(2))))
    listen(library, reference)
    (heard,) = told(library).values()
    assert (heard.rank, heard.doubtful) == (3, False) and "bass" not in heard.likeliest
    assert heard.sentence.endswith("; bass, as asked, 9 %")


def test_a_sound_is_heard_once_and_a_tally_without_families_once_more(stocked: Library, reference: Reference) -> None:
    assert listen(stocked, reference) == 4
    first = told(stocked)
    assert listen(stocked, reference) == 0
    assert told(stocked) == first
    # As a league of before left it: another format, no families.
    path = tally_path(stocked.path, "toy", reference)
    older = {name: table for name, table in load_file(path).items() if not name.endswith("/families")}
    save_file(older, path, {"nightcrate": json.dumps({"format": 2, "model": "toy", "counts": {}, "heard": []})})
    assert listen(stocked, reference) == 4
    assert told(stocked) == first


def test_a_damaged_sound_has_a_reason_and_no_figure(stocked: Library, reference: Reference) -> None:
    stocked.audio_path(stocked.sample(1)).write_bytes(b"fLaC, no more")
    listen(stocked, reference)
    heard = told(stocked)
    assert heard[1].probability is None and "`nightcrate verify`" in str(heard[1].reason)
    assert heard[2].probability is not None


def test_a_sound_that_is_judged_again_or_gone_leaves_no_record(stocked: Library, reference: Reference) -> None:
    listen(stocked, reference)
    stocked.rejudge([NewVerdict(2, (REASON,))])
    assert sorted(told(stocked)) == [1, 3, 4, 5], "at once, not only with the next league"
    listen(stocked, reference)
    assert sorted(told(stocked)) == [1, 3, 4, 5]
    stocked.rejudge([NewVerdict(2, ())])
    assert 2 not in told(stocked), "never heard since"
    listen(stocked, reference)
    assert told(stocked)[2].doubtful
    stocked.rejudge([NewVerdict(sound.id, (REASON,)) for sound in stocked.samples()])
    listen(stocked, reference)
    assert stocked.scores(scope="sample") == []


def test_the_last_judge_has_the_word_and_scores_of_others_stay(stocked: Library, reference: Reference) -> None:
    mine = ScoreRecord("sample", "1", "mine", 0.5, None, embedder="another")
    stocked.add_scores([mine])
    listen(stocked, reference)
    notes = {cell: [note(cell, np.random.default_rng(0))] * 20 for cell in CELLS}
    newer = build_reference(LevelJudge(), notes, "toy notes", LENGTH_S)
    listen(stocked, newer, LevelJudge())
    assert {heard.judge for heard in told(stocked).values()} == {LevelJudge.id}
    assert len(stocked.scores(scope="sample", name="family [levels]")) == len(ASKED)
    assert stocked.scores(scope="sample", name="mine") == [mine]
    assert {score.embedder for score in stocked.scores(scope="model")} == {"levels@1", "levels@2"}


def test_a_judge_of_another_name_has_the_only_word_as_well(stocked: Library, reference: Reference) -> None:
    def word(judge: str, sound: int, rank: int) -> ScoreRecord:
        settings = {"heard": {"guitar": 0.9}, "rank": rank}
        return ScoreRecord("sample", str(sound), f"family [{judge}]", 0.1, None, f"{judge}@1", n=1, settings=settings)

    listen(stocked, reference)
    mine = [replace(word("mine", 1, 9), name=name) for name in ("family", "familyx [mine]")]
    stocked.add_scores(mine)
    stocked.replace_model_scores([word("newer", 1, 9), word("newer", 2, 1)], "newer@1")
    heard = told(stocked)
    assert {id: one.judge for id, one in heard.items()} == {1: "newer@1", 2: "newer@1"}
    doubtful = [id for id, one in heard.items() if one.doubtful]
    assert stocked.sample_ids(SampleFilter(heard_as_asked=True)) == sorted({1, 2, 3, 4, 5}.difference(doubtful))
    assert doubtful == [1]
    assert stocked.scores(subject="1")[:2] == mine, "only what bears a judge's name is a judge's word"
    assert stocked.scores("sample", subject=["2", "7"]) == [word("newer", 2, 1)]
    with pytest.raises(LibraryError, match="is of newer@1, not of levels@2"):
        stocked.replace_model_scores([word("newer", 1, 1)], "levels@2")


def test_only_doubtful_sounds_are_left_out(stocked: Library, reference: Reference) -> None:
    wanted = SampleFilter(heard_as_asked=True)
    assert len(stocked.samples(wanted)) == len(ASKED), "none was heard yet"
    listen(stocked, reference)
    doubtful = [id for id, heard in told(stocked).items() if heard.doubtful]
    assert doubtful == [2, 4]
    assert stocked.sample_ids(wanted) == [1, 3, 5]
    assert stocked.count(replace(wanted, families=("bass",))) == 1


def test_a_library_that_is_only_read_tells_nothing_new(stocked: Library, reference: Reference, tmp_path: Path) -> None:
    with Library.open(stocked.path, read_only=True) as reading:
        league(reading, MixedJudge(), reference, FEW)
        assert not tally_path(stocked.path, "toy", reference).exists()
        assert told(reading) == {}

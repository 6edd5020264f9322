"""The gate again over a library: verdicts change, sounds are finished from kept raw clips, none is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.embedders import load_embedder
from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import SampleFilter
from flows.judging import Judging, read_judging
from flows.making import judged
from flows.regate import NO_RAW_CLIP, regate
from flows.stages import make_usable
from generation.audio import Clip, read_clip
from generation.descriptors import sound_facts
from generation.finish import finish
from generation.strict_yaml import dump_yaml
from tests.catalog.toy_library import make, rejected, toy_job
from tests.flows.command_line import run
from tests.generation.tones import clip, plucked

JUDGING = read_judging("default")
LATE_S = (0.0, 0.05, 0.15, 0.4)
"""Dead time before each of the four sounds; the default gate rejects the last."""


def judging(**changes: Any) -> Judging:
    return JUDGING.model_copy(update={"gate": JUDGING.gate.model_copy(update=changes)})


def raw(late_s: float) -> Clip:
    return clip(np.concatenate([np.zeros(round(16_000 * late_s)), plucked()]))


@pytest.fixture
def stocked(library: Library) -> Iterator[Library]:
    jobs = [toy_job(seed) for seed in range(len(LATE_S))]
    clips = {job.key: raw(late_s) for job, late_s in zip(jobs, LATE_S, strict=True)}
    make(library, jobs, lambda key: judged(next(job for job in jobs if job.key == key), clips[key], JUDGING, "cpu"))
    assert [sound.accepted for sound in library.gated_sounds()] == [True, True, True, False]
    yield library


def statuses(library: Library) -> list[str]:
    return [sound.status for sound in library.samples(SampleFilter(statuses=("accepted", "rejected")))]


def test_a_stricter_gate_rejects_and_the_old_one_takes_back_with_the_same_master(stocked):
    before = stocked.samples()
    changed = regate(stocked, judging(max_onset_s=0.1))
    assert (changed.accepted, changed.rejected, changed.stay_rejected) == ((), (before[2].id,), {})
    now = stocked.sample(before[2].id)
    assert (now.status, now.file) == ("rejected", before[2].file)
    assert now.reasons[0]["code"] == "late_start" and "at most 100 ms" in now.reasons[0]["sentence"]
    stocked.sweep(reject_days=0)
    assert stocked.audio_path(now).is_file(), "a master is kept, whatever the gate says"
    assert regate(stocked, JUDGING).accepted == (now.id,)
    assert stocked.samples() == before
    assert stocked.verify() == []


def test_a_looser_gate_finishes_a_sound_from_its_raw_clip(stocked):
    last = stocked.samples(SampleFilter(statuses=("rejected",)))[0]
    kept_raw = stocked.audio_path(last)
    changed = regate(stocked, judging(max_onset_s=0.45))
    assert changed.accepted == (last.id,)
    now = stocked.sample(last.id)
    wanted = finish(raw(LATE_S[-1]), JUDGING.finish)
    made = read_clip(stocked.audio_path(now))
    assert np.allclose(made.samples, wanted.samples, atol=2**-22)
    assert (now.status, now.reasons, now.duration_s) == ("accepted", (), wanted.duration_s)
    assert now.midi_note == sound_facts(wanted).midi_note
    assert not kept_raw.exists()
    assert stocked.verify() == []
    assert [id for id, _ in stocked.fulltext(["bass"])].count(last.id) == 1


def test_a_sound_whose_raw_clip_is_gone_stays_rejected_and_says_why(stocked):
    last = stocked.samples(SampleFilter(statuses=("rejected",)))[0]
    stocked.sweep(reject_days=0)
    changed = regate(stocked, judging(max_onset_s=0.45))
    assert (changed.accepted, changed.stay_rejected) == ((), {last.id: NO_RAW_CLIP})
    assert statuses(stocked)[-1] == "rejected"


def test_the_same_gate_changes_nothing(stocked):
    before = stocked.samples()
    assert asdict(regate(stocked, JUDGING)) == {"accepted": (), "rejected": (), "stay_rejected": {}}
    assert stocked.samples() == before


def test_facts_of_another_version_are_told_in_one_line(library):
    make(library, [toy_job(9)], rejected)
    with pytest.raises(LibraryError, match="sound 1 was measured by another version of nightcrate"):
        library.gated_sounds()


# -------------------- as commands


@pytest.fixture
def reviewed(library: Library) -> Path:
    """Twenty-four sounds; people keep those that start within 100 ms and drop the later ones."""
    jobs = [toy_job(seed) for seed in range(24)]
    late_s = {job.key: 0.01 * number for number, job in enumerate(jobs)}
    by_key = {job.key: job for job in jobs}
    make(library, jobs, lambda key: judged(by_key[key], raw(late_s[key]), JUDGING, "cpu"))
    for sample in library.samples():
        library.review(sample.id, "keep" if late_s[sample.job_key] <= 0.1 else "drop", None, "ana")
    library.close()
    return library.path


def test_fit_proposes_and_changes_nothing_until_it_may(capsys, reviewed, tmp_path):
    code, out, _ = run(capsys, "gate", "fit", "--library", reviewed)
    assert code == 0
    assert out.startswith("max_onset_s: 0.25 -> 0.1")
    assert "46 % now" in out and "nothing was changed" in out
    assert "would reject 13 of 24 accepted (54 %): #" in out
    assert not (reviewed / "gate.yaml").exists()

    code, out, _ = run(capsys, "gate", "fit", "--apply", "--library", reviewed, "--json")
    told = json.loads(out)
    assert (told["accepted"], len(told["newly_rejected"])) == (24, 13)
    assert told["newly_rejected_share"] == pytest.approx(13 / 24)
    assert told["p"] < 0.05
    assert told["file"] == str(reviewed / "gate.yaml")
    fitted = read_judging(told["file"])
    assert fitted.gate.max_onset_s == pytest.approx(0.1, abs=0.001)
    assert fitted.finish == JUDGING.finish and fitted.canary == JUDGING.canary

    code, out, _ = run(capsys, "gate", "apply", "--gate", told["file"], "--library", reviewed, "--json")
    assert len(json.loads(out)["rejected"]) == 13
    with Library.open(reviewed, read_only=True) as library:
        assert library.count() == 11


def test_fit_that_proposes_nothing_says_why_in_one_line(capsys, reviewed):
    with Library.open(reviewed) as library:
        for number, sample in enumerate(library.samples()):
            library.review(sample.id, "drop" if number % 2 else "keep", None, "ana")
    code, out, _ = run(capsys, "gate", "fit", "--library", reviewed)
    assert code == 0
    assert out.startswith("no proposal: 24 reviews (12 keeps, 12 drops) do not disagree with the gate surely enough")
    assert out.count("\n") == 1
    code, out, err = run(capsys, "gate", "fit", "--apply", "--library", reviewed)
    assert (code, out) == (1, "")
    assert "nothing was written: no proposal: 24 reviews" in err and err.count("\n") == 1
    assert not (reviewed / "gate.yaml").exists()


def test_sounds_that_stay_get_the_place_that_is_theirs_among_those_that_stay(capsys, stocked, tmp_path):
    make_usable(stocked, load_embedder("starter"), [])
    before = {sample.id: sample.score for sample in stocked.samples()}
    assert sorted(before.values()) == pytest.approx([100 / 3, 200 / 3, 100])
    stocked.close()
    gate = tmp_path / "strict.yaml"
    gate.write_text(dump_yaml(judging(max_onset_s=0.1).model_dump(mode="json")))
    code, out, err = run(capsys, "gate", "apply", "--gate", gate, "--library", stocked.path, "--json")
    assert code == 0, err
    assert (json.loads(out)["accepted"], len(json.loads(out)["rejected"])) == ([], 1)
    with Library.open(stocked.path, read_only=True) as library:
        assert sorted(sample.score for sample in library.samples()) == pytest.approx([50, 100])


def test_a_league_that_is_of_other_sounds_now_is_named(capsys, stocked, tmp_path):
    make_usable(stocked, load_embedder("starter"), [])
    stocked.close()
    gate = tmp_path / "strict.yaml"
    gate.write_text(dump_yaml(judging(max_onset_s=0.1).model_dump(mode="json")))
    apply = ("gate", "apply", "--library", stocked.path)
    assert json.loads(run(capsys, *apply, "--json")[1])["stale_scores"] == [], "there is no league yet"
    assert run(capsys, "league", "--refresh", "--library", stocked.path)[0] == 0
    told = "are of other sounds than are accepted now: toy (3 then, 2 now); measure again: nightcrate league --refresh"
    code, out, err = run(capsys, *apply, "--gate", gate)
    assert code == 0, err
    assert told in out.splitlines()[-1]
    (stale,) = json.loads(run(capsys, *apply, "--gate", gate, "--json")[1])["stale_scores"]
    assert (stale["model"], stale["measured"], stale["accepted"]) == ("toy", 3, 2)
    assert "other sounds" not in run(capsys, *apply)[1], "all are accepted again"


def test_fit_without_reviews_says_what_it_needs_in_one_line(capsys, stocked):
    stocked.close()
    code, out, err = run(capsys, "gate", "fit", "--library", stocked.path)
    assert (code, out) == (1, "")
    assert err.startswith("nightcrate: 0 sounds were kept and 0 dropped; 20 reviews") and err.count("\n") == 1

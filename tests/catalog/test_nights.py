"""Nights, plans and batches: fixed when planned, resumed whole, nothing wanted twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import StoppedCell
from tests.catalog.toy_library import (
    CONFIG,
    SETTINGS,
    accepted,
    failed,
    make,
    rejected,
    start,
    toy_job,
    toy_model,
)

OTHER = CONFIG | {"gate": "looser"}


def finish(library, night, outcome=accepted, most=None):
    """Make the pending batches of a night (or the first few of them)."""
    for batch in library.pending_batches(night)[:most]:
        assert library.claim(batch.id)
        library.finish_batch(batch.id, [outcome(key) for key in batch.job_keys])


def jobs(count, family="bass", first=0, **changes):
    return [toy_job(seed, family, **changes) for seed in range(first, first + count)]


def keys(wanted):
    return tuple(job.key for job in wanted)


# -------------------- nights


def test_the_same_config_resumes_its_unfinished_night(library):
    first = library.start_night("toy", CONFIG)
    assert library.start_night("toy", dict(reversed(CONFIG.items()))) == first
    library.end_night(first, "deadline")
    assert library.night(first).ended_at is not None
    assert library.start_night("toy", CONFIG) == first
    resumed = library.night(first)
    assert (resumed.status, resumed.ended_at, resumed.config) == ("running", None, CONFIG)
    other = library.start_night("toy", OTHER)
    assert other != first
    library.end_night(first, "finished")
    third = library.start_night("toy", CONFIG)
    assert third not in (first, other)
    assert [night.id for night in library.nights()] == [first, other, third]


def test_a_night_ends_in_two_ways_only(library):
    night = library.start_night("toy", CONFIG)
    with pytest.raises(LibraryError, match="not as 'tired'"):
        library.end_night(night, "tired")
    with pytest.raises(LibraryError, match="there is no night 99"):
        library.end_night(99, "finished")


def test_seconds_of_a_stage_add_up(library):
    night = library.start_night("toy", CONFIG)
    for seconds in (1.5, 2.0):
        library.add_stage_time(night, "generate", seconds)
    library.add_stage_time(night, "judge", 0.25)
    assert library.summary(night).stage_seconds == {"generate": 3.5, "judge": 0.25}


# -------------------- plan


def test_jobs_come_back_as_they_were_planned(library):
    wanted = [
        toy_job(1),
        toy_job(
            2**63 - 1,
            source=None,
            qualities=("dark", "fast_decay"),
            note=33,
            prompt='bajo cálido "A1"',
            round=2,
        ),
    ]
    night = start(library, [wanted])
    (batch,) = library.pending_batches(night)
    assert library.jobs(batch.id) == wanted
    assert (batch.model, batch.job_keys, batch.status, batch.attempts) == ("toy", keys(wanted), "pending", 0)


def test_planning_again_changes_nothing(library):
    batches = [jobs(2), jobs(2, first=2)]
    night = start(library, batches)
    before = library.pending_batches(night)
    assert library.plan(night, [jobs(3), jobs(1, first=3)]) == 0
    assert library.pending_batches(night) == before
    assert [batch.job_keys for batch in before] == [keys(batch) for batch in batches]


def test_an_equal_key_planned_twice_is_one_job(library):
    night = start(library, [[toy_job(1), toy_job(1), toy_job(2)], [toy_job(2), toy_job(3)]])
    assert [batch.job_keys for batch in library.pending_batches(night)] == [
        keys([toy_job(1), toy_job(2)]),
        keys([toy_job(3)]),
    ]
    assert library.summary(night).planned == 3


def test_a_finished_job_is_not_planned_again_and_counts_as_found(library):
    make(library, jobs(2))
    night = start(library, [jobs(4)])
    (batch,) = library.pending_batches(night)
    assert batch.job_keys == keys(jobs(2, first=2))
    told = library.summary(night)
    assert (told.planned, told.found, told.made, told.accepted, told.pending) == (4, 2, 0, 2, 2)
    finish(library, night)
    told = library.summary(night)
    assert (told.found, told.made, told.accepted, told.pending) == (2, 2, 4, 0)


def test_a_job_that_an_unfinished_night_planned_stays_in_its_batch(library):
    """The second night makes the first night's whole batch: its members sound as they always would."""
    first = start(library, [jobs(3)])
    second = start(library, [jobs(1), jobs(1, first=10)], OTHER)
    batches = library.pending_batches(second)
    assert [batch.job_keys for batch in batches] == [keys(jobs(3)), keys(jobs(1, first=10))]
    assert [batch.night_id for batch in batches] == [first, second]
    finish(library, second)
    assert library.pending_batches(first) == []
    assert (library.summary(first).accepted, library.summary(second).accepted) == (3, 2)


def test_what_cannot_be_planned_is_refused_and_nothing_of_it_kept(library):
    library.add_models([toy_model(), toy_model("other")])
    night = library.start_night("toy", CONFIG)
    stranger = toy_job(1, settings=SETTINGS | {"fingerprint": "unknown"})
    for batch, sentence in (
        ([stranger], "fingerprint unknown.* not known to this library"),
        ([toy_job(2), toy_job(3, model="other")], "made by one model, this one asks for other, toy"),
        ([toy_job(2**63)], "seed 9223372036854775808 does not fit"),
    ):
        with pytest.raises(LibraryError, match=sentence):
            library.plan(night, [jobs(2), batch])
        assert library.pending_batches(night) == [] and library.summary(night).planned == 0
    with pytest.raises(LibraryError, match="there is no night 99"):
        library.plan(99, [jobs(1)])


def test_more_jobs_than_one_statement_holds(library):
    wanted = jobs(12_000)
    night = start(library, [wanted[start : start + 500] for start in range(0, 12_000, 500)])
    assert library.plan(night, [wanted]) == 0
    assert sum(len(batch.job_keys) for batch in library.pending_batches(night)) == 12_000
    assert len(library.job_statuses([job.key for job in wanted])) == 12_000


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=5), st.data())
def test_every_wanted_job_lies_in_exactly_one_batch(tmp_path_factory, seeds, data):
    """Whatever is planned in whatever pieces, by two nights, with work done in between."""
    with Library.open(tmp_path_factory.mktemp("p") / "library", create=True) as library:
        library.add_models([toy_model()])
        nights = [library.start_night("toy", config) for config in (CONFIG, OTHER)]
        wanted = {night: set() for night in nights}
        for piece in seeds:
            night = data.draw(st.sampled_from(nights))
            library.plan(night, [[toy_job(seed) for seed in piece]])
            wanted[night] |= {toy_job(seed).key for seed in piece}
            if data.draw(st.booleans()):
                finish(library, night, most=1)
        made = {sound.job_key for sound in library.samples()}
        for night in nights:
            pending = [key for batch in library.pending_batches(night) for key in batch.job_keys]
            assert len(pending) == len(set(pending)) and not made & set(pending)
            assert wanted[night] <= made | set(pending)
            assert library.summary(night).planned == len(wanted[night])


# -------------------- models


def test_a_model_is_one_fingerprint_and_its_card_can_be_corrected(library):
    library.add_models([toy_model(commercial="undeclared"), toy_model(fingerprint="e" * 16)])
    library.add_models([toy_model(licence_chain=[{"part": "weights", "licence": "CC-BY"}])])
    known = library.models()
    assert [(m.fingerprint[0], m.commercial, m.licence_chain[0]["licence"]) for m in known.values()] == [
        ("f", "yes", "CC-BY"),
        ("e", "yes", "MIT"),
    ]
    make(library, jobs(1))
    assert known[library.sample(1).model_id].fingerprint == "f" * 16


# -------------------- batches


def test_pending_batches_of_one_model(library):
    library.add_models([toy_model("other")])
    night = start(library, [jobs(1), jobs(2, model="other")])
    assert [batch.job_keys for batch in library.pending_batches(night, "other")] == [keys(jobs(2, model="other"))]
    assert library.pending_batches(night, "none") == []


def test_a_claimed_batch_is_pending_again_when_the_night_starts_again(library_path):
    with Library.open(library_path, create=True) as library:
        night = start(library, [jobs(2)])
        assert library.claim(library.pending_batches(night)[0].id)
    with Library.open(library_path) as library:
        (left,) = library.pending_batches(night)
        assert (left.status, left.attempts) == ("claimed", 1)
        library.start_night("toy", CONFIG)
        (left,) = library.pending_batches(night)
        assert (left.status, left.job_keys) == ("pending", keys(jobs(2)))
        assert library.claim(left.id) and library.pending_batches(night)[0].attempts == 2


def test_a_finished_batch_needs_no_claim(library):
    make(library, jobs(1))
    assert not library.claim(1)
    with pytest.raises(LibraryError, match="there is no batch 99"):
        library.claim(99)


def test_only_batches_that_failed_wholly_are_tried_again(library):
    night = start(library, [jobs(2), jobs(2, first=2)])
    first, second = library.pending_batches(night)
    library.finish_batch(first.id, [failed(key) for key in first.job_keys])
    library.finish_batch(second.id, [failed(second.job_keys[0]), accepted(second.job_keys[1])])
    assert library.summary(night).failures == {"the network broke": 3}
    assert library.retry_failed(night) == 1
    assert [batch.id for batch in library.pending_batches(night)] == [first.id]
    finish(library, night)
    assert library.retry_failed(night) == 0
    assert library.verify() == []


# -------------------- what the canary needs


def test_outcomes_come_in_batch_order_however_the_batches_were_finished(library):
    make(library, jobs(1, first=50))
    night = start(library, [jobs(2), jobs(2, "reed"), jobs(1, first=50)])
    first, second = library.pending_batches(night)
    library.finish_batch(second.id, [rejected(key) for key in second.job_keys])
    library.finish_batch(first.id, [accepted(first.job_keys[0]), failed(first.job_keys[1])])
    assert library.outcomes(night) == [("toy", "bass", True), ("toy", "reed", False), ("toy", "reed", False)]


def test_a_stopped_cell_skips_its_own_batches_only(library):
    mixed = [*jobs(1, "reed", first=20), *jobs(1, first=20)]
    night = start(library, [jobs(2, "reed"), mixed, jobs(2)])
    assert library.stop_cell(night, "toy", "reed", "19 of 20 were silent") == 1
    assert library.stop_cell(night, "toy", "reed", "19 of 20 were silent") == 0
    assert [batch.job_keys for batch in library.pending_batches(night)] == [keys(mixed), keys(jobs(2))]
    assert library.stopped_cells(night) == [StoppedCell("toy", "reed", "19 of 20 were silent")]
    told = library.summary(night)
    assert (told.skipped, told.pending, told.stopped) == (2, 4, tuple(library.stopped_cells(night)))
    assert not library.claim(1)
    library.plan(night, [jobs(3, "reed", first=30)])
    assert len(library.pending_batches(night)) == 2, "planned later, but its cell is stopped"


def test_a_second_stopped_cell_also_takes_the_batches_that_hold_both(library):
    night = start(library, [[*jobs(1, "reed"), *jobs(1, "brass")]])
    assert library.stop_cell(night, "toy", "reed", "silent") == 0
    assert library.stop_cell(night, "toy", "brass", "silent") == 1


def test_skipped_batches_wait_for_another_config(library):
    """The same canary would stop them again: a second run of the same night generates nothing new."""
    night = start(library, [jobs(2)])
    library.stop_cell(night, "toy", "bass", "silent")
    library.end_night(night, "finished")
    assert library.pending_batches(start(library, [jobs(2)])) == []
    assert [batch.job_keys for batch in library.pending_batches(start(library, [jobs(2)], OTHER))] == [keys(jobs(2))]


# -------------------- counts


def test_accepted_counts_have_every_planned_cell(library):
    night = start(library, [jobs(2), jobs(1, "reed", source=None), jobs(1, "brass")])
    first, second, _ = library.pending_batches(night)
    library.finish_batch(first.id, [accepted(first.job_keys[0]), rejected(first.job_keys[1])])
    library.finish_batch(second.id, [accepted(key) for key in second.job_keys])
    assert library.accepted_counts(night) == {
        ("toy", "acoustic", "bass"): 1,
        ("toy", None, "reed"): 1,
        ("toy", "acoustic", "brass"): 0,
    }


def test_the_summary_counts_reasons_once_a_sound_most_frequent_first(library):
    clicks = {"code": "clicks", "sentence": "", "measured": 3, "limit": 0}
    silence = {"code": "silence", "sentence": "", "measured": 0, "limit": 0}
    reasons = {
        job.key: found for job, found in zip(jobs(3), ([silence], [clicks, clicks], [clicks, silence]), strict=True)
    }
    night = make(library, jobs(3), lambda key: rejected(key, reasons[key]))
    told = library.summary(night)
    assert list(told.rejection_reasons.items()) == [("clicks", 2), ("silence", 2)]
    assert (told.rejected, told.made, told.night.id) == (3, 3, night)
    json.dumps(told.rejection_reasons)


def test_the_last_round_is_the_highest_planned_in_this_night(library):
    night = library.start_night("toy", CONFIG)
    assert library.night(night).last_round == -1
    start(library, [jobs(1)])
    assert library.night(night).last_round == 0
    library.plan(night, [jobs(1, first=9, round=2)])
    assert library.night(night).last_round == 2
    assert [batch.round for batch in library.pending_batches(night)] == [0, 2]


def test_pace_is_the_mean_over_made_sounds(library):
    assert library.pace("toy") is None
    make(library, jobs(2))
    make(library, jobs(1, first=5), failed)
    assert library.pace("toy") == (0.25, 2)

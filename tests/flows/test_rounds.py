"""Which sounds a night makes next."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rounds import cell_of, in_batches, known_tries, next_jobs
from generation.prompts.plan import Job, ModelSettings, plan_jobs, reroll
from generation.prompts.prompt import read_prompt

TEXTS = (
    "synthetic dark bass, A1",
    "synthetic bright bass, E1",
    "acoustic bass, E1",
    "acoustic vocal, A3",
    "acoustic bright vocal, E4",
)


def model(name: str) -> ModelSettings:
    return ModelSettings(name, "f" * 64, "1", None, None, None, 1.0, "float32")


def jobs(*names: str) -> list[Job]:
    return plan_jobs([read_prompt(text) for text in TEXTS], [model(name) for name in names], [1])


def night(first, judge, target, attempts, stopped=()):
    """Make rounds until nothing is left: the outcomes by key and the sizes of the rounds."""
    ended: dict[str, str] = {}
    sizes = []
    while wanted := next_jobs(first, ended.get, target, attempts, stopped):
        keys = [job.key for job in wanted]
        assert not set(keys) & set(ended), "a job was asked for twice"
        assert len(set(keys)) == len(keys)
        sizes.append(len(keys))
        ended.update({job.key: judge(job) for job in wanted})
    return ended, sizes


def test_the_first_round_makes_every_prompt_once():
    first = jobs("a", "b")
    assert next_jobs(first, {}.get, 2, 4) == first


def test_a_night_without_target_ends_after_the_first_round():
    _, sizes = night(jobs("a"), lambda job: "rejected", None, 4)
    assert sizes == [len(TEXTS)]


def test_cells_with_enough_are_left_alone_and_the_others_reroll_up_to_the_limit():
    first = jobs("a")
    ended, _ = night(first, lambda job: "accepted" if job.prompt.family == "vocal" else "rejected", 1, 3)
    tries = Counter(job.prompt.caption for job in first for n in range(9) if key_of(job, n) in ended)
    assert tries["acoustic vocal, A3"] == 1
    assert tries["acoustic bass, E1"] == 3
    assert tries["synthetic dark bass, A1"] + tries["synthetic bright bass, E1"] == 6


def test_a_target_above_the_number_of_prompts_asks_successful_prompts_again():
    first = jobs("a")
    ended, _ = night(first, lambda job: "accepted", 3, 8)
    accepted = Counter(cell_of(job) for job in first for n in range(9) if key_of(job, n) in ended)
    assert set(accepted.values()) == {3}


def test_what_failed_waits_for_the_next_night():
    first = jobs("a")
    ended, sizes = night(first, lambda job: "failed", 2, 8)
    assert sizes == [len(TEXTS)]
    assert len(ended) == len(TEXTS)


def test_a_stopped_cell_makes_nothing_more_and_others_go_on():
    first = jobs("a", "b")
    wanted = next_jobs(first, {}.get, 2, 4, {("a", "bass")})
    assert {(job.settings.model, job.prompt.family) for job in wanted} == {
        ("a", "vocal"),
        ("b", "bass"),
        ("b", "vocal"),
    }


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 6), st.lists(st.integers(0, 9), max_size=6))
def test_a_night_killed_anywhere_ends_with_the_same_sounds(salt, target, attempts, kills):
    """As the night does it: a planned round is finished first, then the next one is decided from outcomes."""
    first = jobs("a")

    def judge(job: Job) -> str:
        return Random(f"{salt} {job.key}").choice(("accepted", "rejected", "rejected"))

    whole, _ = night(first, judge, target, attempts)
    made: dict[str, str] = {}
    planned = next_jobs(first, made.get, target, attempts)
    for sounds_until_kill in [*kills, 10**6]:
        while planned and sounds_until_kill:
            job = planned.pop(0)
            made[job.key] = judge(job)
            sounds_until_kill -= 1
            planned = planned or next_jobs(first, made.get, target, attempts)
    assert made == whole


@given(st.integers(1, 9))
def test_batches_hold_every_job_once_and_one_family_of_one_model_each(size):
    wanted = jobs("a", "b")
    made = in_batches(wanted, lambda name: size)
    assert sorted(job.key for batch in made for job in batch) == sorted(job.key for job in wanted)
    for batch in made:
        assert len({(job.settings.model, job.prompt.family) for job in batch}) == 1
        assert len(batch) <= size


def test_families_take_turns():
    made = in_batches(jobs("a"), lambda name: 1)
    assert [batch[0].prompt.family for batch in made] == ["bass", "vocal", "bass", "vocal", "bass"]


def test_tries_of_an_earlier_night_are_found_again():
    first = jobs("a")
    ended, _ = night(first, lambda job: "rejected", 1, 3)
    found = known_tries(first, ended.get, 3)
    assert {job.key for job in [*first, *found]} == set(ended)


def key_of(job: Job, attempt: int) -> str:
    return (reroll(job, attempt) if attempt else job).key

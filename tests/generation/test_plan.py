"""Plans are complete, ordered and repeatable; what cannot be made is refused in one line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from generation.errors import ConfigError
from generation.prompts.plan import (
    Job,
    ModelSettings,
    Prompt,
    Selection,
    all_prompts,
    batches,
    plan_jobs,
    reroll,
    select_prompts,
)
from generation.prompts.prompt import read_prompt
from generation.prompts.vocabulary import CELLS, EXCLUSIVE_PAIRS, FAMILIES, QUALITIES, exclusive_pair

CHOPAN = ModelSettings("chopan", "abc123", "1", None, None, None, 1.008, "float32")
TANGO = ModelSettings("tango", "def456", "1", 100, 3.0, "ddpm", 10.24, "bfloat16")


def captions(**selection: object) -> list[str]:
    return [prompt.caption for prompt in select_prompts(Selection(**selection))]  # type: ignore[arg-type]


def test_all_is_exactly_12096_prompts_in_a_fixed_order() -> None:
    prompts = all_prompts()
    assert len(prompts) == 28 * 3**3 * 2**4 == len(set(prompts)) == 12_096
    assert prompts == all_prompts() == select_prompts(Selection(cells="all")) == select_prompts(Selection())
    assert [(p.source, p.family) for p in prompts[:28]] == list(CELLS) and not any(p.qualities for p in prompts[:28])
    assert prompts[28].caption == "acoustic bright bass"
    assert [len(p.qualities) for p in prompts] == sorted(len(p.qualities) for p in prompts)
    assert max(len(p.qualities) for p in prompts) == 7
    assert all(exclusive_pair(p.qualities) is None for p in prompts)
    # Any stretch of 28 goes through every cell: a night cut short has something of everything.
    assert {(p.source, p.family) for p in prompts[28 * 50 : 28 * 51]} == set(CELLS)


def test_a_selection_is_cut_by_cells_qualities_and_count() -> None:
    assert captions(cells=["synthetic keyboard"], max_qualities=0) == ["synthetic keyboard"]
    assert captions(cells=["guitar", "acoustic guitar"], max_qualities=0) == [
        "acoustic guitar", "electronic guitar", "synthetic guitar",
    ]  # fmt: skip
    assert captions(cells=["electronic bass"], qualities=["dark", "bright", "reverb"]) == [
        "electronic bass", "electronic bright bass", "electronic dark bass", "electronic reverb bass",
        "electronic bright reverb bass", "electronic dark reverb bass",
    ]  # fmt: skip
    assert len(captions(cells="all", max_qualities=1)) == 28 * 11
    assert len(captions(cells=["synthetic bass"], qualities=[])) == 1


def test_notes_ask_each_prompt_once_a_note() -> None:
    assert captions(cells=["synthetic synth_lead"], max_qualities=0, notes=["A1", 60]) == [
        "synthetic synth_lead, A1", "synthetic synth_lead, C4",
    ]  # fmt: skip
    assert captions(prompts=["warm rhodes", "bajo cálido C2"], notes=["A1"]) == ["warm rhodes, A1", "bajo cálido C2"]


def test_explicit_prompts_keep_their_wording_and_are_understood() -> None:
    prompts = select_prompts(Selection(prompts=["dark synthetic bass", "synthetic dark bass", "  warm   rhodes "]))
    assert prompts == [
        Prompt("bass", "synthetic", ("dark",), text="dark synthetic bass"),
        Prompt("bass", "synthetic", ("dark",)),
        Prompt("keyboard", "electronic", ("dark",), text="warm rhodes"),
    ]
    assert [p.cell for p in prompts] == ["synthetic bass", "synthetic bass", "electronic keyboard"]
    assert read_prompt("dark choir").cell == "vocal"
    assert captions(prompts=["synthetic bass"], cells=["synthetic bass"], max_qualities=0) == ["synthetic bass"]


def test_a_text_file_holds_one_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "wishes.txt"
    path.write_text(
        "\ufeff# tonight\nwarm rhodes, A#1\n\nbajo cálido # the low one\n#dark bass\nwarm rhodes, A#1\n", "utf-8"
    )
    prompts = select_prompts(Selection(text_file=path))
    assert [p.caption for p in prompts] == ["warm rhodes, A#1", "bajo cálido"]
    assert [p.note for p in prompts] == [34, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kick drum", "names no instrument family of NSynth; write one of bass, brass"),
        ("no bass", "names no instrument family of NSynth; write one of bass, brass"),
        ("anything but bass", "names no instrument family of NSynth"),
        ("oscuro sin guitarra ni bajo", "names no instrument family of NSynth"),
        ("bass and flute", "names several instruments (bass, flute); write one a prompt"),
        ("synthetic brass", "asks for synthetic brass, of which NSynth has no sound, so no model learnt it; "
         "write acoustic brass or electronic brass"),
        ("acoustic synth lead", "write synthetic synth_lead"),
        ("shiny warm bass", "asks for bright and dark, which exclude each other; write one of them"),
        ("bass C9", "asks for C9; write a note from A0 to C8"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_file_number_text_and_remedy(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "wishes.txt"
    path.write_text(f"# first\nwarm rhodes\n{line}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        select_prompts(Selection(text_file=path))
    assert str(caught.value).startswith(f"{path}, line 3: {line!r} ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing yet\n", "utf-8")
    (tmp_path / "latin.txt").write_bytes("bajo cálido\n".encode("latin-1"))
    for name, message in (
        ("empty.txt", "holds no prompt"), ("latin.txt", "is not UTF-8"), ("none.txt", "cannot be read"),
        (".", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            select_prompts(Selection(text_file=tmp_path / name))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            Selection(cells=["synthetic keybord"]),
            "unknown cell 'synthetic keybord'; .*did you mean 'synthetic keyboard'",
        ),
        (Selection(cells=["basss"]), "did you mean 'bass'"),
        (Selection(cells=["synthetic string"]), "NSynth has no sound"),
        (Selection(cells="bass"), r"write all, or a list such as \[bass\]"),  # type: ignore[arg-type]
        (Selection(cells=[]), "no prompt is selected"),
        (Selection(qualities=["brigth"]), "unknown quality 'brigth'; .*did you mean 'bright'"),
        (Selection(max_qualities=-1), "max_qualities -1 is not possible; write 0 to 10"),
        (Selection(notes=["H2"]), "is no note name"),
        (Selection(notes=[20]), "note 20 is outside NSynth's range"),
        (Selection(prompts=["bright dark bass"]), "prompt: 'bright dark bass' asks for bright and dark"),
    ],
)
def test_bad_selections_are_refused_in_one_line(selection: Selection, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        select_prompts(selection)
    assert "\n" not in str(caught.value)


def test_prompts_hold_nsynths_words_in_index_order() -> None:
    assert Prompt("bass", None, ("reverb", "dark", "dark")).qualities == ("dark", "reverb")
    for wrong in (("bas", None, ()), ("bass", "wooden", ()), ("bass", None, ("warm",))):
        with pytest.raises(ConfigError, match="unknown"):
            Prompt(*wrong)
    assert Prompt("bass", None, ("dark",), 33).caption == "dark bass, A1"


def test_jobs_are_models_by_seeds_by_prompts_with_one_noise_for_all_models() -> None:
    prompts = all_prompts()[:5]
    jobs = plan_jobs(prompts, [CHOPAN, TANGO], [1, 2])
    assert [(j.settings.model, j.prompt) for j in jobs] == [
        (model, prompt) for model in ("chopan", "tango") for _ in range(2) for prompt in prompts
    ]
    assert len({j.seed for j in jobs}) == 10 and len({j.key for j in jobs}) == 20
    assert [j.seed for j in jobs[:10]] == [j.seed for j in jobs[10:]]
    assert all(0 <= j.seed < 2**63 and j.round == 0 for j in jobs)
    assert jobs == plan_jobs(iter(prompts), [CHOPAN, TANGO], [1, 2])


@pytest.mark.parametrize(
    ("prompts", "models", "seeds", "message"),
    [
        ([], [CHOPAN], [1], "no prompt"), (all_prompts()[:1], [], [1], "no model"),
        (all_prompts()[:1], [CHOPAN], [], "no seed"),
        (all_prompts()[:1] * 2, [CHOPAN], [1], "the prompt 'acoustic bass' twice"),
        (all_prompts()[:1], [CHOPAN, CHOPAN], [1], "the model 'chopan' twice"),
        (all_prompts()[:1], [CHOPAN], [1, 1], "the seed '1' twice"),
    ],
)  # fmt: skip
def test_nothing_is_planned_twice_or_of_nothing(
    prompts: list[Prompt], models: list[ModelSettings], seeds: list[int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_jobs(prompts, models, seeds)


def test_the_key_holds_everything_but_the_round() -> None:
    job = plan_jobs([Prompt("bass", "synthetic", ("dark",), 33, "dark bass")], [TANGO], [1])[0]
    assert len(job.key) == 32 and set(job.key) <= set("0123456789abcdef")
    assert dataclasses.replace(job, round=3).key == job.key
    changed = [dataclasses.replace(job, seed=job.seed + 1)]
    changed += [
        dataclasses.replace(job, prompt=dataclasses.replace(job.prompt, **{name: value}))
        for name, value in {"family": "organ", "source": None, "qualities": (), "note": 34, "text": None}.items()
    ]
    changed += [
        dataclasses.replace(job, settings=dataclasses.replace(TANGO, **{name: value}))
        for name, value in {
            "model": "x", "fingerprint": "x", "technique_version": "x", "steps": 99, "guidance_scale": None,
            "scheduler": "x", "length_s": 1.0, "dtype": "x",
        }.items()
    ]  # fmt: skip
    assert len(changed) == 1 + len(dataclasses.fields(Prompt)) + len(dataclasses.fields(ModelSettings))
    assert len({job.key, *(other.key for other in changed)}) == len(changed) + 1
    whole = dataclasses.replace(job, settings=dataclasses.replace(TANGO, guidance_scale=3))
    assert whole.key == job.key


def test_keys_and_seeds_are_the_same_in_another_process() -> None:
    code = """
import json
from generation.prompts.plan import ModelSettings, Selection, plan_jobs, reroll, select_prompts
settings = ModelSettings("tango", "def456", "1", 100, 3.0, "ddpm", 10.24, "bfloat16")
jobs = plan_jobs(select_prompts(Selection(max_qualities=1, prompts=["bajo c\\u00e1lido A1"])), [settings], [7])
print(json.dumps([[j.key, j.seed, reroll(j, 2).seed] for j in jobs]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "12345"}
    )
    jobs = plan_jobs(select_prompts(Selection(max_qualities=1, prompts=["bajo cálido A1"])), [TANGO], [7])
    assert json.loads(done.stdout) == [[j.key, j.seed, reroll(j, 2).seed] for j in jobs]


def test_keys_of_an_earlier_version_still_hold() -> None:
    # A key names a sound on disk: changing how it is made orphans every library.
    job = plan_jobs([Prompt("keyboard", "synthetic", ("fast_decay", "distortion"), 33)], [TANGO], [1])[0]
    assert (job.key, job.seed) == ("045113e9aca5c55f17b7c559b3859c58", 5775509855750641658)


def test_rerolls_never_repeat_noise() -> None:
    jobs = plan_jobs(all_prompts()[:40], [CHOPAN], [1, 2, 3])
    again = [reroll(job, attempt) for job in jobs for attempt in range(1, 20)]
    assert len({job.seed for job in jobs + again}) == len(jobs) * 20
    assert reroll(jobs[0], 3) == reroll(jobs[0], 3) and reroll(jobs[0], 3).round == 3
    assert reroll(jobs[0], 1).prompt == jobs[0].prompt and reroll(jobs[0], 1).settings == CHOPAN
    for job, attempt in ((jobs[0], 0), (reroll(jobs[0], 1), 1)):
        with pytest.raises(ConfigError, match="re-roll the first job"):
            reroll(job, attempt)


def test_batches_hold_one_model_each_in_plan_order() -> None:
    jobs = plan_jobs(all_prompts()[:7], [CHOPAN, TANGO], [1])
    mixed = [job for pair in zip(jobs[:7], jobs[7:], strict=True) for job in pair]
    for plan in (jobs, mixed):
        made = batches(plan, 3)
        assert [len(batch) for batch in made] == [3, 3, 1, 3, 3, 1]
        assert [job for batch in made for job in batch] == jobs
        assert all(len({job.settings for job in batch}) == 1 for batch in made)
    assert batches([], 3) == []
    with pytest.raises(ConfigError, match="a batch of 0 jobs"):
        batches(jobs, 0)


def test_the_pairs_and_families_of_a_refusal_are_nsynths() -> None:
    for first, second in EXCLUSIVE_PAIRS:
        with pytest.raises(ConfigError, match=f"asks for {first} and {second}"):
            read_prompt(f"electronic {first} {second} bass")
    assert len(QUALITIES) == 10 and all(read_prompt(family).family == family for family in FAMILIES)
    assert isinstance(plan_jobs([read_prompt("bass")], [CHOPAN], [1])[0], Job)

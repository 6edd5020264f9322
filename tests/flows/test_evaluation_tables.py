"""`nightcrate evaluate table-6.N`: made once, resumed, beside the thesis' figures, honest about what is missing."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path

import pytest

from catalog.library import Library
from catalog.records import ScoreRecord
from flows.evaluation.making import EVERY, MadeRow, Setting, make_rows
from flows.evaluation.plots import plot
from flows.evaluation.prompts import RANGES, evaluation_prompts
from flows.evaluation.published import PUBLISHED
from flows.evaluation.scoring import Line
from flows.evaluation.settings import RowChoice, read_evaluation
from flows.evaluation.table import Table, latex, markdown
from generation.errors import ConfigError
from generation.prompts.prompt import read_prompt
from generation.prompts.vocabulary import CELLS, QUALITIES
from tests.flows.command_line import refused, run
from tests.flows.evaluation_kit import write_evaluation, write_models
from tests.flows.night_kit import write_model
from tests.toy_corpus import write_toy_corpus

ROWS = ("TANGO-FT", "Audio Diffusion")
PROMPTS = 5


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_models(tmp_path_factory.mktemp("models"), ROWS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table")


def table_6_2(place: Path, models: dict[str, Path], steps: str, **settings: object) -> Path:
    path = place / "evaluation.yaml"
    return write_evaluation(
        path, "table-6.2", models, steps=steps, guidance_scales="[3.0]", prompts_on_cpu=PROMPTS, **settings
    )


def evaluate(capsys: pytest.CaptureFixture[str], config: Path, out: Path, *options: object) -> str:
    experiment = re.search(r"^experiment: (.*)$", config.read_text(), re.MULTILINE)
    assert experiment
    code, told, err = run(
        capsys, "evaluate", experiment[1], "--config", config, "--out", out, "--device", "cpu", *options
    )
    assert code == 0, err
    return told


def sounds(folder: Path) -> dict[str, datetime]:
    with Library.open(folder, read_only=True) as library:
        return {sample.job_key: sample.created_at for sample in library.samples(EVERY)}


def line_of(facts: dict, row: str, setting: str) -> dict:
    (line,) = [one for one in facts["lines"] if (one["row"], one["setting"]) == (row, setting)]
    return line


def test_settings_resume_one_after_another_and_nothing_is_made_twice(
    capsys: pytest.CaptureFixture[str], models: dict[str, Path], place: Path
) -> None:
    out = place / "out"
    # Killed between two rows of the first setting.
    evaluation, _ = read_evaluation("table-6.2", table_6_2(place, models, "[1]"))
    with Library.open(out / "1-3", create=True) as library:
        first = next(iter(make_rows(library, evaluation, Setting(1, 3.0), evaluation_prompts(PROMPTS), "cpu")))
    assert (first.row, first.heard) == ("TANGO-FT", PROMPTS)
    before = sounds(out / "1-3")
    evaluate(capsys, table_6_2(place, models, "[1]"), out)
    after = sounds(out / "1-3")
    assert len(after) == 2 * PROMPTS and before.items() <= after.items()
    # Killed between two settings; 400 steps come last, and are more than these toys were trained on.
    told = evaluate(capsys, table_6_2(place, models, "[400, 1, 2]"), out)
    assert sounds(out / "1-3") == after and len(sounds(out / "2-3")) == 2 * PROMPTS
    places = [told.index(f"| TANGO-FT | {steps} | 3 |") for steps in (1, 2, 400)]
    assert places == sorted(places)
    facts = json.loads((out / "table.json").read_text())
    assert facts["missing"] == [] and facts["versions"]["torch"]


def test_every_row_gets_the_same_prompts_and_seeds_in_every_setting(place: Path) -> None:
    asked = {}
    for setting in ("1-3", "2-3"):
        with Library.open(place / "out" / setting, read_only=True) as library:
            for sample in library.samples(EVERY):
                asked.setdefault((setting, sample.model), set()).add((sample.prompt, sample.seed, sample.note_asked))
    assert len(asked) == 4 and len(set(map(frozenset, asked.values()))) == 1


def test_figures_carry_their_judge_an_interval_and_what_they_rest_on(place: Path) -> None:
    facts = json.loads((place / "out" / "table.json").read_text())
    line = line_of(facts, "TANGO-FT", "2-3")
    assert (line["steps"], line["guidance_scale"], line["heard"]) == (2, 3.0, PROMPTS)
    assert len(line["fingerprint"]) == 64 and 0 <= line["default_gate_accepts"] <= 1
    noise = line_of(facts, "Audio Diffusion", "2-3")
    assert noise["heard"] == PROMPTS and noise["default_gate_accepts"] == 0.0, "no note in it, and yet it counts"
    kl = next(figure for figure in line["figures"] if figure["figure"] == "KL [starter]")
    assert kl["low"] < kl["value"] < kl["high"] and kl["n"] == PROMPTS
    assert kl["embedder"].startswith("starter@") and kl["reference"] and kl["settings"]["reference_id"]


def test_what_failed_or_is_too_little_is_unscored_and_never_a_number(place: Path) -> None:
    facts = json.loads((place / "out" / "table.json").read_text())
    for row in ROWS:
        failed = line_of(facts, row, "400-3")
        assert failed["heard"] == 0 and failed["failed"] == PROMPTS
        assert all(figure["value"] is None and "trained on 100" in figure["reason"] for figure in failed["figures"])
        few = line_of(facts, row, "1-3")["figures"][0]
        assert (few["figure"], few["value"]) == ("FAD [starter]", None)
        assert few["reason"] == f"{PROMPTS} sounds, at least 50 are needed"
    text = (place / "out" / "table.md").read_text()
    assert f"| unscored: {PROMPTS} sounds, at least 50 are needed |" in text
    assert "Audio Diffusion (400-3) is unscored: GenerationError: 400 steps were asked for" in text
    rows = list(csv.DictReader(io.StringIO((place / "out" / "table.csv").read_text())))
    assert {row["value"] for row in rows if row["steps"] == "400"} == {""}


def test_markdown_and_latex_carry_the_thesis_figures_and_our_names(place: Path) -> None:
    for name in ("table.md", "table.tex"):
        text = (place / "out" / name).read_text()
        assert f"n = {PROMPTS}, indicative" in text
        for told in ("FAD [starter]", "KL [starter]", "Thesis: FD [PANN]", "Thesis: FAD [VGGish]"):
            # LaTeX would read a bracket after a line break as an option.
            assert (told if name == "table.md" else told.replace("[", "{[}").replace("]", "{]}")) in text
        joint = " | " if name == "table.md" else " & "
        assert joint.join(("147.87", "0.24", "14.68")) in text, "TANGO-FT, 400 steps"
        assert joint.join(("209.7", "1.67", "39.56")) in text, "Audio Diffusion, 400 steps"
        assert "disagree with each other at 200 steps, guidance 3" in text
    # One panel: only KL has values, so few sounds give no FAD.
    assert (place / "out" / "steps.png").read_bytes().startswith(b"\x89PNG")
    assert not (place / "out" / "guidance.png").exists()


def test_a_table_says_which_settings_are_not_made_yet(models: dict[str, Path], tmp_path: Path) -> None:
    evaluation, _ = read_evaluation("table-6.2", table_6_2(tmp_path, models, "[1, 400]"))
    text = markdown(Table(evaluation, PROMPTS, "cpu", (Setting(1, 3.0), Setting(400, 3.0)), ()))
    assert "Not made yet: 1 steps at guidance 3, 400 steps at guidance 3; the same command goes on." in text
    assert "| TANGO-FT | 400 | 3 | not made yet | - | - | - | - | 147.87 | 0.24 | 14.68 |" in text


def test_a_figure_of_fewer_sounds_than_the_row_says_so(models: dict[str, Path], tmp_path: Path) -> None:
    """A reference without one of the families, or a damaged sound, leaves a figure with fewer sounds than the row."""
    evaluation, _ = read_evaluation("table-6.2", table_6_2(tmp_path, models, "[1]"))
    made = MadeRow("TANGO-FT", "toy", None, 5, heard=5, steps=1, guidance_scale=3.0, fingerprint="f")
    figures = {
        name: ScoreRecord("model", "toy", name, 2.0, None, "j@1", "notes", n, {"low": 1.0, "high": 3.0})
        for name, n in (("FAD [starter]", 5), ("KL [starter]", 4))
    }
    line = Line(Setting(1, 3.0), made, figures, 1.0)
    table = Table(evaluation, PROMPTS, "cpu", (Setting(1, 3.0),), (line,))
    assert "| TANGO-FT | 1 | 3 | 5 | 2 (1 to 3) | 2 (1 to 3; n = 4) |" in markdown(table)
    assert "2 (1 to 3; n = 4)" in latex(table)


def test_a_table_says_where_numbers_of_sounds_keep_distances_from_being_compared(
    models: dict[str, Path], tmp_path: Path
) -> None:
    evaluation, _ = read_evaluation("table-6.2", table_6_2(tmp_path, models, "[1]"))

    def told(*numbers: int) -> str:
        """What a table says of rows of so many sounds, far apart."""
        lines = []
        for row, low, heard in zip((*ROWS, ROWS[0]), (1.0, 50.0, 99.0), numbers, strict=False):
            about = {"low": low, "high": low + 2, "dimensions": 128, "reference_n": 300}
            record = ScoreRecord("model", row, "FAD [starter]", low + 1, None, "j@1", "notes", heard, about)
            made = MadeRow(row, row, None, heard, heard=heard, steps=1, guidance_scale=3.0, fingerprint="f")
            lines.append(Line(Setting(1, 3.0), made, {record.name: record}, 1.0))
        assert (plot(lines, "steps", "t") or b"").startswith(b"\x89PNG")
        return markdown(Table(evaluation, PROMPTS, "cpu", (Setting(1, 3.0),), tuple(lines)))

    note, why = "- FAD and FD of few sounds are too large", "of so few sounds compares only at nearly equal n\n"
    assert note in told(60, 300) and note not in told(60, 70) and why not in told(60, 300)
    assert note in told(60, 300, 70) and told(60, 300, 70).count(why) == 1
    setting = Setting(1, 3.0).folder
    assert f"- {ROWS[1]}, FAD [starter] ({setting}): not ranked beside the others, n 300 beside 60 to 70" in told(
        60, 300, 70
    )


@pytest.mark.parametrize("length", [".inf", ".nan", "100000", "0.5"])
def test_what_judges_hear_is_of_a_length_that_fits_memory(models: dict[str, Path], tmp_path: Path, length: str) -> None:
    with pytest.raises(ConfigError, match="length_s") as refusal:
        read_evaluation("table-6.2", table_6_2(tmp_path, models, "[1]", length_s=length))
    assert "\n" not in str(refusal.value)


def test_latex_shows_every_character_of_a_name(models: dict[str, Path], tmp_path: Path) -> None:
    """In LaTeX's own encoding the bare characters < > | would come out as others."""
    evaluation, _ = read_evaluation("table-6.2", table_6_2(tmp_path, models, "[1]"))
    row = r"a_b & 50% <x|y> \ {c} $d #e ~f ^g [h] `i`"
    evaluation = evaluation.model_copy(update={"models": (RowChoice(row=row, model="x"),)})
    text = latex(Table(evaluation, PROMPTS, "cpu", (Setting(1, 3.0),), ()))
    assert (
        r"a\_b \& 50\% \textless{}x\textbar{}y\textgreater{} \textbackslash{} \{c\} \$d \#e \~{}f \^{}g {[}h{]} "
        "`i' & 1 & 3 & not made yet" in text
    )


def test_chopan_and_the_originals_stand_in_table_6_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    models = {"ChopAN": write_model(tmp_path / "chopan"), "Riffusion": Path("no-such-model")}
    notes = write_toy_corpus(tmp_path / "notes", notes_per_instrument=2) / "valid"
    config = write_evaluation(
        tmp_path / "e.yaml", "table-6.1", models, steps="[200]", guidance_scales="[3.0]", prompts_on_cpu=2
    )
    text = evaluate(capsys, config, tmp_path / "out", "--reference", notes)
    assert "| FAD [starter] | KL [starter] | FD [clap-starter] |" in text, "with real notes also FD in CLAP space"
    assert len(list((tmp_path / "out" / "real-notes").iterdir())) == 1, "heard once, for every setting"
    assert re.search(r"^\| ChopAN \| - \| - \| 2 \|.* 55\.99 \| 1\.19 \| 7\.66 \| 41\.87 \| 28\.59 \|$", text, re.M)
    assert re.search(r"^\| originals \|.* 79\.15 \| 85\.47 \|$", text, re.M)
    assert re.search(r"^\| Riffusion \| 200 \| 3 \| 0 of 2 \| unscored \|", text, re.M)
    assert "there is no model 'no-such-model'" in text


def test_chopan_has_no_place_where_steps_change(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = table_6_2(tmp_path, {"ChopAN": write_model(tmp_path / "chopan")}, "[1]")
    assert "neither steps nor guidance" in evaluate(capsys, config, tmp_path / "out")


def test_other_weights_do_not_mix_with_the_sounds_that_are_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = write_model(tmp_path / "chopan")
    config = write_evaluation(
        tmp_path / "e.yaml", "table-6.1", {"ChopAN": model}, steps="[200]", guidance_scales="[3.0]", prompts_on_cpu=2
    )
    evaluate(capsys, config, tmp_path / "out")
    before = sounds(tmp_path / "out" / "200-3")
    write_model(model, gain=0.5)
    text = evaluate(capsys, config, tmp_path / "out")
    assert "sounds of other weights of toy-chopan; name another --out" in text
    assert sounds(tmp_path / "out" / "200-3") == before


@pytest.mark.parametrize("change", [{"prompts_on_cpu": 2}, {"prompts_on_cpu": 3, "seed": 2}], ids=["fewer", "seed"])
def test_a_row_is_scored_on_the_sounds_that_it_asks_for_and_no_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, int]
) -> None:
    model = {"ChopAN": write_model(tmp_path / "chopan")}
    fixed = {"steps": "[200]", "guidance_scales": "[3.0]"}
    config = write_evaluation(tmp_path / "e.yaml", "table-6.1", model, prompts_on_cpu=3, **fixed)
    evaluate(capsys, config, tmp_path / "out")
    before = sounds(tmp_path / "out" / "200-3")
    write_evaluation(config, "table-6.1", model, **change, **fixed)
    line = line_of(json.loads(evaluate(capsys, config, tmp_path / "out", "--json")), "ChopAN", "200-3")
    assert line["heard"] == 0 and {figure["value"] for figure in line["figures"]} == {None}
    assert all("other settings or more prompts" in figure["reason"] for figure in line["figures"])
    assert sounds(tmp_path / "out" / "200-3") == before, "nothing was mixed in"
    write_evaluation(config, "table-6.1", model, prompts_on_cpu=6, **fixed)
    line = line_of(json.loads(evaluate(capsys, config, tmp_path / "out", "--json")), "ChopAN", "200-3")
    assert line["heard"] == 6 and {figure["n"] for figure in line["figures"]} == {6}, "more prompts only add"
    assert before.items() <= sounds(tmp_path / "out" / "200-3").items()


def test_prompts_of_an_older_stopped_run_do_not_slip_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = {"ChopAN": write_model(tmp_path / "chopan")}
    fixed = {"steps": "[200]", "guidance_scales": "[3.0]"}
    families = [family for _, family in CELLS]
    # The last of them is the second of its family, so that one batch holds a prompt of the few and one of the many.
    many = next(place for place, family in enumerate(families) if family in families[:place]) + 1
    config = write_evaluation(tmp_path / "e.yaml", "table-6.1", model, prompts_on_cpu=many, **fixed)
    evaluation, _ = read_evaluation("table-6.1", config)
    with Library.open(tmp_path / "out" / "200-3", create=True) as library, pytest.MonkeyPatch.context() as killed:
        killed.setattr("flows.making.make_sounds", lambda *_: sys.exit("killed after planning"))
        with pytest.raises(SystemExit):
            list(make_rows(library, evaluation, Setting(200, 3.0), evaluation_prompts(many), "cpu"))
    write_evaluation(config, "table-6.1", model, prompts_on_cpu=many - 1, **fixed)
    line = line_of(json.loads(evaluate(capsys, config, tmp_path / "out", "--json")), "ChopAN", "200-3")
    assert line["heard"] == 0 and "more prompts asked for" in line["reason"]
    write_evaluation(config, "table-6.1", model, prompts_on_cpu=many, **fixed)
    line = line_of(json.loads(evaluate(capsys, config, tmp_path / "out", "--json")), "ChopAN", "200-3")
    assert line["heard"] == many, "asked for as before, all of it counts"


def test_the_gate_of_measurements_refuses_only_silence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mute = write_model(tmp_path / "mute", gain=0.0)
    config = write_evaluation(
        tmp_path / "e.yaml", "table-6.1", {"ChopAN": mute}, steps="[200]", guidance_scales="[3.0]", prompts_on_cpu=2
    )
    facts = json.loads(evaluate(capsys, config, tmp_path / "out", "--json"))
    line = line_of(facts, "ChopAN", "200-3")
    assert (line["heard"], line["silent"], line["default_gate_accepts"]) == (0, 2, 0.0)
    assert {figure["reason"] for figure in line["figures"]} == {"none of its sounds can be heard"}


def test_the_thesis_figures_are_all_there() -> None:
    """Counts and sums, worked out by hand from the printed tables; the digits themselves as they are printed."""
    assert {name: len(lines) for name, lines in PUBLISHED.items()} == {"table-6.1": 7, "table-6.2": 24, "table-6.3": 8}
    triples = {
        (name, row): ["/".join((one.fd, one.kl, one.fad)) for key, one in lines.items() if key[0] == row]
        for name, lines in PUBLISHED.items()
        for row, _, _ in lines
    }
    assert triples["table-6.2", "TANGO-FT"][2] == "267.032/3.25/21.48"
    assert triples["table-6.2", "Riffusion-FT"][1] == "246.61/0.72/246.61", "its FAD repeats its FD"
    assert triples["table-6.3", "Riffusion-FT"][:2] == ["209.84/0.5282/13.21", "231.67/1.1085/15.71"]
    assert triples["table-6.1", "TANGO-FT"] == ["148.26/0.82/13.396"]
    at_one_setting = {triples["table-6.1", "TANGO-FT"][0], triples["table-6.2", "TANGO-FT"][4]}
    assert len(at_one_setting | {triples["table-6.3", "TANGO-FT"][1]}) == 3, "three figures for one setting"


def test_prompts_cover_all_cells_and_words_and_begin_alike() -> None:
    prompts = evaluation_prompts(280)
    assert len({(one.source, one.family, one.qualities) for one in prompts}) == len(CELLS) * len(QUALITIES)
    assert all(len(one.qualities) == 1 for one in prompts)
    assert all(RANGES[one.family][0] <= one.note <= RANGES[one.family][1] for one in prompts if one.note)
    assert all(36 <= one.note <= 84 for one in prompts if one.note is not None) and None not in [
        one.note for one in prompts
    ]
    assert evaluation_prompts(1000)[:280] == prompts and len(set(evaluation_prompts(2800))) == 2800
    assert [read_prompt(one.caption) for one in prompts] == prompts, "what a night's configuration says of them"


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], models: dict[str, Path], tmp_path: Path) -> None:
    config = table_6_2(tmp_path, models, "[1]")
    assert "did you mean 'table-6.1'" in refused(capsys, "evaluate", "table-6.11")
    assert "is of the experiment table-6.2, table-6.3 was asked for" in refused(
        capsys, "evaluate", "table-6.3", "--config", config
    )
    out = ("--config", config, "--out", tmp_path / "out", "--device", "cpu")
    assert "name a reference" in refused(capsys, "evaluate", "table-6.2", *out, "--vggish", tmp_path / "none.pt")
    assert "no-notes" in refused(capsys, "evaluate", "table-6.2", *out, "--reference", tmp_path / "no-notes")
    config.write_text(config.read_text().replace("steps: [1]", "steps: [1, 2, 1]"))
    assert "each steps and guidance_scale once" in refused(capsys, "evaluate", "table-6.2", *out)
    config.write_text(config.read_text().replace("steps: [1, 2, 1]", "steps: []"))
    assert "needs steps and guidance_scales" in refused(capsys, "evaluate", "table-6.2", *out)
    config.write_text(config.read_text().replace("Audio Diffusion", "TANGO-FT"))
    assert "stands twice" in refused(capsys, "evaluate", "table-6.2", *out)
    assert not (tmp_path / "out").exists(), "nothing was made"

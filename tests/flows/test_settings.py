"""What a night is told: its configuration, shipped or a file."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from flows.settings import Scheduler, read_night
from generation.errors import ConfigError
from generation.pipelines.any_diffusers import _SCHEDULERS
from generation.pipelines.denoising import SCHEDULERS
from generation.prompts.vocabulary import CELLS
from generation.shipped import config_names

NIGHT = """
name: test
models: [{model: chopan-starter, batch_size: 4}]
prompts: {cells: [synthetic bass], max_qualities: 1}
target: 2
"""


def written(folder: Path, text: str) -> str:
    path = folder / "night.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", config_names("night"))
def test_every_shipped_night_is_valid_and_named_after_its_file(name):
    config, folder = read_night(name)
    assert config.name == name
    assert config.prompts.prompts_in(folder)


def test_the_starter_night_asks_for_two_unlike_sounds_in_each_cell():
    config, folder = read_night("starter")
    prompts = config.prompts.prompts_in(folder)
    by_cell: dict[str, list] = {}
    for prompt in prompts:
        assert prompt.text is None, f"{prompt.caption} is not said in NSynth's words"
        assert prompt.note is not None
        by_cell.setdefault(prompt.cell, []).append(prompt)
    assert set(by_cell) == {" ".join(cell) for cell in CELLS}
    assert all(len({(p.qualities, p.note) for p in two}) == 2 for two in by_cell.values())
    assert config.deal and config.target == 1 and len(config.models) == 3, "each cell by two of three models"


def test_a_night_of_all_prompts_has_12096():
    config, folder = read_night("all")
    assert len(config.prompts.prompts_in(folder)) == 12_096


def test_defaults_are_those_of_the_issue(tmp_path):
    config, folder = read_night(written(tmp_path, NIGHT))
    assert (config.seeds, config.gate, config.embedder, folder) == ((1,), "default", "starter", tmp_path)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (NIGHT.replace("batch_size", "batchsize"), "did you mean 'batch_size'"),
        (NIGHT.replace("target", "targets"), "did you mean 'target'"),
        (NIGHT + "target: 3\n", "stands twice"),
        (NIGHT.replace("target: 2", "target: 0"), "target"),
        (NIGHT.replace("target: 2", "target: '2'"), "target"),
        (NIGHT.replace("name: test", "name: Über Nacht"), "name"),
        (NIGHT.replace("models: [{model: chopan-starter, batch_size: 4}]", "models: []"), "models"),
        (
            NIGHT.replace("[{model: chopan-starter", "[{model: chopan-starter}, {model: chopan-starter"),
            "stands twice",
        ),
        ("just words", "key: value"),
        ("a: [1", "line"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_with_its_name(tmp_path, wrong, told):
    with pytest.raises(ConfigError) as caught:
        read_night(written(tmp_path, wrong))
    assert told in str(caught.value)
    assert "night.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_prompts_are_refused(tmp_path):
    config, folder = read_night(written(tmp_path, NIGHT.replace("synthetic bass", "synthetic kazoo")))
    with pytest.raises(ConfigError, match="synthetic kazoo"):
        config.prompts.prompts_in(folder)


def test_a_text_file_of_prompts_lies_beside_the_configuration(tmp_path):
    (tmp_path / "mine.txt").write_text("# tonight\nwarm electric bass, A1\n", encoding="utf-8")
    config, folder = read_night(
        written(tmp_path, NIGHT.replace("{cells: [synthetic bass], max_qualities: 1}", "{text_file: mine.txt}"))
    )
    (prompt,) = config.prompts.prompts_in(folder)
    assert (prompt.text, prompt.note) == ("warm electric bass, A1", 33)


def test_an_unknown_night_is_told_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'starter'"):
        read_night("startr")


def test_a_night_can_name_every_scheduler_there_is():
    assert set(get_args(Scheduler)) == set(_SCHEDULERS) >= set(SCHEDULERS)

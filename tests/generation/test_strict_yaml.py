"""YAML traps, and the one line a user reads for each mistake in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from generation.errors import ConfigError
from generation.shipped import config_names, config_path, configs_dir, starter_dir
from generation.strict_yaml import (
    StrictModel,
    dump_yaml,
    load_yaml,
    nearest_name,
    parse_value,
    read_yaml,
    unknown_name,
    validate,
)


class Model(StrictModel):
    name: str
    batch_size: int = Field(default=1, gt=0)
    style: Literal["tags", "caption"] = "tags"


class Night(StrictModel):
    target: int
    rate: float = 1.0
    quiet: bool = False
    folder: Path | None = None
    notes: tuple[int, ...] = ()
    models: list[Model] = []
    by_name: dict[str, Model] = {}
    other: Model | None = None
    families: tuple[str, ...] = ()

    @field_validator("families")
    @classmethod
    def _known(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        for family in families:
            if family not in ("bass", "brass"):
                raise ValueError(unknown_name("family", family, ("bass", "brass")))
        return families


def load(tmp_path: Path, text: str) -> Night:
    file = tmp_path / "night.yaml"
    file.write_text(text, encoding="utf-8")
    return load_yaml(file, Night)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    told = str(caught.value)
    assert "\n" not in told
    assert told.startswith(str(tmp_path / "night.yaml"))
    return told.removeprefix(str(tmp_path / "night.yaml"))


def test_a_whole_file_loads(tmp_path: Path) -> None:
    night = load(tmp_path, "target: 2\nrate: 1e-3\nquiet: true\nfolder: /a/b\nnotes: [33, 45]\nmodels:\n- name: x\n")
    assert night.rate == 0.001
    assert night.folder == Path("/a/b")
    assert night.notes == (33, 45)
    assert night.models == [Model(name="x")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("targt: 2", ": unknown key 'targt'; did you mean 'target'?; the key 'target' is needed"),
        ("target: 2\nzzz: 1", "'zzz'; keys here: by_name, families, folder, models, notes, other,"),
        ("target: 2\nmodels: [{nam: x}]", "unknown key 'models.0.nam'; did you mean 'name'?"),
        ("target: 2\nby_name: {a: {name: x, batchsize: 3}}", "'by_name.a.batchsize'; did you mean 'batch_size"),
        ("target: 2\nother: {name: x, styl: tags}", "unknown key 'other.styl'; did you mean 'style'?"),
        ("target: 2\nother: {batch_size: 3}", ": the key 'name' is needed in 'other'"),
        ("target: 2\nother: {name: x, batch_size: 0}", ": other.batch_size is 0; it must be greater than 0"),
        (
            "target: 2\nother: {name: x, style: captoin}",
            ": other.style is \"captoin\"; it must be 'tags' or 'caption'; did you mean 'caption'?",
        ),
        ("target: 2\nfamilies: [bas]", "no family 'bas'; did you mean 'bass'? (known: bass, brass)"),
        ("target: two", ': target is "two"; it must be a whole number'),
        ('target: "2"', ': target is "2"; it must be a whole number'),
        ("target: 2.5", ": target is 2.5; it must be a whole number"),
        ("target: true", ": target is true; it must be a whole number"),
        ("target:", ": target is empty (null); it must be a whole number"),
        ("target: 2\nrate: .inf", ": rate is Infinity; it must be a finite number"),
        ("target: 2\nrate: .nan", "it must be a finite number"),
        ("target: 2\nquiet: no", ': quiet is "no"; it must be true or false'),
        ("target: 2\nmodels: {name: x}", "it must be a list"),
        ("target: 2\nother: 3", ": other is 3; it must be a mapping of keys"),
        ("target: 2\ntarget: 3", ": line 2, column 1: the key 'target' stands twice; keep one"),
        ("target: 2\nother: {name: x, name: y}", "the key 'name' stands twice; keep one"),
        ("1: 2", "the key 1 is not text; put it in quotes"),
        ("? [a]\n: 2", "is not text; put it in quotes"),
        ("only words", ': holds "only words"; lines of \'key: value\' are needed'),
        ("- 1\n- 2", ": holds [1, 2]; lines of 'key: value' are needed"),
        ("", ": is empty; lines of 'key: value' are needed"),
        ("target: [", ": line 1, column 10: "),
        ("target: 2\n\tother: 3", "line 2"),
        ("target: \x07", ": is not YAML: "),
        ("target: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("target: !!timestamp 2001-01-01", "only text, numbers, true, false, lists and keys fit here"),
        ("target: &a [*a]", "only text, numbers, true, false, lists and keys fit here"),
        ("[" * 3000, "nested too deeply"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in message(tmp_path, text)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    told = message(tmp_path, "target: 2\na1: 1\na2: 1\na3: 1\na4: 1\na5: 1\na6: 1\n")
    assert told.count("unknown key") == 4
    assert told.endswith("; and 2 more")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_yaml(tmp_path)
    (tmp_path / "sound.yaml").write_bytes(b"RIFF\xff\xfe\x00WAVE")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        read_yaml(tmp_path / "sound.yaml")


def test_values_mean_what_they_say() -> None:
    """The traps of YAML 1.1: each of these means something else there."""
    traps = {"no": "no", "on": "on", "0123": "0123", "1:30": "1:30", "07:00": "07:00", "1_000": "1_000"}
    assert {text: parse_value(text, "--set") for text in traps} == traps
    assert parse_value("2024-01-01", "--set") == "2024-01-01"
    assert parse_value("1e-3", "--set") == 0.001
    assert parse_value("-7", "--set") == -7
    assert parse_value("", "--set") is None
    assert parse_value("[0.9, 0.99]", "--set") == [0.9, 0.99]
    with pytest.raises(ConfigError, match=r"^--set x: line 1"):
        parse_value("[", "--set x")


_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text()
_PLAIN = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _PLAIN, min_size=1, max_size=4))
def test_what_is_dumped_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "round.yaml"
    file.write_text(dump_yaml(content), encoding="utf-8", newline="")
    assert read_yaml(file) == content


@given(
    st.sampled_from(["no", "on", "0x1F", "1e5", "1E5", ".5", "5.", "~", "null", "0b1", "12:30:45", "=", "<<", "true"])
)
def test_words_that_look_like_values_stay_words(word: str) -> None:
    assert parse_value(dump_yaml({"key": word}).removeprefix("key:").strip(), "x") == word


def test_nearest_name() -> None:
    assert nearest_name("Keybord", ("keyboard", "mallet")) == "keyboard"
    assert nearest_name("zither", ("keyboard", "mallet")) is None
    assert unknown_name("model", "x", ()) == "there is no model 'x' (known: none)"


def test_validate_names_the_origin() -> None:
    with pytest.raises(ConfigError, match=r"^--set: target is 'a'|^--set: target is \"a\""):
        validate({"target": "a"}, Night, "--set")


def test_shipped_folders() -> None:
    assert config_path("models", "chopan").parent == configs_dir() / "models"
    assert "chopan" in config_names("models")
    assert starter_dir().parent.name == "generation"
    with pytest.raises(ConfigError, match="did you mean 'chopan'"):
        config_path("models", "chopa")
    with pytest.raises(ConfigError, match="no such file"):
        config_path("models", "mine.yaml")


def test_a_file_of_the_users_own_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("a: 1")
    assert config_path("models", file) == file

"""Bad input at the command line: one line, a non-zero exit, and nothing spoilt."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flows.cli import main
from tests.flows.command_line import process, refused, run
from tests.flows.toy_night import tone, write_toy_library
from tests.toy_corpus import write_toy_corpus


@pytest.fixture
def library(tmp_path) -> Path:
    write_toy_library(tmp_path / "library")
    return tmp_path / "library"


def night_file(folder: Path, text: str) -> Path:
    path = folder / "night.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_unknown_key_is_told_with_the_nearest_name(capsys, tmp_path):
    path = night_file(tmp_path, "name: x\nmodels: [{model: chopan-starter}]\nprompt: {cells: all}\n")
    assert "did you mean 'prompts'" in refused(capsys, "night", path, "--library", tmp_path / "library")
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize("command", ["night", "plan"])
def test_an_unknown_family_is_refused(capsys, tmp_path, command):
    path = night_file(tmp_path, "name: x\nmodels: [{model: chopan-starter}]\nprompts: {cells: [kazoo]}\n")
    assert "kazoo" in refused(capsys, command, path, "--library", tmp_path / "library")
    assert not (tmp_path / "library").exists()


def test_an_unknown_family_in_a_filter_is_told_with_the_nearest_name(capsys, library):
    told = refused(capsys, "search", "dark", "--family", "basss", "--library", library)
    assert "did you mean 'bass'" in told
    assert "H9" in refused(capsys, "search", "dark", "--note", "H9", "--library", library)


@pytest.mark.parametrize("text", ["just words", "{a: [", "\x00\x01", "- 1\n- 2"])
def test_a_configuration_that_is_no_yaml_is_refused(capsys, tmp_path, text):
    path = night_file(tmp_path, text)
    assert "night.yaml" in refused(capsys, "night", path, "--library", tmp_path / "library")
    assert not (tmp_path / "library").exists()


def test_an_unknown_model_is_told_with_the_nearest_name(capsys, tmp_path):
    path = night_file(tmp_path, "name: x\nmodels: [{model: chopan-startr}]\nprompts: {cells: all}\n")
    assert "did you mean 'chopan-starter'" in refused(capsys, "plan", path, "--library", tmp_path / "l")


def test_two_deadlines_are_refused(capsys, tmp_path):
    told = refused(capsys, "night", "--until", "07:00", "--for", "20m", "--library", tmp_path / "library")
    assert "keep one" in told


COMMANDS_ON_A_LIBRARY = (
    ("plan",),
    ("search", "bass"),
    ("similar", "1"),
    ("show", "1"),
    ("review", "1", "keep"),
    ("pack", "--out", "x.zip"),
    ("verify",),
    ("rebuild",),
    ("league",),
)


@pytest.mark.parametrize("command", COMMANDS_ON_A_LIBRARY[1:], ids=lambda command: command[0])
def test_a_library_that_is_a_file_is_refused(capsys, tmp_path, command):
    path = tmp_path / "library"
    path.write_text("a letter to my mother")
    assert "a library is a folder" in refused(capsys, *command, "--library", path)
    assert path.read_text() == "a letter to my mother"


@pytest.mark.parametrize("command", COMMANDS_ON_A_LIBRARY[1:], ids=lambda command: command[0])
def test_a_library_that_is_not_there_is_told_how_to_make_one(capsys, tmp_path, command):
    assert "nightcrate night" in refused(capsys, *command, "--library", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", COMMANDS_ON_A_LIBRARY, ids=lambda command: command[0])
def test_a_catalogue_of_a_newer_nightcrate_is_refused_and_left_as_it_is(capsys, library, command):
    with sqlite3.connect(library / "catalog.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (library / "catalog.sqlite").read_bytes()
    assert "newer nightcrate" in refused(capsys, *command, "--library", library)
    assert (library / "catalog.sqlite").read_bytes() == before


def test_an_unknown_sound_is_refused(capsys, library):
    assert "no sound 99" in refused(capsys, "show", "99", "--library", library)
    assert "no sound 99" in refused(capsys, "similar", "99", "--library", library)


def test_a_review_needs_one_verdict(capsys, library):
    assert "keep or drop" in refused(capsys, "review", "1", "--library", library)
    assert "keep or drop" in refused(capsys, "review", "1", "keep", "--undo", "--library", library)
    assert "maybe" in refused(capsys, "review", "1", "maybe", "--library", library)
    assert "no verdict to undo" in refused(capsys, "review", "1", "--undo", "--library", library)


def test_a_corrupt_examples_json_is_refused(capsys, tmp_path):
    corpus = write_toy_corpus(tmp_path / "corpus")
    (corpus / "train" / "examples.json").write_text('{"bass_synthetic_000-048-100": {"pitch": 48')
    assert "examples.json" in refused(capsys, "corpus", "check", corpus / "train")


def sound_files(folder: Path) -> dict[str, Path]:
    """Files that are no usable sound."""
    wave = tone(57).samples[0]
    text, empty, broken, many = (folder / f"{name}.wav" for name in ("text", "empty", "broken", "many"))
    text.write_text("RIFF? no, a letter")
    soundfile.write(empty, np.zeros(0), 16_000)
    soundfile.write(broken, np.where(np.arange(len(wave)) == 9, np.nan, wave), 16_000, subtype="FLOAT")
    soundfile.write(many, np.stack([wave] * 6, axis=1), 16_000)
    return {"text": text, "empty": empty, "NaN": broken, "6 channels": many}


@pytest.mark.parametrize(
    ("kind", "told"),
    [("text", "not a sound file"), ("empty", "length 0"), ("NaN", "NaN"), ("6 channels", "6 channels")],
)
def test_a_file_that_is_no_usable_sound_is_refused(capsys, library, tmp_path, kind, told):
    path = sound_files(tmp_path)[kind]
    line = refused(capsys, "similar", path, "--library", library)
    assert told in line and path.name in line


def test_an_unknown_variable_of_the_environment_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("NIGHTCRATE_LIBARY", "x")
    assert "did you mean NIGHTCRATE_LIBRARY" in refused(capsys, "show", "1")


@contextmanager
def read_only_library() -> Iterator[Path]:
    """A library that its reader may not write, in a place that any user may enter."""
    with tempfile.TemporaryDirectory() as place:
        write_toy_library(Path(place) / "library")
        for path in (Path(place), *Path(place).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield Path(place) / "library"
        for path in (Path(place), *Path(place).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def as_nobody(*arguments: object) -> tuple[int, str]:
    """Exit code and output of a command run by another user: for root nothing is read-only."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(write, 1)
            os.dup2(write, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as stream:
        told = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def test_a_read_only_library_is_read_and_never_written(capsys, library):
    # Every module is imported by us: the other user may not be able to read our Python.
    commands = {"show": ("show", "1"), "verify": ("verify",), "review": ("review", "1", "keep", "--who", "x")}
    for command in commands.values():
        assert run(capsys, *command, "--library", library)[0] == 0
    with read_only_library() as locked:
        before = {path: path.stat().st_mtime_ns for path in locked.rglob("*")}
        for name in ("show", "verify"):
            code, told = as_nobody(*commands[name], "--library", locked)
            assert code == 0, told
        code, told = as_nobody(*commands["review"], "--library", locked)
        assert code == 1
        assert told.startswith("nightcrate: ") and told.count("\n") == 1 and "read-only" in told
        assert {path: path.stat().st_mtime_ns for path in locked.rglob("*")} == before


def test_a_disk_that_is_full_leaves_no_half_written_pack(library, tmp_path):
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ended = process("pack", "--out", tmp_path / "x.zip", "--library", library, preexec_fn=small_disk)
    assert ended.returncode == 1
    assert ended.stderr.startswith("nightcrate: ") and ended.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize(
    "line",
    [
        ("pack", "--family", "bass", "--out"),
        ("league", "--csv"),
        ("listen", "report", "--csv"),
        ("corpus", "fingerprint", "--corpus", "nowhere", "--out"),
    ],
)
def test_no_slip_of_the_hand_costs_a_catalogue(capsys, library, tmp_path, line):
    precious = library / "catalog.sqlite"
    before = precious.read_bytes()
    others = () if line[0] == "corpus" else ("--library", library)
    assert "catalog.sqlite: is there already and is no" in refused(capsys, *line, precious, *others)
    assert precious.read_bytes() == before

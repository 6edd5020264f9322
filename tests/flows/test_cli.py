"""The command line: help for everything, and one line with a non-zero exit for whatever is wrong."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from flows.cli import app, main
from tests.flows.toy_night import tone, write_toy_library
from tests.toy_corpus import write_toy_corpus

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("night plan search similar show review pack novelty gate league models train verify rebuild corpus").split()
CORPUS = ("render", "import", "check", "fingerprint")
MODELS = ("list", "info", "fetch", "verify", "convert")


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def refused(capsys, *arguments: object) -> str:
    """The one line on stderr of a command that must fail."""
    code, out, err = run(capsys, *arguments)
    assert code == 1, err
    assert out == ""
    assert err.startswith("nightcrate: ") and err.count("\n") == 1
    return err


def process(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    line = [sys.executable, "-c", "from flows.cli import main; main()", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


@pytest.fixture
def library(tmp_path) -> Path:
    write_toy_library(tmp_path / "library")
    return tmp_path / "library"


# -------------------- help, version, speed


def test_the_commands_are_those_of_the_house():
    assert sorted(typer.main.get_command(app).commands) == sorted(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(f"corpus {each}" for each in CORPUS), *(f"models {each}" for each in MODELS)]
)
def test_every_command_and_every_option_has_help(capsys, command):
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]  # type: ignore[attr-defined]
    assert found.help
    assert all(getattr(option, "help", None) for option in found.params if option.name != "help")


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out.startswith("nightcrate")


def test_help_imports_nothing_heavy_and_is_quick():
    script = (
        "import sys, time; start = time.process_time()\n"
        "from flows.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'prefect', 'sqlalchemy', 'faiss', 'librosa', 'transformers', 'diffusers'}\n"
        "print(time.process_time() - start, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, heavy = ended.stderr.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 0.5


def test_wrong_usage_ends_with_2(capsys):
    assert run(capsys, "search")[0] == 2
    assert run(capsys, "serch", "bass")[0] == 2
    assert run(capsys, "search", "bass", "-k", "0")[0] == 2


# -------------------- bad input, one line each


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


# -------------------- what works


def test_show_tells_everything_in_words_and_in_json(capsys, library):
    _, out, _ = run(capsys, "show", "1", "--library", library)
    assert "prompt: synthetic dark bass, A1" in out
    _, out, _ = run(capsys, "show", "1", "--library", library, "--json")
    told = json.loads(out)
    assert told["note"] == "A1" and told["sources"] == ["toy_note_1", "toy_note_2"]
    assert Path(told["file"]).is_file()


def test_a_review_is_kept_and_undone(capsys, library):
    run(capsys, "review", "1", "keep", "--why", "warm", "--who", "ana", "--library", library)
    run(capsys, "review", "1", "drop", "--who", "ana", "--library", library)
    _, out, _ = run(capsys, "review", "1", "--undo", "--library", library, "--json")
    assert json.loads(out) == {"id": 1, "review": "keep"}
    _, out, _ = run(capsys, "show", "1", "--library", library, "--json")
    told = json.loads(out)
    assert told["review"] == "keep"
    assert [(r["verdict"], r["why"], r["who"], bool(r["undone_at"])) for r in told["reviews"]] == [
        ("keep", "warm", "ana", False),
        ("drop", None, "ana", True),
    ]


def test_a_pack_is_made_of_what_passes_the_filters(capsys, library, tmp_path):
    out_file = tmp_path / "vocals.zip"
    code, out, _ = run(capsys, "pack", "--out", out_file, "--family", "vocal", "--library", library, "--json")
    assert code == 0
    assert len(json.loads(out)["items"]) == 2
    names = zipfile.ZipFile(out_file).namelist()
    assert {"manifest.csv", "LICENSE.txt", "ATTRIBUTION.txt"} < set(names)
    assert sum(name.endswith(".wav") for name in names) == 2


def test_a_pack_refuses_what_may_not_be_sold_unless_asked_by_name(capsys, tmp_path):
    write_toy_library(tmp_path / "library", commercial="no")
    arguments = ("pack", "--out", tmp_path / "x.zip", "--library", tmp_path / "library")
    assert "--allow-noncommercial toy" in refused(capsys, *arguments)
    assert not (tmp_path / "x.zip").exists()
    assert run(capsys, *arguments, "--allow-noncommercial", "toy")[0] == 0


def test_verify_finds_what_is_gone(capsys, library):
    assert run(capsys, "verify", "--library", library)[0] == 0
    next((library / "audio").rglob("*.flac")).unlink()
    code, out, _ = run(capsys, "verify", "--library", library, "--json")
    assert code == 1
    assert [problem["kind"] for problem in json.loads(out)["problems"]] == ["missing_file"]


def test_models_are_listed_with_their_terms(capsys):
    _, out, _ = run(capsys, "models", "list", "--json")
    names = [card["name"] for card in json.loads(out)]
    assert "chopan-starter" in names
    _, out, _ = run(capsys, "models", "info", "chopan-starter")
    assert "commercial use: yes" in out


def test_original_files_that_are_not_there_are_named(capsys, tmp_path):
    line = ("models", "convert", tmp_path, "--text-encoder", tmp_path, "--out", tmp_path / "out")
    told = refused(capsys, *line)
    assert "lacks main_config.json, stft_config.json, vae_config.json, pytorch_model_main.bin" in told


def test_a_corpus_is_checked(capsys, tmp_path):
    corpus = write_toy_corpus(tmp_path / "corpus")
    _, out, _ = run(capsys, "corpus", "check", corpus / "train", "--json")
    told = json.loads(out)
    assert (told["notes"], told["instruments"], told["licence"]) == (12, 4, "CC0-1.0")
    assert told["cells"]["synthetic bass"] == 3


def one_shots(folder: Path, unnamed: int) -> Path:
    """Two named basses and some sounds that nothing places."""
    folder.mkdir()
    for number, name in enumerate(["808 bass C1", "808 bass E1", *(f"take {n:02d}" for n in range(unnamed))]):
        soundfile.write(folder / f"{name}.wav", tone(40 + number).samples[0], 16_000)
    return folder


def test_a_folder_of_one_shots_is_imported_and_what_is_left_out_is_told(capsys, tmp_path):
    sounds, out_folder = one_shots(tmp_path / "sounds", unnamed=12), tmp_path / "mine" / "train"
    terms = ("--licence", "CC0-1.0", "--attribution", "Ana Ruiz", "--name", "mine", "--url", "https://example.org")
    code, out, err = run(capsys, "corpus", "import", sounds, "--out", out_folder, *terms)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{out_folder}: 2 notes of 1 instruments, 0 pitches measured, 12 left out"
    assert lines[1].startswith("  left out, take 00.wav: its names say no instrument family")
    assert lines[10].startswith("  left out, take 09.wav: ")
    assert lines[11:] == ["  and 2 more; --json and corpus.json name them all"]
    _, out, _ = run(capsys, "corpus", "check", out_folder, "--json")
    told = json.loads(out)
    assert (told["notes"], told["cells"], told["licence"]) == (2, {"synthetic bass": 2}, "CC0-1.0")
    info = json.loads((out_folder / "corpus.json").read_text())
    assert (info["name"], info["attribution"], info["url"]) == ("mine", "Ana Ruiz", "https://example.org")


def test_an_import_answers_machines_with_everything(capsys, tmp_path):
    sounds, out_folder = one_shots(tmp_path / "sounds", unnamed=12), tmp_path / "corpus"
    terms = ("--licence", "own work", "--attribution", "Ana Ruiz")
    _, out, _ = run(capsys, "corpus", "import", sounds, "--out", out_folder, *terms, "--json")
    told = json.loads(out)
    assert len(told.pop("left_out")) == 12
    assert told == {
        "out": str(out_folder),
        "notes": 2,
        "instruments": 1,
        "pitches_measured": 0,
        "cells": {"synthetic bass": 2},
    }


def test_an_import_that_cannot_be_is_refused(capsys, tmp_path):
    sounds, terms = one_shots(tmp_path / "sounds", unnamed=0), ("--licence", "CC0-1.0", "--attribution", "Ana Ruiz")
    line = ("corpus", "import", sounds, "--out", tmp_path / "corpus")
    assert run(capsys, *line)[0] == 2
    assert "no licence given" in refused(capsys, *line, "--licence", " ", "--attribution", "Ana Ruiz")
    assert "already exists" in refused(capsys, "corpus", "import", sounds, "--out", sounds, *terms)
    assert "is no folder" in refused(capsys, "corpus", "import", tmp_path / "none", "--out", tmp_path / "x", *terms)
    assert not (tmp_path / "corpus").exists()


def test_nothing_is_written_to_stderr_where_nobody_watches(library):
    ended = process("verify", "--library", library)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_looking_at_a_sound_imports_no_network_and_no_flow(library):
    script = (
        "import sys\nfrom flows.cli import main\n"
        f"try: main(['show', '1', '--library', {str(library)!r}])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'prefect', 'faiss', 'librosa', 'transformers', 'diffusers'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"

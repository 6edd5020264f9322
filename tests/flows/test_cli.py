"""The command line: help for everything, and what each command answers; test_cli_refusals.py has what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile
import typer

from flows.cli import app
from tests.flows.command_line import ROOT, process, refused, run
from tests.flows.toy_night import tone, write_toy_library
from tests.toy_corpus import write_toy_corpus

COMMANDS = (
    "night plan nights search similar show review pack novelty gate league evaluate listen models train verify rebuild "
    "corpus"
).split()
CORPUS = ("render", "import", "check", "fingerprint")
MODELS = ("list", "info", "fetch", "verify", "convert")


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
    told = " ".join(out.split())
    for option in found.params:
        if option.name != "help":
            words = (getattr(option, "help", None) or "").split()
            assert words and " ".join(words) in told, option.name  # whole, brackets too


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out.startswith("nightcrate")


def test_help_loads_nothing_heavy():
    script = (
        "import sys\n"
        "from flows.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'torch', 'prefect', 'sqlalchemy', 'faiss', 'librosa', 'transformers', "
        "'diffusers'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


def test_wrong_usage_ends_with_2(capsys):
    assert run(capsys, "search")[0] == 2
    assert run(capsys, "serch", "bass")[0] == 2
    assert run(capsys, "search", "bass", "-k", "0")[0] == 2


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
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "") and "--allow-noncommercial toy" in err.splitlines()[-1]
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

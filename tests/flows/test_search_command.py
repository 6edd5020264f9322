"""`nightcrate search` and `pack` with words, on a small library with the starter's ear."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from catalog.embedders import load_embedder
from catalog.library import Library
from flows.stages import embed_missing
from tests.flows.command_line import refused, run
from tests.flows.toy_night import write_toy_library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy library (two basses, two vocals), heard; nothing of the ear's loading is told in this process."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = tmp_path_factory.mktemp("searched") / "library"
    write_toy_library(path)
    with Library.open(path) as opened:
        embed_missing(opened, load_embedder("starter"))
    return path


def test_words_that_mean_nothing_here_are_told_before_the_list(capsys, library):
    code, out, err = run(capsys, "search", "kick drum", "--library", library, "--json")
    assert code == 0 and len(json.loads(out)) == 4
    assert err == (
        "nightcrate: no word of 'kick drum' is known as an instrument, source, quality or note, and no prompt says it; "
        "these are the nearest by ear alone\n"
    )
    for query in ("bass", "pad", "no bass"):
        assert run(capsys, "search", query, "--library", library)[2] == ""
    assert run(capsys, "search", "kick drum", "--no-fulltext", "--library", library)[2] == ""


def test_an_unknown_model_is_refused_with_the_names_there_are(capsys, library, tmp_path):
    for command in (("search", "bass"), ("similar", "1"), ("pack", "--out", tmp_path / "x.zip")):
        told = refused(capsys, *command, "--model", "tyo", "--library", library)
        assert "there is no model 'tyo'; did you mean 'toy'? (known: toy)" in told
    assert len(json.loads(run(capsys, "search", "bass", "--model", "toy", "--library", library, "--json")[1])) == 4


def test_a_pack_of_words_holds_only_what_fits_and_says_when_that_is_less(capsys, library, tmp_path):
    out_file = tmp_path / "dark.zip"
    code, out, _ = run(capsys, "pack", "dark bass", "-k", 3, "--out", out_file, "--library", library)
    assert code == 0 and ": 1 sounds (3 were asked for, 1 fit), sha256" in out
    sounds = [name for name in zipfile.ZipFile(out_file).namelist() if name.endswith(".wav")]
    assert len(sounds) == 1 and "dark_bass" in sounds[0]
    told = json.loads(run(capsys, "pack", "vocal", "-k", 2, "--out", out_file, "--library", library, "--json")[1])
    assert (told["asked"], len(told["items"])) == (2, 2)
    assert all("vocal" in name for name in zipfile.ZipFile(out_file).namelist() if name.endswith(".wav"))


def test_a_pack_of_unknown_words_is_refused(capsys, library, tmp_path):
    told = refused(capsys, "pack", "kick drum", "-k", 3, "--out", tmp_path / "x.zip", "--library", library)
    assert "nothing here is known to fit" in told and "--family" in told
    assert not (tmp_path / "x.zip").exists()


def test_a_library_that_was_never_heard_is_told_which_command_does_it(capsys, tmp_path):
    write_toy_library(tmp_path / "library")
    assert "`nightcrate rebuild` does it now" in refused(capsys, "search", "bass", "--library", tmp_path / "library")

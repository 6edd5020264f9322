"""`nightcrate search`, `show` and `pack` with words, on a small library with the starter's ear."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from catalog.embedders import load_embedder
from catalog.library import Library
from flows.stages import embed_missing
from generation.audio import Clip, write_clip
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


def test_exclusions_alone_list_what_is_left(capsys, library):
    def found(*arguments):
        code, out, err = run(capsys, "search", *arguments, "--library", library, "--json")
        assert (code, err) == (0, ""), arguments
        return [sound["family"] for sound in json.loads(out)]

    for written in (("-bass",), ("-k", 5, "-bass"), ("-k5", "-bajo"), ("-kick -bass",), ("--family", "vocal", "-dark")):
        assert found(*written) == ["vocal", "vocal"], written
    assert found('-"dark" -vocal') == ["bass"]
    assert len(json.loads(run(capsys, "search", "--library", library, "--json", "--", "-bass")[1])) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("bass", "--famly", "bass"), "--family"), (("--famly=bass", "-dark"), "--family"), (("bass", "-famly", "x"), "")]
    + [(("bass", "-k"), "-k"), (("bass", "-k", "-bass"), "-k"), ((), "query")]
    + [(("-b",), "no such option: -b"), (("-h",), "no such option: -h"), (("bass", "-x"), "no such option: -x")],
)
def test_an_unknown_option_is_refused_with_the_nearest(capsys, arguments, told):
    code, out, err = run(capsys, "search", *arguments)
    assert (code, out) == (2, "") and told.lower() in err.lower()


@pytest.mark.parametrize(
    ("arguments", "words", "quoted"),
    [
        (("search", "bass", "-k3", "-vocal"), "-vocal", "'bass -vocal'"),
        (("search", "-vocal", "dark", "bass"), "dark bass", "'-vocal dark bass'"),
        (("pack", "bass", "-c#2", "--out", "x.zip"), "-c#2", "'bass -c#2'"),
    ],
)
def test_words_apart_are_refused_with_how_to_write_them(capsys, arguments, words, quoted):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert f"unexpected words: {words}; write all words of a query as one: {quoted}" in " ".join(err.split())


def test_sounds_that_a_kill_left_without_vectors_are_told_beside_the_answer(capsys, library, tmp_path):
    shutil.copytree(library, tmp_path / "killed")
    connection = sqlite3.connect(tmp_path / "killed" / "catalog.sqlite")
    with connection:
        connection.execute("DELETE FROM embedding WHERE sample_id IN (SELECT sample_id FROM embedding LIMIT 2)")
        (kept,) = connection.execute("SELECT sample_id FROM embedding LIMIT 1").fetchone()
    connection.close()
    killed = ("--library", tmp_path / "killed")
    line = (
        "nightcrate: 2 accepted sounds are not searchable yet; "
        "`nightcrate rebuild` or the end of the night makes their vectors\n"
    )
    for command in (("search", "bass"), ("similar", kept)):
        code, out, err = run(capsys, *command, *killed, "--json")
        assert (code, err) == (0, line)
        assert len(json.loads(out)) == (2 if command[0] == "search" else 1)
        assert run(capsys, *command, "--library", library)[2] == ""
    code, out, _ = run(capsys, "verify", *killed)
    assert code == 0
    assert (
        out
        == "4 accepted sounds, 2 of them not searchable yet (`nightcrate rebuild` makes their vectors), 0 problems\n"
    )
    assert json.loads(run(capsys, "verify", *killed, "--json")[1]) == {"sounds": 4, "not_searchable": 2, "problems": []}
    assert run(capsys, "rebuild", *killed)[0] == 0
    assert run(capsys, "search", "bass", *killed)[2] == ""
    assert run(capsys, "verify", *killed)[1] == "4 accepted sounds, 0 problems\n"


@pytest.fixture
def flat(library, tmp_path):
    """The library with its first sound a little flat and its second without a note."""
    shutil.copytree(library, tmp_path / "flat")
    with closing(sqlite3.connect(tmp_path / "flat" / "catalog.sqlite")) as rows, rows:
        rows.execute("UPDATE sample SET cents = -0.4 WHERE id = 1")
        rows.execute("UPDATE sample SET midi_note = NULL, cents = NULL WHERE id = 2")
    return ("--library", tmp_path / "flat")


def test_a_sound_a_little_flat_is_not_minus_nothing(capsys, flat):
    _, out, _ = run(capsys, "search", "bass", *flat)
    assert "A1 +0 ct" in out and "-0 ct" not in out


def test_show_tells_notes_by_name_and_cents_with_their_unit(capsys, flat):
    lines = run(capsys, "show", "1", *flat)[1].splitlines()
    assert {"note: A1", "cents: +0 ct", "note_asked: A1"} <= set(lines)
    told = json.loads(run(capsys, "show", "1", *flat, "--json")[1])
    assert (told["note"], told["cents"], told["note_asked"]) == ("A1", -0.4, 33)
    assert {"note: -", "cents: -", "note_asked: E1"} <= set(run(capsys, "show", "2", *flat)[1].splitlines())


def test_verify_counts_the_sounds_of_a_library_that_was_never_heard(capsys, tmp_path):
    write_toy_library(tmp_path / "library")
    told = json.loads(run(capsys, "verify", "--library", tmp_path / "library", "--json")[1])
    assert (told["sounds"], told["not_searchable"], told["problems"]) == (4, 4, [])


@pytest.mark.parametrize(
    ("samples", "why"),
    [(np.zeros(16_000), "silent"), (np.sin(np.arange(16)), "it sounds for 1 ms"), (np.full(16_000, 0.5), "silent")],
)
def test_similar_to_what_cannot_be_heard_is_refused(capsys, library, tmp_path, samples, why):
    write_clip(tmp_path / "nothing.wav", Clip(samples.astype(np.float32)[None], 16_000))
    told = refused(capsys, "similar", tmp_path / "nothing.wav", "--library", library, "--json")
    assert f"holds no sound that can be compared: {why}" in told


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


def test_a_pack_of_exclusions_alone(capsys, library, tmp_path):
    out_file = tmp_path / "rest.zip"
    assert run(capsys, "pack", "-bass", "--out", out_file, "--library", library)[0] == 0
    sounds = [name for name in zipfile.ZipFile(out_file).namelist() if name.endswith(".wav")]
    assert len(sounds) == 2 and all("vocal" in name for name in sounds)


def test_a_pack_of_unknown_words_is_refused(capsys, library, tmp_path):
    told = refused(capsys, "pack", "kick drum", "-k", 3, "--out", tmp_path / "x.zip", "--library", library)
    assert "nothing here is known to fit" in told and "--family" in told
    assert not (tmp_path / "x.zip").exists()


def test_a_library_that_was_never_heard_is_told_which_command_does_it(capsys, tmp_path):
    write_toy_library(tmp_path / "library")
    assert "`nightcrate rebuild` does it now" in refused(capsys, "search", "bass", "--library", tmp_path / "library")

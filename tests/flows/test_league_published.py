"""`nightcrate league --vggish --cnn14 --reference`: figures of the literature's judges against a folder of notes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from catalog.embedders import VGGish, panns, vggish
from catalog.embedders.panns import Cnn14
from catalog.embedders.published_weights import PublishedWeights, keep_as_safetensors
from catalog.library import Library
from catalog.scores.extractors import cut
from catalog.scores.frechet import frechet_distance
from generation.audio import Clip, read_clip
from generation.corpus.nsynth import read_audio, read_corpus
from generation.finish import finish
from tests.catalog.toy_library import accepted, make, toy_job
from tests.flows.command_line import refused, run
from tests.flows.toy_night import tone
from tests.toy_corpus import write_toy_corpus

SOUNDS = 52
NOTES = 54
"""Of basses and mallets together: 3 pitches of each at 9 velocities; fewer than 50 would leave distances unscored."""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("notes"), velocities=range(20, 128, 12)) / "valid"


@pytest.fixture
def own_notes(notes: Path, tmp_path: Path) -> Path:
    """A copy of the notes, to be changed."""
    return Path(shutil.copytree(notes, tmp_path / "notes" / "valid"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Basses and mallets of one model, tones that differ by their seed."""
    path = tmp_path_factory.mktemp("crate") / "library"
    jobs = [
        toy_job(seed, family=("bass", "mallet")[seed % 2], source=("synthetic", "acoustic")[seed % 2])
        for seed in range(SOUNDS)
    ]
    clips = {job.key: tone(40 + job.seed % 30, 0.4 + 0.02 * job.seed) for job in jobs}
    with Library.open(path, create=True) as opened:
        make(opened, jobs, lambda key: replace(accepted(key), clip=clips[key], raw=None))
    return path


def weights(folder: Path, net: torch.nn.Module, origin_sha256: str) -> Path:
    """Seeded weights in the safetensors form, as if they came from the published file."""
    path = folder / "weights.pth"
    keep_as_safetensors(path, PublishedWeights(net.state_dict(), origin_sha256))
    return path.with_suffix(".safetensors")


@pytest.mark.slow
def test_figures_of_the_published_judges(
    capsys: pytest.CaptureFixture[str], library: Path, notes: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = VGGish()
    (tmp_path / "cnn14").mkdir()
    files = (
        "--vggish", weights(tmp_path, net, vggish.PUBLISHED.sha256),
        "--cnn14", weights(tmp_path / "cnn14", Cnn14(), panns.PUBLISHED.sha256),
    )  # fmt: skip
    asked = ("league", "--library", library, "--reference", notes, *files, "--length", 1, "--json")
    code, out, err = run(capsys, *asked)
    assert code == 0, err
    rows = {(row["figure"], row["kind"], row["label"]): row for row in json.loads(out)["scores"]}
    assert {key[0] for key in rows} == {"FAD [VGGish]", "FD [Cnn14]", "KL [Cnn14]", "FD [clap-starter]"}
    fad, kl = rows["FAD [VGGish]", "all", ""], rows["KL [Cnn14]", "all", ""]
    assert (fad["n"], fad["length_s"], fad["embedder"]) == (SOUNDS, 1.0, "vggish@100869762458")
    assert fad["reference"] == "toy corpus, valid" and fad["settings"]["reference_n"] == NOTES
    assert "TANGO" in fad["settings"]["protocol"]
    with Library.open(library, read_only=True) as opened:
        masters = [cut(read_clip(opened.audio_path(sample)), 1.0) for sample in opened.samples()]
    real = [
        cut(finish(Clip(read_audio(note)[None], 16_000)), 1.0)
        for note in read_corpus(notes).notes if note.family in ("bass", "mallet")
    ]  # fmt: skip
    heard, wanted = (net.embed_batch(np.stack([one.mono() for one in side]))[:, 0] for side in (masters, real))
    assert fad["value"] == pytest.approx(frechet_distance(heard, wanted), rel=1e-4)
    assert abs(kl["value"]) < 1e-2 and kl["low"] <= kl["value"] <= kl["high"]
    assert kl["settings"]["of_the_reference_itself"] is not None
    assert rows["FD [Cnn14]", "all", ""]["reason"] == f"{SOUNDS} sounds, at least 256 are needed"
    assert rows["KL [Cnn14]", "family", "mallet"]["n"] == SOUNDS // 2
    assert rows["KL [Cnn14]", "quality", "dark"]["n"] == SOUNDS
    assert figures(run(capsys, *asked)[1]) == pytest.approx(figures(out), rel=1e-9)


def figures(told: str) -> dict[str, float]:
    return {
        f"{row['figure']} {row['kind']} {row['label']}": row["value"]
        for row in json.loads(told)["scores"]
        if row["value"] is not None
    }


def test_a_folder_alone_gives_the_distance_of_the_librarys_vectors(
    capsys: pytest.CaptureFixture[str], library: Path, notes: Path
) -> None:
    code, out, err = run(capsys, "league", "--library", library, "--reference", notes, "--json")
    assert code == 0, err
    rows: list[dict[str, Any]] = json.loads(out)["scores"]
    (whole,) = [row for row in rows if row["figure"] == "FD [clap-starter]" and row["kind"] == "all"]
    assert (whole["n"], whole["reference"], whole["length_s"]) == (SOUNDS, "toy corpus, valid", None)
    assert whole["value"] is not None and whole["low"] <= whole["value"] <= whole["high"]
    kept = [path.stat().st_mtime_ns for path in (library / "index").glob("reference-*")]
    assert kept
    assert figures(run(capsys, "league", "--library", library, "--reference", notes, "--json")[1]) == figures(out)
    assert [path.stat().st_mtime_ns for path in (library / "index").glob("reference-*")] == kept


def test_a_few_notes_are_no_reference(capsys: pytest.CaptureFixture[str], library: Path, tmp_path: Path) -> None:
    corpus = write_toy_corpus(tmp_path / "notes") / "valid"
    code, out, err = run(capsys, "league", "--library", library, "--reference", corpus, "--json")
    assert code == 0, err
    rows = {(row["kind"], row["label"]): row for row in json.loads(out)["scores"]}
    assert {row["value"] for row in rows.values()} == {None}
    assert rows["all", ""]["reason"] == "6 real notes, at least 50 are needed"


def test_a_changed_folder_is_heard_again(capsys: pytest.CaptureFixture[str], library: Path, own_notes: Path) -> None:
    corpus = own_notes
    before = figures(run(capsys, "league", "--library", library, "--reference", corpus, "--json")[1])
    examples = json.loads((corpus / "examples.json").read_text())
    (corpus / "examples.json").write_text(json.dumps({k: v for k, v in examples.items() if v["pitch"] < 80}))
    first = next(iter((corpus / "audio").glob("bass*")))
    first.write_bytes(next(iter((corpus / "audio").glob("mallet*"))).read_bytes())
    after = figures(run(capsys, "league", "--library", library, "--reference", corpus, "--json")[1])
    assert after.keys() == before.keys() and after != before


def test_a_cell_whose_notes_are_silent_does_not_cost_the_others(
    capsys: pytest.CaptureFixture[str], library: Path, own_notes: Path
) -> None:
    corpus = own_notes
    for path in sorted((corpus / "audio").glob("flute*"))[1:]:
        soundfile.write(path, np.zeros(16_000, np.float32), 16_000)
    code, out, _ = run(capsys, "league", "--library", library, "--reference", corpus, "--json")
    assert code == 0 and figures(out)


FOLDER = object()
"""Stands for the folder of notes, which is made later."""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--vggish", "x.pth"), "--vggish measures against real notes; add --reference FOLDER"),
        (
            ("--cnn14", "x.pth", "--reference", FOLDER),
            "x.pth: there is no such file; needed is Cnn14_16k_mAP=0.438.pth",
        ),
        (("--reference", "none"), "none: is no folder"),
        (("--reference", FOLDER, "--length", "2"), "add --vggish or --cnn14, or leave it out"),
        (("--length", "2"), "add --vggish or --cnn14, or leave it out"),
        *(
            (("--vggish", "x.pth", "--reference", FOLDER, "--length", length), "1 to 60 seconds are needed")
            for length in ("inf", "nan", "100000", "60.5", "0.5")
        ),
    ],
)
def test_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], library: Path, notes: Path, arguments: tuple[object, ...], told: str
) -> None:
    asked = [notes if one is FOLDER else one for one in arguments]
    assert told in refused(capsys, "league", "--library", library, *asked)


def test_an_empty_library_has_nothing_to_score(capsys: pytest.CaptureFixture[str], notes: Path, tmp_path: Path) -> None:
    Library.open(tmp_path / "empty", create=True).close()
    code, _, err = run(capsys, "league", "--library", tmp_path / "empty", "--reference", notes)
    assert code == 1 and "holds no sound" in err.splitlines()[-1]

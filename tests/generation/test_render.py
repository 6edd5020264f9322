"""A small corpus rendered for real through FluidSynth: layout, labels, licence, determinism, errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from generation.corpus.nsynth import read_corpus
from generation.corpus.render import render_corpus, render_instrument
from generation.corpus.roster import instruments
from generation.corpus.soundfont import SoundFontPlayer, soundfont_info
from generation.errors import CorpusError
from generation.prompts.vocabulary import CELLS


@pytest.fixture(scope="module")
def corpus(soundfont: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "corpus"
    licence = out.parent / "licence.txt"
    licence.write_text("Somebody made this; MIT.\n", encoding="utf-8")
    render_corpus(
        [soundfont],
        out,
        licence="MIT",
        licence_file=licence,
        notes_per_instrument=2,  # the lowest key of an organ may sound below every piano
        workers=1,
        command="test",
    )
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_corpus_reads_back_as_nsynth_with_every_cell_in_both_splits(corpus: Path) -> None:
    train, valid = (read_corpus(corpus / split) for split in ("train", "valid"))
    assert {(n.source, n.family) for n in train.notes} == set(CELLS)
    assert {(n.source, n.family) for n in valid.notes} == set(CELLS)
    assert not {n.instrument_str for n in train.notes} & {n.instrument_str for n in valid.notes}
    assert not train.dropped and not valid.dropped
    for note in train.notes[::40]:
        wave, rate = soundfile.read(note.path)
        assert rate == 16_000 and wave.shape == (64_000,) and 0.003 < np.max(np.abs(wave)) <= 0.76


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_licence_and_attribution_travel_with_the_corpus(corpus: Path, soundfont: Path) -> None:
    info = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))
    assert info["licence"] == "MIT" and info["attribution"] == "Somebody made this; MIT."
    assert info["parts"][0]["file"] == soundfont.name and len(info["parts"][0]["sha256"]) == 64
    assert info["parts"][0]["info_name"] == soundfont_info(soundfont)["name"]
    assert info["notes"]["train"] == len(read_corpus(corpus / "train").notes)


def test_an_instrument_renders_the_same_twice(soundfont: Path, tmp_path: Path) -> None:
    chosen = next(i for i in instruments([soundfont]) if i.name == "harpsichord")
    hashes = []
    for run in ("a", "b"):
        (tmp_path / run / "audio").mkdir(parents=True)
        players: dict[str, SoundFontPlayer] = {}
        examples, silent = render_instrument(chosen, 3, tmp_path / run, players)
        assert len(examples) == 3 and silent == 0
        hashes.append([p.read_bytes() for p in sorted((tmp_path / run / "audio").iterdir())])
    assert hashes[0] == hashes[1]


def test_equal_presets_of_two_soundfonts_are_on_the_same_side_of_the_split(
    soundfont: Path, second_soundfont: Path
) -> None:
    sides: dict[tuple[int, int], set[str]] = {}
    for instrument in instruments([soundfont, second_soundfont]):
        if instrument.program:
            sides.setdefault((instrument.program.bank, instrument.program.preset), set()).add(instrument.split)
    assert all(len(side) == 1 for side in sides.values())


def test_what_is_no_soundfont_is_refused_in_one_line(tmp_path: Path, fluidsynth: None) -> None:
    text = tmp_path / "piano.sf2"
    text.write_text("not a SoundFont")
    with pytest.raises(CorpusError, match="not a SoundFont"):
        render_corpus([text], tmp_path / "out")
    with pytest.raises(CorpusError, match="no SoundFont at"):
        render_corpus([tmp_path / "missing.sf2"], tmp_path / "out")
    with pytest.raises(CorpusError, match="no SoundFont given"):
        render_corpus([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_exists_is_not_written_into(soundfont: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="already exists"):
        render_corpus([soundfont], tmp_path)

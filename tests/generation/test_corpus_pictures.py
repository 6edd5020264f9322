"""Pictures of a corpus: what decides them, which notes are in a subset, how mixtures sound, how they are drawn."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import Note, read_audio, read_corpus
from generation.errors import CorpusError
from generation.training.corpus_pictures import CorpusPictures, Picturing, _stratified, codec_parameters, read_pictures
from tests.generation.toy_chopan import tone, write_corpus

N_SAMPLES = 8000


class Waves:
    """Pictures that are the sounds themselves, so that every number can be checked; counts its calls."""

    def __init__(self, **parameters: object) -> None:
        self.calls = 0
        self.picturing = Picturing("waves", N_SAMPLES, parameters, self.encode)

    def encode(self, waves: torch.Tensor) -> dict[str, torch.Tensor]:
        assert not torch.is_grad_enabled() and len(waves) <= 64
        self.calls += 1
        return {"waves": waves, "peaks": waves.abs().amax(dim=1)}


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return write_corpus(tmp_path) / "train"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus")) / "train"


def rewrite(split: Path, keep: object) -> None:
    """Leave only the notes for which `keep` holds in examples.json."""
    path = split / "examples.json"
    path.write_text(json.dumps({key: facts for key, facts in json.loads(path.read_text()).items() if keep(facts)}))


def test_a_note_keeps_its_level_and_is_cut_or_padded(split: Path) -> None:
    first = sorted((split / "audio").iterdir())[0]
    soundfile.write(first, np.full(3000, 0.25, np.float32), 16000, subtype="FLOAT")
    pictures = read_pictures(split, Waves().picturing)
    rows = pictures.take("waves", [0, 5])
    assert rows.dtype == torch.float32 and rows.shape == (2, N_SAMPLES)
    assert rows[0].tolist() == [0.25] * 3000 + [0.0] * 5000
    np.testing.assert_array_equal(rows[1], read_audio(pictures.items[5][0])[:N_SAMPLES])
    assert [note.note_str for (note,) in pictures.items] == [note.note_str for note in read_corpus(split).notes]
    assert pictures.info.licence == "MIT" and len(pictures) == 40


def test_pictures_are_made_once_and_the_corpus_reads_as_before(split: Path) -> None:
    before, waves = read_corpus(split), Waves()
    first = read_pictures(split, waves.picturing)
    assert waves.calls == 1
    again = read_pictures(split, waves.picturing, balance=0.5)
    assert waves.calls == 1
    np.testing.assert_array_equal(first.arrays["waves"], again.arrays["waves"])
    assert isinstance(first.arrays["waves"], np.memmap)
    assert (split / ".pictures").is_dir() and read_corpus(split) == before


def test_other_parameters_give_other_pictures(split: Path) -> None:
    one, two = Waves(bands=64), Waves(bands=65)
    read_pictures(split, one.picturing)
    read_pictures(split, two.picturing)
    assert (one.calls, two.calls) == (1, 1)
    smaller, larger = (codec_parameters(StftDbCodec(n_frames=n)) for n in (64, 65))
    assert smaller["codec"] == "StftDbCodec" and smaller["n_frames"] == 64 and smaller != larger
    json.dumps(smaller)


def test_a_changed_sound_is_pictured_anew(split: Path) -> None:
    waves = Waves()
    before = read_pictures(split, waves.picturing)
    path = before.items[7][0].path
    soundfile.write(path, np.full(len(read_audio(before.items[7][0])), 0.5, np.float32), 16000, subtype="PCM_16")
    after = read_pictures(split, waves.picturing)
    assert waves.calls == 2 and float(after.take("peaks", [7])) == 0.5
    os.utime(path, ns=(0, 0))  # the same length with other contents has at least another date
    read_pictures(split, waves.picturing)
    assert waves.calls == 3


def test_a_note_more_or_less_is_pictured_anew(split: Path) -> None:
    waves = Waves()
    read_pictures(split, waves.picturing)
    rewrite(split, lambda facts: facts["pitch"] != 44)
    assert len(read_pictures(split, waves.picturing).arrays["waves"]) == 36 and waves.calls == 2


def test_a_corpus_that_cannot_be_written_is_kept_in_the_users_cache(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (split / ".pictures").write_text("no folder can be made here, whoever asks")
    waves = Waves()
    for _ in range(2):
        read_pictures(split, waves.picturing)
    assert waves.calls == 1 and list((tmp_path / "cache" / "nightcrate").rglob("waves.npy"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(split / ".pictures"))
    with pytest.raises(CorpusError, match="waves pictures cannot be written.*XDG_CACHE_HOME") as refused:
        read_pictures(split, waves.picturing)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"RIFF and no more"), "cannot be read as sound"),
        (lambda path: soundfile.write(path, np.zeros(9000), 22050), "22050 Hz"),
        (lambda path: soundfile.write(path, np.zeros(0), 16000), "no sound"),
        (lambda path: soundfile.write(path, np.full(9000, np.nan), 16000, subtype="FLOAT"), "NaN"),
        (lambda path: path.unlink(), "missing"),
    ],
    ids=["not a sound", "rate", "empty", "nan", "gone"],
)
def test_a_bad_sound_is_named_and_nothing_is_kept(split: Path, spoil, message: str) -> None:
    path = sorted((split / "audio").iterdir())[9]
    spoil(path)
    with pytest.raises(CorpusError, match=message) as refused:
        read_pictures(split, Waves().picturing)
    assert path.name in str(refused.value) and "\n" not in str(refused.value)
    assert not list(split.glob(".pictures/**/*.npy"))


def test_families_without_an_example_are_named_in_one_line(split: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_pictures(split, Waves().picturing)
    (line,) = caplog.messages
    assert str(split) in line and "brass, guitar, keyboard" in line and "bass," not in line and "flute" not in line


def test_balance_draws_all_cells_alike(split: Path) -> None:
    rewrite(split, lambda facts: facts["instrument_family_str"] == "bass" or facts["pitch"] == 40)
    for balance, share in ((0.0, 2 / 22), (1.0, 0.5), (0.5, 1 / (1 + (20 / 2) ** 0.5))):
        pictures = read_pictures(split, Waves().picturing, balance=balance)
        flutes = np.array([note.family == "flute" for (note,) in pictures.items])
        assert pictures.weights.sum() == pytest.approx(1) and pictures.weights[flutes].sum() == pytest.approx(share)
        drawn = np.concatenate([pictures.draw(3, index, 50) for index in range(100)])
        assert flutes[drawn].mean() == pytest.approx(share, abs=0.03)


def test_draws_are_a_function_of_seed_and_index_and_those_of_choice(shared: Path) -> None:
    pictures = read_pictures(shared, Waves().picturing, balance=0.7)
    for index in range(20):
        expected = np.random.default_rng([5, index, 1]).choice(40, 16, p=pictures.weights)
        np.testing.assert_array_equal(pictures.draw(5, index, 16), expected)
    assert not np.array_equal(pictures.draw(5, 0, 16), pictures.draw(6, 0, 16))


def a_note(instrument: str, pitch: int) -> Note:
    family, source, _ = instrument.split("_")
    return Note(f"{instrument}-{pitch:03d}-100", instrument, family, source, pitch, 100, (), 16000, Path("none"))


@effort(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    count=st.integers(1, 100),
    seed=st.integers(0, 2**32),
)
def test_a_subset_has_every_instrument_and_its_share(sizes: list[int], count: int, seed: int) -> None:
    names = [f"{'bass' if n % 3 else 'flute'}_synthetic_{n:03d}" for n in range(len(sizes))]
    notes = [a_note(name, 30 + p) for name, size in zip(names, sizes, strict=True) for p in range(size)]
    chosen = _stratified(notes, count, seed)
    assert len(chosen) == min(count, len(notes)) == len(set(chosen))
    assert list(chosen) == [note for note in notes if note in set(chosen)], "the order of the corpus is kept"
    assert chosen == _stratified(notes, count, seed)
    assert set(chosen) <= set(_stratified(notes, count + 1, seed))
    held = Counter(note.instrument_str for note in chosen)
    if count >= len(names):
        assert held.keys() == set(names)
        share = min(1.0, count / len(notes))
        assert all(
            abs(held[name] - share * size) <= 2 + len(names) * share for name, size in zip(names, sizes, strict=True)
        )
    else:
        families = Counter(note.family for note in chosen)
        available = Counter(name.split("_")[0] for name in names)
        assert max(held.values()) == 1
        # Cell by cell in turn: no family leads another by more than one while that one has instruments left.
        assert all(families[a] - families[b] <= 1 for a in available for b in available if families[b] < available[b])


def test_a_subset_is_read_and_pictured_alone(shared: Path) -> None:
    waves = Waves()
    pictures = read_pictures(shared, waves.picturing, subset=6, seed=1)
    assert len(pictures) == len(pictures.weights) == len(pictures.arrays["waves"]) == 6
    assert len({note.instrument_str for (note,) in pictures.items}) == 4
    others = read_pictures(shared, waves.picturing, subset=6, seed=2)
    assert waves.calls == 2 and others.items != pictures.items
    assert len(read_pictures(shared, waves.picturing, subset=999)) == 40


def gain_db(pictures: CorpusPictures, row: int) -> float:
    """How much quieter the second note of a mixture is, by least squares over what was pictured."""
    parts = [read_audio(note)[:N_SAMPLES].astype(np.float64) for note in pictures.items[row]]
    columns = np.stack([part / np.abs(part).max() for part in parts], axis=1)
    wave = pictures.take("waves", [row])[0].double().numpy()
    (louder, quieter), error, *_ = np.linalg.lstsq(columns, wave, rcond=None)
    assert error[0] < 1e-6, "the mixture is the sum of its two notes and of nothing else"
    return float(20 * np.log10(louder / quieter))


def test_mixtures_are_two_notes_the_second_up_to_9_db_lower(shared: Path) -> None:
    waves = Waves()
    pictures = read_pictures(shared, waves.picturing, mixtures=70, seed=4)
    assert waves.calls == 2 and len(pictures) == 70
    np.testing.assert_allclose(pictures.arrays["peaks"], 1.0, atol=1e-6)
    assert pictures.weights.tolist() == [1 / 70] * 70
    gains_db = [gain_db(pictures, row) for row in range(70)]
    assert -1e-3 <= min(gains_db) < 1.5 and 7.5 < max(gains_db) <= 9 + 1e-3
    assert all(len(item) == 2 and item[0] != item[1] for item in pictures.items)
    assert len({note for item in pictures.items for note in item}) > 30


def test_mixtures_are_a_function_of_their_seed(shared: Path) -> None:
    waves = Waves()
    first, again, other = (read_pictures(shared, waves.picturing, mixtures=9, seed=seed) for seed in (4, 4, 5))
    assert waves.calls == 2 and first.items == again.items != other.items
    of_few = read_pictures(shared, waves.picturing, subset=3, mixtures=9, seed=4)
    assert len({note for item in of_few.items for note in item}) == 3


def test_mixtures_draw_rare_cells_more_often(split: Path) -> None:
    rewrite(split, lambda facts: facts["instrument_family_str"] == "bass" or facts["pitch"] == 40)
    shares = []
    for balance in (0.0, 1.0):
        pictures = read_pictures(split, Waves().picturing, balance=balance, mixtures=600)
        shares.append(np.mean([item[0].family == "flute" for item in pictures.items]))
    assert shares[0] == pytest.approx(2 / 22, abs=0.05) and shares[1] == pytest.approx(0.5, abs=0.07)


def test_one_note_cannot_be_mixed(split: Path) -> None:
    with pytest.raises(CorpusError, match="two notes"):
        read_pictures(split, Waves().picturing, subset=1, mixtures=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_hundred_thousand_notes_are_never_held_whole(tmp_path: Path) -> None:
    rows = {}
    (tmp_path / "audio").mkdir()
    for number in range(700):
        instrument = f"bass_synthetic_{number:03d}"
        first: Path | None = None
        for pitch in range(21, 109):
            for velocity in (25, 50, 75, 100, 127):
                name = f"{instrument}-{pitch:03d}-{velocity:03d}"
                path = tmp_path / "audio" / f"{name}.wav"
                if first is None:
                    soundfile.write(path, tone(pitch, 0.5, 1.0, 2000), 16000, subtype="PCM_16")
                    first = path
                else:
                    os.link(first, path)
                rows[name] = {
                    "note_str": name, "instrument_str": instrument, "instrument_family_str": "bass",
                    "instrument_source_str": "synthetic", "pitch": pitch, "velocity": velocity, "sample_rate": 16000,
                    "qualities_str": [],
                }  # fmt: skip
    (tmp_path / "examples.json").write_text(json.dumps(rows), "utf-8")
    # VmHWM begins with the program; getrusage would count the memory of the process that started it.
    code = """
import re, sys, time
from pathlib import Path
from generation.corpus.nsynth import read_corpus
from generation.training.corpus_pictures import Picturing, read_pictures

def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3

read_corpus(sys.argv[1])
before_mb = peak_mb()
picturing = Picturing("waves", 2000, {}, lambda waves: {"waves": waves})
pictures = read_pictures(Path(sys.argv[1]), picturing, balance=0.5)
extra_mb = peak_mb() - before_mb  # rows that are taken later are the disk cache's pages
rows = pictures.take("waves", pictures.draw(0, 0, 64))
began = time.monotonic()
del pictures
again = read_pictures(Path(sys.argv[1]), picturing, balance=0.5)
assert (again.take("waves", again.draw(0, 0, 64)) == rows).all()
print(len(again), again.arrays["waves"].nbytes / 1e6, extra_mb, time.monotonic() - began)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    count, pictured_mb, extra_mb, again_s = map(float, done.stdout.split())
    assert count == 308_000 and pictured_mb > 2400
    assert extra_mb < 200
    assert again_s < 60, "pictures that are there need not be made"

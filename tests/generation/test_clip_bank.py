"""The bank: what it stores and how exactly, its size on disk, and which notes it takes from a corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.codecs.stft_db import StftDbCodec
from generation.corpus.nsynth import Note
from generation.models.clip_bank import ClipBank
from generation.prompts.vocabulary import CELLS
from generation.training.bank_notes import build_bank, choose_bank_notes
from generation.training.stft_pictures import read_stft_pictures
from tests.generation.toy_chopan import toy_tower, write_corpus

FACTS = [
    {"note_str": f"bass_synthetic_{i:03d}-040-100", "pitch": 40 + i, "family": "bass", "source": "synthetic",
     "qualities": ["dark"] * (i % 2)}
    for i in range(5)
]  # fmt: skip


def filled(dtype: str, size: int = 5) -> tuple[ClipBank, torch.Tensor]:
    pictures = torch.rand(size, 1, 256, 64, generator=torch.Generator().manual_seed(0))
    embeddings = torch.nn.functional.normalize(torch.randn(size, 8), dim=1)
    ranges = torch.tensor([[-80.0, 0.1]]).expand(size, 2)
    return ClipBank.filled(FACTS[:size], embeddings, pictures, ranges, dtype), pictures


def note(source: str, family: str, instrument: int, pitch: int, qualities: tuple[str, ...] = ()) -> Note:
    name = f"{family}_{source}_{instrument:03d}"
    return Note(f"{name}-{pitch:03d}-100", name, family, source, pitch, 100, qualities, 16000, Path("none"))


@pytest.mark.parametrize(("dtype", "error"), [("uint8", 0.51 / 255), ("float16", 3e-4)])
def test_saves_and_loads_what_it_was_given(tmp_path: Path, dtype: str, error: float) -> None:
    bank, pictures = filled(dtype)
    bank.save_pretrained(tmp_path)
    loaded = ClipBank.from_pretrained(tmp_path)
    assert len(loaded) == 5
    assert loaded.pitches == [40, 41, 42, 43, 44]
    assert loaded.note_strs == [facts["note_str"] for facts in FACTS]
    assert [facts["qualities"] for facts in loaded.config.notes] == [facts["qualities"] for facts in FACTS]
    assert (loaded.pictures_of([3, 1]) - pictures[[3, 1]]).abs().max() <= error
    assert torch.equal(loaded.pictures_of(range(5)), bank.pictures_of(range(5)))
    assert torch.equal(loaded.ranges_of([2]), torch.tensor([[-80.0, 0.1]]))
    assert torch.equal(loaded.similarities(torch.eye(8)), bank.similarities(torch.eye(8)))


def test_similarity_is_the_cosine() -> None:
    bank, _ = filled("uint8")
    itself = bank.similarities(bank.embeddings.float())
    assert torch.allclose(itself.diagonal(), torch.ones(5), atol=2e-3)
    assert torch.allclose(itself, itself.T, atol=1e-6)


def test_unknown_picture_type_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8 or float16 is needed"):
        ClipBank(FACTS, picture_dtype="int4")


def test_the_starter_bank_stays_below_8_mb(tmp_path: Path) -> None:
    bank = ClipBank([FACTS[0]] * 476, embedding_size=128)
    bank.save_pretrained(tmp_path)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").stat().st_size <= 8_000_000


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(CELLS), st.integers(0, 3), st.integers(21, 108), st.sampled_from([(), ("dark",)])),
        min_size=1,
        max_size=120,
        unique_by=lambda row: row[:3],
    ),
    st.integers(1, 60),
)
def test_choice_is_repeatable_within_size_and_balanced(
    rows: list[tuple[tuple[str, str], int, int, tuple[str, ...]]], size: int
) -> None:
    notes = [note(*cell, number, pitch, qualities) for cell, number, pitch, qualities in rows]
    chosen = choose_bank_notes(notes, size)
    assert chosen == sorted(set(chosen)) == choose_bank_notes(notes, size)
    assert len(chosen) == min(size, len(notes))
    have = Counter((note.source, note.family) for note in notes)
    got = Counter((notes[i].source, notes[i].family) for i in chosen)
    # A cell gets less than another only where the corpus has no more, or by the one note that is left over.
    assert all(got[cell] >= min(have[cell], max(got.values()) - 1) for cell in have)


def test_five_notes_gather_at_a_pitch_and_vary() -> None:
    notes = [
        note("acoustic", "flute", number, pitch, (("dark",), (), ("reverb",))[(number + pitch) % 3])
        for number in range(6)
        for pitch in range(50, 90)
    ]
    chosen = [notes[i] for i in choose_bank_notes(notes, 15)]
    pitches = sorted(each.pitch for each in chosen)
    groups = [pitches[:5], pitches[5:10], pitches[10:]]
    assert all(group[-1] - group[0] <= 4 for group in groups)
    assert groups[1][0] - groups[0][-1] > 4 and groups[2][0] - groups[1][-1] > 4
    for group in groups:
        members = [each for each in chosen if group[0] <= each.pitch <= group[-1]]
        assert len({each.instrument_str for each in members}) >= 4
        assert len({each.qualities for each in members}) == 3


def test_without_a_size_every_instrument_and_quality_set_is_there_once() -> None:
    notes = [
        note("acoustic", "flute", number, pitch, ("dark",) if pitch % 2 else ())
        for number in range(7)
        for pitch in range(50, 80)
    ]
    chosen = [notes[i] for i in choose_bank_notes(notes, None)]
    sets = [(each.instrument_str, each.qualities) for each in chosen]
    assert len(sets) == len(set(sets)) == 14
    assert len({each.pitch for each in chosen}) >= 8


def test_built_from_a_corpus(tmp_path: Path) -> None:
    corpus = read_stft_pictures(write_corpus(tmp_path) / "train", StftDbCodec())
    tower = toy_tower(20)
    chosen = choose_bank_notes(corpus.notes, 8)
    bank = build_bank(corpus, chosen, tower, "uint8")
    assert bank.note_strs == [corpus.notes[i].note_str for i in chosen]
    assert torch.equal(bank.pictures_of(range(8)), corpus.take(chosen))
    with torch.no_grad():
        expected = tower.encode_pictures(corpus.take(chosen))
    assert torch.allclose(bank.embeddings.float(), expected, atol=1e-3)
    assert Counter(facts["family"] for facts in bank.config.notes) == {"bass": 4, "flute": 4}

"""Which notes ChopAN mixes: rank weights, one pitch, retuning, the thesis' plain reading, other retrievers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.pipelines.chopan_sources import (
    THESIS_SETTINGS,
    ChopANSettings,
    TextRetriever,
    choose_sources,
)

PITCHES = [60, 30, 61, 62, 58, 59, 90, 60, 63]


def falling(n: int) -> torch.Tensor:
    return torch.linspace(1.0, 0.0, n)


def test_thesis_takes_the_five_nearest_whatever_their_pitch() -> None:
    chosen = choose_sources(falling(9), PITCHES, None, THESIS_SETTINGS)
    assert chosen.indices == (0, 1, 2, 3, 4)
    assert chosen.weights == pytest.approx([5 / 15, 4 / 15, 3 / 15, 2 / 15, 1 / 15])
    assert chosen.shifts == (0, 0, 0, 0, 0)


def test_one_pitch_is_that_of_the_nearest_note() -> None:
    chosen = choose_sources(falling(9), PITCHES, None, ChopANSettings())
    assert chosen.indices == (0, 2, 3, 4, 5)
    assert chosen.shifts == (0, -1, -2, 2, 1)


def test_a_note_asked_for_decides() -> None:
    chosen = choose_sources(falling(9), PITCHES, 64, ChopANSettings())
    assert chosen.indices == (3, 8)
    assert chosen.shifts == (2, 1)
    assert chosen.weights == pytest.approx([5 / 9, 4 / 9])


def test_where_the_bank_has_no_such_note_the_nearest_comes_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        chosen = choose_sources(falling(9), PITCHES, 80, ChopANSettings())
    assert (chosen.indices, chosen.shifts) == ((6,), (-2,))
    assert "note 80 is 10 semitones from the bank's nearest" in caplog.text


@given(
    st.lists(st.integers(21, 108), min_size=1, max_size=40),
    st.one_of(st.none(), st.integers(0, 127)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_weights_sum_to_one_and_shifts_stay_in_reach(
    pitches: list[int], note: int | None, one_pitch: bool, seed: int
) -> None:
    similarities = torch.rand(len(pitches), generator=torch.Generator().manual_seed(seed))
    settings = ChopANSettings(one_pitch=one_pitch)
    chosen = choose_sources(similarities, pitches, note, settings)
    assert 1 <= len(chosen.indices) == len(chosen.weights) == len(chosen.shifts) <= 5
    assert len(set(chosen.indices)) == len(chosen.indices)
    assert sum(chosen.weights) == pytest.approx(1.0)
    assert sorted(chosen.weights, reverse=True) == list(chosen.weights)
    assert all(abs(shift) <= settings.max_shift_semitones for shift in chosen.shifts)
    found = similarities[list(chosen.indices)].tolist()
    assert found == sorted(found, reverse=True)
    if one_pitch and note is None:
        moved = [pitches[i] + shift for i, shift in zip(chosen.indices, chosen.shifts, strict=True)]
        assert set(moved) == {pitches[chosen.indices[0]]}


def test_another_retriever_answers_text_by_text() -> None:
    asked: list[list[str]] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        asked.append(list(texts))
        return np.array([[1.0, 0.0] if text == "first" else [0.0, 1.0] for text in texts], dtype=np.float32)

    retriever = TextRetriever(np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32), embed)
    cosines = retriever.similarities(["first", "other"])
    assert torch.allclose(cosines, torch.tensor([[1.0, 0.6], [0.0, 0.8]]))
    assert asked == [["first"], ["other"]]

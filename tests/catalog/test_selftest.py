"""The self-test of embedders, on encoders whose vectors are known by arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.embedders.selftest import (
    LARGEST_COSINE,
    PROBE_WORDS,
    check_text_vectors,
    check_vectors,
    largest_cosine,
)
from catalog.errors import EmbedderError


class Fan:
    """Gives the i-th probe word a vector so that any two of them have the chosen cosine."""

    dim = len(PROBE_WORDS) + 1

    def __init__(self, cosine: float, name: str = "toy") -> None:
        self.id = name
        self.shared, self.own = np.sqrt(cosine), np.sqrt(1 - cosine)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dim), np.float32)
        rows[:, 0] = self.shared
        for row, text in zip(rows, texts, strict=True):
            row[1 + PROBE_WORDS.index(text)] = self.own
        return rows


def test_a_healthy_encoder_passes_and_its_figure_is_returned() -> None:
    assert check_text_vectors(Fan(0.18)) == pytest.approx(0.18, abs=1e-6)


@given(cosine=st.floats(0.0, 1.0))
def test_the_limit_is_where_it_says(cosine: float) -> None:
    if abs(cosine - LARGEST_COSINE) < 1e-5:
        return
    if cosine < LARGEST_COSINE:
        check_text_vectors(Fan(cosine))
    else:
        with pytest.raises(EmbedderError, match="text vectors collapse"):
            check_text_vectors(Fan(cosine))


def test_a_collapsed_encoder_is_refused_in_one_line_with_name_and_figure() -> None:
    with pytest.raises(EmbedderError) as caught:
        check_text_vectors(Fan(0.9993, "laion/larger_clap_music"))
    message = str(caught.value)
    assert message.startswith("laion/larger_clap_music: cannot tell bass, flute and snare apart")
    assert "cosine 0.999" in message
    assert "\n" not in message


class Deaf(Fan):
    """Takes the third word for the first."""

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed_text([PROBE_WORDS[0] if text == PROBE_WORDS[2] else text for text in texts])


class Noisy(Fan):
    """Gives another vector at each call, like an encoder left in training mode."""

    rng = np.random.default_rng(0)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        rows = self.rng.standard_normal((len(texts), self.dim)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_two_equal_words_are_enough_to_refuse() -> None:
    with pytest.raises(EmbedderError, match=r"cosine 1\.000"):
        check_text_vectors(Deaf(0.0))


def test_an_encoder_with_dropout_is_refused() -> None:
    with pytest.raises(EmbedderError, match="other vectors each time"):
        check_text_vectors(Noisy(0.0))


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.eye(3, dtype=np.float32), r"float32 \[3, 3\] where float32 \[3, 4\]"),
        (np.eye(3, 4, dtype=np.float64), r"float64 \[3, 4\]"),
        (np.ones(4, np.float32), r"float32 \[4\]"),
        (np.full((3, 4), np.nan, np.float32), "NaN or infinite"),
        (2 * np.eye(3, 4, dtype=np.float32), "length 2"),
        (np.zeros((3, 4), np.float32), "length 0"),
    ],
)
def test_malformed_vectors_are_refused(vectors: np.ndarray, words: str) -> None:
    with pytest.raises(EmbedderError, match=words):
        check_vectors("toy", vectors, 3, 4)


def test_no_vectors_are_fine_when_none_were_asked_for() -> None:
    check_vectors("toy", np.zeros((0, 4), np.float32), 0, 4)


def test_the_largest_cosine_leaves_out_the_diagonal() -> None:
    angle = np.array([0.0, np.pi / 3, np.pi], np.float32)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert largest_cosine(vectors) == pytest.approx(0.5, abs=1e-6)

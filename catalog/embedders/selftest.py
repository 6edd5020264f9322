"""The test that every embedder passes before it is trusted: do its vectors tell words apart at all?

Some published checkpoints load without a word and then give nearly the same text vector for any text: the
mean cosine between unlike texts was measured at 0.9993 for laion/larger_clap_music through transformers,
against 0.18 for laion/clap-htsat-unfused (embeddings-benchmark/mteb, issue 5069). An empty tokenizer does
the same, and transformers makes one silently when it cannot find a vocabulary. Search over such vectors
answers at random, so they are refused at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from catalog.errors import EmbedderError

PROBE_WORDS = ("bass", "flute", "snare")
"""Three sounds that nobody confuses."""

LARGEST_COSINE = 0.8
"""No two probe words may lie closer than this: our own choice, far above 0.18 and far below 0.9993."""

_UNIT_TOLERANCE = 1e-3


def check_vectors(embedder_id: str, vectors: np.ndarray, count: int, dim: int) -> None:
    """Make sure that an embedder kept its promise: float32 [count, dim], finite, each row of length 1.

    Raises EmbedderError, one line with the embedder's name and what came instead.
    """
    if vectors.shape != (count, dim) or vectors.dtype != np.float32:
        came = f"{vectors.dtype} {list(vectors.shape)}"
        raise EmbedderError(
            f"{embedder_id}: gave {came} where float32 [{count}, {dim}] is needed; use another embedder"
        )
    if not np.isfinite(vectors).all():
        raise EmbedderError(f"{embedder_id}: gave NaN or infinite vectors; its weights are damaged, fetch them again")
    lengths = np.linalg.norm(vectors, axis=1)
    if count and float(np.max(np.abs(lengths - 1.0))) > _UNIT_TOLERANCE:
        worst = float(lengths[np.argmax(np.abs(lengths - 1.0))])
        raise EmbedderError(
            f"{embedder_id}: gave a vector of length {worst:.4g} where 1 is needed; use another embedder"
        )


def largest_cosine(vectors: np.ndarray) -> float:
    """Return the largest cosine between two different rows of L2-normalised float32 [n, d], n >= 2."""
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    return float(np.max(cosines[~np.eye(len(vectors), dtype=bool)]))


class TextEncoder(Protocol):
    """The part of an embedder that the test needs."""

    @property
    def id(self) -> str:
        """Name shown in errors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [n, dim], rows of length 1."""


def check_text_vectors(encoder: TextEncoder) -> float:
    """Refuse a text encoder whose vectors collapse or change from call to call.

    Returns the largest cosine between two of the PROBE_WORDS, at most LARGEST_COSINE.
    Raises EmbedderError, one line, when it is larger, when the vectors are malformed, or when the same
    words in another order get other vectors (an encoder left in training mode).
    """
    words = list(PROBE_WORDS)
    vectors = encoder.embed_text(words)
    check_vectors(encoder.id, vectors, len(words), encoder.dim)
    again = encoder.embed_text(words[::-1])[::-1]
    if not np.allclose(vectors, again, atol=_UNIT_TOLERANCE):
        raise EmbedderError(f"{encoder.id}: gives the same words other vectors each time; use another embedder")
    worst = largest_cosine(vectors)
    if worst > LARGEST_COSINE:
        raise EmbedderError(
            f"{encoder.id}: cannot tell {', '.join(words[:-1])} and {words[-1]} apart (cosine {worst:.3f}, "
            f"at most {LARGEST_COSINE} is needed): its text vectors collapse; use another checkpoint, or "
            "check its tokenizer"
        )
    return worst

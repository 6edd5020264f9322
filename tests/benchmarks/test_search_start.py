"""How soon the starter's ear answers words: by its text half alone, and by the whole model through transformers.

Run by hand: pytest -m benchmark -s tests/benchmarks/test_search_start.py
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.benchmark

ROUNDS = 3
ANSWER = "from catalog.embedders import load_embedder; load_embedder('starter', {}).embed_text(['dark bass'])"


def seconds(device: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", ANSWER.format(device)], check=True, capture_output=True)
    return time.perf_counter() - started


def test_the_text_half_answers_sooner() -> None:
    rounds = [(seconds("lambda: 'cpu'"), seconds("'cpu'")) for _ in range(ROUNDS)]
    half_s, whole_s = (min(each) for each in zip(*rounds, strict=True))
    print(f"\nfirst words of a process: {half_s:.2f} s by the text half, {whole_s:.2f} s by the whole model")
    print(f"the whole model takes {whole_s / half_s:.1f} times as long")
    assert whole_s > 2 * half_s

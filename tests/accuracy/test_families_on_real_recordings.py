"""Do the starters know the families of recordings they have never heard? Floors, and the figures behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.embedders import load_embedder
from catalog.embedders.judge import Judge
from generation.prompts.vocabulary import FAMILIES
from tests.accuracy.real_oneshots import macro, recorded

pytestmark = pytest.mark.slow
SENTENCES = ("a {} sound", "{}", "a single note of a {}", "the sound of a {}")
HALVES = ("development", "once")


def _accuracies(scores: np.ndarray, truth: list[str], present: list[str]) -> dict[str, tuple[float, float]]:
    """Macro-averaged top-1 and top-3 with half-widths; scores [n, len(present)]."""
    order = np.argsort(-scores, axis=1)
    ranks = np.array([[present[k] for k in row] for row in order])
    hit = ranks == np.array(truth)[:, None]
    return {"top-1": macro(hit[:, 0], truth), "top-3": macro(hit[:, :3].any(axis=1), truth)}


@pytest.fixture(scope="module", params=HALVES)
def heard(request: pytest.FixtureRequest, oneshots: Path) -> dict[str, dict[str, tuple[float, float]]]:
    sounds = recorded(oneshots, request.param)
    truth = [sound.family for sound in sounds]
    present = [family for family in FAMILIES if family in truth]
    clips = [sound.clip() for sound in sounds]
    embedder = load_embedder("starter")
    words = [sentence.format(family.replace("_", " ")) for family in present for sentence in SENTENCES]
    text = embedder.embed_text(words).reshape(len(present), len(SENTENCES), -1).mean(axis=1)
    clap = embedder.embed_audio(clips) @ (text / np.linalg.norm(text, axis=1, keepdims=True)).T
    judged = Judge().posteriors(clips)[0]["family"][:, [FAMILIES.index(family) for family in present]]
    figures = {"clap": _accuracies(clap, truth, present), "judge": _accuracies(judged, truth, present)}
    for name, shares in figures.items():
        for top, (mean, half) in shares.items():
            print(f"{request.param} half, {name} {top}: {100 * mean:.1f} % +- {100 * half:.1f} (n = {len(sounds)})")
    return figures


def test_the_starter_clap_names_the_family_of_real_recordings(heard: dict[str, dict[str, tuple[float, float]]]) -> None:
    assert heard["clap"]["top-1"][0] >= 0.55
    assert heard["clap"]["top-3"][0] >= 0.75


def test_the_starter_judge_names_the_family_of_real_recordings(
    heard: dict[str, dict[str, tuple[float, float]]],
) -> None:
    assert heard["judge"]["top-1"][0] >= 0.55
    assert heard["judge"]["top-3"][0] >= 0.75

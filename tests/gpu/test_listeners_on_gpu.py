"""Judge, CLAP, VGGish and Cnn14 on a GPU hear what they hear on a CPU.

Run by hand where there is a GPU: pytest -s tests/gpu
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from catalog.embedders import VGGish, load_embedder
from catalog.embedders.judge import Judge
from catalog.embedders.panns import Cnn14
from catalog.scores.extractors import Cnn14Extractor, VGGishExtractor
from generation.audio import Clip

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = "cuda"


def clips() -> list[Clip]:
    """Tones and noise of several lengths and rates."""
    rng, made = np.random.default_rng(0), []
    for rate_hz, seconds in ((16_000, 4.0), (44_100, 2.5), (16_000, 1.0), (32_000, 4.0)):
        time_s = np.arange(round(rate_hz * seconds)) / rate_hz
        wave = 0.4 * np.sin(2 * np.pi * rng.uniform(60, 900) * time_s) + 0.05 * rng.standard_normal(len(time_s))
        made.append(Clip(wave[None].astype(np.float32), rate_hz))
    return made


def near(one: np.ndarray, other: np.ndarray) -> bool:
    print(f"\n{np.abs(one - other).max() / np.abs(one).max():.2e} of the largest")
    return bool(np.abs(one - other).max() <= 1e-4 * np.abs(one).max())


def test_the_judge() -> None:
    (heads, features), (on_gpu, features_on_gpu) = (Judge(device=device).posteriors(clips()) for device in ("cpu", GPU))
    assert near(features, features_on_gpu)
    assert all(near(heads[name], on_gpu[name]) for name in heads)


def test_clap_of_sounds_and_words() -> None:
    ears = [load_embedder("starter", device) for device in ("cpu", GPU)]
    assert near(*(ear.embed_audio(clips()) for ear in ears))
    assert near(*(ear.embed_text(["dark bass", "bright flute"]) for ear in ears))


@pytest.mark.parametrize("build", [lambda: VGGishExtractor(VGGish()), lambda: Cnn14Extractor(Cnn14().eval())])
def test_extractors_of_the_literature(build: Callable[[], VGGishExtractor | Cnn14Extractor]) -> None:
    torch.manual_seed(0)
    extractor = build()
    heard = extractor.embed(clips())
    extractor._net.to(GPU)
    again = extractor.embed(clips())
    assert near(heard.features, again.features) and (heard.counts == again.counts).all()
    assert heard.logits is None or (again.logits is not None and near(heard.logits, again.logits))

"""A small listening test: two models of a toy library and real notes, all short noise."""

from __future__ import annotations

from catalog.library import Library
from catalog.listening.choice import choose
from catalog.listening.records import Candidate, ChosenSound, ListeningTest
from tests.catalog.toy_library import make, toy_clip, toy_job

MODELS = ("alpha-net", "beta-net")
FAMILIES = ("bass", "flute", "organ")


def candidates(library: Library, seeds: int = 2) -> list[Candidate]:
    """Make `seeds` sounds of each model and family, and name as many real notes."""
    for model in MODELS:
        make(library, [toy_job(seed, family, model=model) for family in FAMILIES for seed in range(seeds)])
    made = [Candidate(s.job_key, s.id, s.model, s.family, s.prompt) for s in library.samples()]
    real = [Candidate(f"{f}_{n:03d}", None, None, f, f"acoustic dark {f}") for f in FAMILIES for n in range(seeds)]
    return made + real


def toy_test(library: Library, count: int = 6, name: str = "toy", seed: int = 1) -> ListeningTest:
    """Choose and keep a test of `count` sounds."""
    chosen = choose(candidates(library), count, seed)
    sounds = [ChosenSound(one, toy_clip(f"{row:08x}", 0.1 + 0.05 * row)) for row, one in enumerate(chosen)]
    return library.listening.add(name, seed, sounds)

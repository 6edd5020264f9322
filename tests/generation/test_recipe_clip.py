"""Recipe of the starter CLIP at toy size: what captions claim, the loss by hand, learning, export."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from generation.corpus.nsynth import Note
from generation.models.clip_tower import ClipTower, embed_texts
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES, understand
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.claims import Claim, claim_about, known_texts, single_words, truth
from generation.training.recipes.clip import Settings, build, jitter
from generation.training.trainer import train
from tests.generation.toy_chopan import write_corpus

TOY = Settings(
    steps=12, batch_size=16, learning_rate=3e-3, warmup_steps=2, validate_every=12, checkpoint_every=12,
    vision_width=4, text_width=32, text_layers=1, embedding_size=16, context_length=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def note(family: str = "bass", qualities: tuple[str, ...] = ("dark", "reverb"), pitch: int = 33) -> Note:
    return Note("n", "i", family, "synthetic", pitch, 100, qualities, 16000, Path("none"), "acid bass")


def test_shipped_settings_load() -> None:
    settings = load_yaml(config_path("train", "clip"), Settings)
    assert settings.precision == "bf16"


def test_a_claim_holds_for_what_it_says_and_no_more() -> None:
    said = Claim("dark bass", family="bass", qualities=("dark",))
    assert said.holds_for(note())
    assert not said.holds_for(note("flute")) and not said.holds_for(note(qualities=("reverb",)))
    assert not Claim("bass, A1", family="bass", pitch=33).holds_for(note(pitch=34))
    assert not Claim("808", family="bass", instrument="808 bass").holds_for(note())
    assert truth([said, Claim("anything")], [note(), note("flute")]).tolist() == [[True, False], [True, True]]


def test_captions_are_true_of_their_note_and_say_what_they_claim() -> None:
    rng = random.Random(0)
    claims = [claim_about(note(), rng) for _ in range(200)]
    assert all(claim.holds_for(note()) for claim in claims)
    assert len({claim.text for claim in claims}) > 80
    # Not every mistyped word is read back, so this is no equality.
    read = [(claim, understand(claim.text)) for claim in claims]
    agreed = [set(r.qualities) == set(c.qualities) and r.family == "bass" and r.note == c.pitch for c, r in read]
    assert sum(agreed) >= 190
    assert {claim.pitch for claim in claims} == {None, 33}
    assert {claim.source for claim in claims} == {None, "synthetic"}


def test_single_words_cover_the_vocabulary() -> None:
    words = single_words(random.Random(0))
    assert [claim.family for claim in words[: len(FAMILIES)]] == list(FAMILIES)
    assert {claim.source for claim in words} == {None, *SOURCES}
    assert {quality for claim in words for quality in claim.qualities} == set(QUALITIES)


def test_tokenizer_texts_hold_producers_words_and_notes() -> None:
    texts = set(known_texts([note()]))
    assert {"acid bass", "A1", "C8", "bajo", "tempo-synced", "warm"} <= texts


def test_jitter_keeps_the_range_delays_and_repeats() -> None:
    pictures = torch.rand(16, 1, 64, 32, generator=torch.Generator().manual_seed(1))
    moved = jitter(pictures, torch.Generator().manual_seed(3))
    assert moved.shape == pictures.shape and 0.0 <= float(moved.min()) <= float(moved.max()) <= 1.0
    assert torch.equal(moved, jitter(pictures, torch.Generator().manual_seed(3)))
    ramp = torch.arange(32).float().div(31).expand(16, 1, 64, 32)
    starts = jitter(ramp, torch.Generator().manual_seed(3))[:, 0, 32, -1]
    assert len({round(float(value), 3) for value in starts}) > 1


def test_a_batch_is_a_function_of_its_step(corpus: Path) -> None:
    first, second = build(corpus, TOY, "cpu"), build(corpus, TOY, "cpu")
    for name in ("pictures", "tokens", "true", "cells", "qualities"):
        assert torch.equal(getattr(first.batch(3), name), getattr(second.batch(3), name))
    assert not torch.equal(first.batch(3).tokens, first.batch(4).tokens)
    batch = first.batch(0)
    assert bool(batch.true[: TOY.batch_size].diagonal().all())


def test_learns_validates_and_exports_what_loads(corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = build(corpus, TOY, "cpu")
    with torch.no_grad():
        before = float(task.loss(task.batch(100), 100)[0])
    result = train(task, TOY, tmp_path)
    with torch.no_grad():
        after = float(task.loss(task.batch(100), 100)[0])
    assert after < before
    assert {"valid_family_accuracy", "valid_found_family", "valid_found_source"} <= set(result.figures)
    assert all(0 <= result.figures[f"valid_{name}"] <= 1 for name in ("family_accuracy", "found_source"))
    tower = ClipTower.from_pretrained(result.folder / "clip")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(result.folder / "tokenizer")
    texts = ["dark bass", "flauta brillante"]
    assert torch.allclose(
        embed_texts(tower, tokenizer, texts), embed_texts(task.tower, task.tokenizer, texts), atol=5e-3
    )
    with torch.no_grad():
        pictures = task.valid.take([0, 5])
        assert torch.allclose(tower.encode_pictures(pictures), task.tower.encode_pictures(pictures), atol=2e-2)

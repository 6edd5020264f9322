"""The CLIP wrapper and its tokenizers: what the network is shown, parity with open_clip, save and load."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from generation.models.clip_tower import ClipTower, embed_texts, token_ids
from generation.models.clip_words import openai_tokenizer, split_words, word_tokenizer
from tests.generation.toy_chopan import toy_tower

TEXTS = ["a synthetic dark fast_decay bass, A#1", "Bajo eléctrico!! it's 303", "x " * 100]


@pytest.fixture
def known_toy(tmp_path: Path) -> str:
    """An architecture that open_clip knows by name, at toy size, with OpenAI's vocabulary."""
    config = {
        "embed_dim": 8,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
    }
    (tmp_path / "toy-nightcrate.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "toy-nightcrate.json")
    return "toy-nightcrate"


def test_low_notes_are_shown_at_the_bottom_and_nothing_is_cropped() -> None:
    tower = ClipTower(toy_tower(20).config.architecture, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    lowest, highest = torch.zeros(1, 1, 256, 64), torch.zeros(1, 1, 256, 64)
    lowest[:, :, 0], highest[:, :, -1] = 1.0, 1.0
    bottom, top = tower.render(lowest), tower.render(highest)
    assert bottom.shape == (1, 3, 64, 16)
    assert int(bottom[0, 0].mean(1).argmax()) == 63 and float(bottom[0, :, :32].max()) == 0.0
    assert int(top[0, 0].mean(1).argmax()) == 0 and float(top[0, :, 32:].max()) == 0.0
    assert torch.equal(bottom[:, 0], bottom[:, 2])


def test_every_row_and_column_reaches_the_embedding() -> None:
    tower = toy_tower(20)
    picture = torch.full((1, 1, 256, 64), 0.5, requires_grad=True)
    tower.encode_pictures(picture).abs().sum().backward()
    assert picture.grad is not None
    assert bool((picture.grad[0, 0].abs().sum(1) > 0).all() and (picture.grad[0, 0].abs().sum(0) > 0).all())


def test_embeddings_have_length_one_and_text_and_picture_share_a_space() -> None:
    tower, tokenizer = toy_tower(20), word_tokenizer(["dark bass", "flute"])
    pictures, texts, scale = tower(torch.rand(3, 1, 256, 64), token_ids(tower, tokenizer, ["bass", "flute"]))
    assert (pictures.shape, texts.shape) == ((3, 16), (2, 16))
    assert torch.allclose(pictures.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(texts.norm(dim=1), torch.ones(2), atol=1e-5)
    assert 0 < float(scale.detach()) <= 100


def test_saves_and_loads_with_its_architecture(tmp_path: Path) -> None:
    architecture = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 128, "layers": [1, 1, 1, 1], "width": 4, "head_width": 64},
        "text_cfg": {"context_length": 12, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1},
    }
    tower = ClipTower(architecture, render_size=[256, 64]).eval()
    tower.save_pretrained(tmp_path)
    loaded = ClipTower.from_pretrained(tmp_path)
    pictures, tokens = torch.rand(2, 1, 256, 64), torch.randint(0, 20, (2, 12))
    assert loaded.image_size == (256, 64)
    with torch.no_grad():
        assert torch.equal(tower.encode_pictures(pictures), loaded.encode_pictures(pictures))
        assert torch.equal(tower.encode_tokens(tokens), loaded.encode_tokens(tokens))


def test_published_weights_answer_as_in_open_clip(known_toy: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    published = open_clip.create_model(known_toy).eval()
    torch.save(published.state_dict(), tmp_path / "weights.pt")
    tower = ClipTower.from_open_clip(known_toy, str(tmp_path / "weights.pt"))
    assert tower.image_size == (32, 32) and tower.embedding_size == 8
    with torch.no_grad():
        theirs = published.encode_text(open_clip.tokenize(TEXTS), normalize=True)
        images = torch.rand(2, 3, 32, 32)
        assert torch.allclose(tower.clip.encode_image(images), published.encode_image(images), atol=1e-6)
    assert torch.allclose(embed_texts(tower, openai_tokenizer(), TEXTS), theirs, atol=1e-6)


def test_openai_tokenizer_saves_and_keeps_open_clips_tokens(tmp_path: Path) -> None:
    openai_tokenizer().save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    ids = loaded(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    theirs = open_clip.tokenize(TEXTS)
    for ours, expected in zip(ids, theirs, strict=True):
        end = int(expected.argmax())
        assert int(ours.argmax()) == end and torch.equal(ours[: end + 1], expected[: end + 1])


def test_words_are_split_alike_however_they_are_written() -> None:
    assert split_words("Synthetic FAST_decay bass, A#1") == ["synthetic", "fast", "decay", "bass", "a#1"]
    assert split_words("tempo-synced bajo Eléctrico") == ["tempo", "synced", "bajo", "electrico"]


def test_word_tokenizer_saves_loads_and_knows_what_it_does_not_know(tmp_path: Path) -> None:
    tokenizer = word_tokenizer(["dark fast_decay bass", "Bajo cálido, A#1"])
    same = word_tokenizer(["Bajo cálido, A#1", "dark fast_decay bass"])
    tokenizer.save_pretrained(tmp_path)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    texts = ["bass, dark, fast decay", "bajo calido a#1", "zither bass"]
    for other in (same, loaded):
        assert other(texts).input_ids == tokenizer(texts).input_ids
    ids = tokenizer(texts).input_ids
    assert tokenizer.unk_token_id not in ids[0] + ids[1]
    assert ids[2].count(tokenizer.unk_token_id) == 1
    # open_clip reads the embedding where the highest id stands.
    assert all(max(row) == row[-1] == tokenizer.eos_token_id == len(tokenizer) - 1 for row in ids)


def test_long_text_is_cut_but_ended() -> None:
    tower, tokenizer = toy_tower(20), word_tokenizer(["dark bass"])
    ids = token_ids(tower, tokenizer, ["dark " * 50, "bass"])
    assert ids.shape == (2, 12)
    assert int(ids[0, -1]) == tokenizer.eos_token_id

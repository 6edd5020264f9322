"""The tokenizer of the small text encoders: whole words and notes, pieces of unknown ones, an end to every text."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from generation.models.caption_tokenizer import caption_tokenizer

TEXTS = ["warm bass", "guitarra eléctrica", "C#4", "Bb2", "A2"]


@pytest.fixture(scope="module", params=[False, True], ids=["t5", "clip"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    return caption_tokenizer(TEXTS, max_tokens=8, start=request.param)


def pieces(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    return [piece for piece in tokenizer.tokenize(text) if piece not in ("[start]", "[end]")]


def test_known_words_and_notes_are_one_token_each(tokenizer: PreTrainedTokenizerBase) -> None:
    assert pieces(tokenizer, "Warm_BASS, c#4") == ["warm", "bass", "c#4"]
    assert pieces(tokenizer, "guitarra electrica Bb2 A2") == ["guitarra", "electrica", "bb2", "a2"]


def test_unknown_words_are_pieces_and_unknown_signs_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert pieces(tokenizer, "basss") == ["bass", "##s"]
    assert pieces(tokenizer, "zyx") == ["z", "##y", "##x"]
    assert pieces(tokenizer, "音") == ["[unknown]"]


@pytest.mark.parametrize("text", ["", "bass", "warm bass " * 9, "音", ", ; !"])
def test_every_text_has_one_end_and_fits(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    ids = tokenizer(text, truncation=True, max_length=8).input_ids
    assert ids.count(tokenizer.eos_token_id) == 1 and ids[-1] == tokenizer.eos_token_id and len(ids) <= 8


def test_padding_is_masked_and_is_not_the_end(tokenizer: PreTrainedTokenizerBase) -> None:
    batch = tokenizer(["", "warm bass"], padding="longest")
    assert batch.input_ids[0][-2:] == [tokenizer.pad_token_id] * 2 and batch.attention_mask[0][-2:] == [0, 0]
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    # transformers' CLIPTextModel reads an end token with this number in another way.
    assert tokenizer.eos_token_id != 2


def test_the_order_of_texts_does_not_matter() -> None:
    first, second = (caption_tokenizer(texts, 8, start=False) for texts in (TEXTS, TEXTS[::-1]))
    assert first.get_vocab() == second.get_vocab()


def test_it_saves_and_loads(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    said = dict(padding="max_length", truncation=True, max_length=8)
    texts = ["", "a warm bass at Bb2", "zzz"]
    assert again(texts, **said).input_ids == tokenizer(texts, **said).input_ids
    assert again.model_max_length == 8

"""The tokenizer of our own small text encoders: one token for each known word and note, pieces for all others.

A word that it does not know is cut into the longest beginning that it knows and the letters after it (WordPiece; Wu
et al. 2016, arXiv 1609.08144, section 4.1): "guitarrs" is "guitarr" and "s". It saves and loads as a file, and works
with both ways in which generation.pipelines.conditioning reads a text.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from generation.models.clip_words import WORD_GAP, plain_words, split_words

_PAD, _END, _UNKNOWN, _START = "[pad]", "[end]", "[unknown]", "[start]"
_INSIDE = "##"
_LETTERS = string.ascii_lowercase + string.digits + "#"


def caption_tokenizer(texts: Iterable[str], max_tokens: int, start: bool) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows every word of `texts`, whatever their order.

    Every text ends with an end token, an empty one has nothing else: what reads it has at least one position.

    Args:
        texts: whose words get a token of their own.
        max_tokens: longest text, with its start and end; the end stays when it is cut.
        start: whether texts also begin with a token, as CLIP's do; T5's do not.
    """
    words = {word for text in texts for word in split_words(text)}
    pieces = [*sorted(words | set(_LETTERS)), *(_INSIDE + letter for letter in _LETTERS)]
    # The end is not number 2: CLIPTextModel takes that for the sign of a damaged file and looks elsewhere.
    vocabulary = {piece: i for i, piece in enumerate([_PAD, _END, _UNKNOWN, _START, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=_UNKNOWN, continuing_subword_prefix=_INSIDE))
    tokenizer.normalizer = plain_words()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(WORD_GAP, "removed")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}" if start else f"$A {_END}",
        special_tokens=[(_START, vocabulary[_START]), (_END, vocabulary[_END])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, unk_token=_UNKNOWN, bos_token=_START, eos_token=_END,
        model_max_length=max_tokens,
    )  # fmt: skip

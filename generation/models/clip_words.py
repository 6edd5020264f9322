"""The two tokenizers of ClipTower, both transformers tokenizers that save and load as a file.

The starter has one token for each word it knows; OpenAI's weights have their byte pairs, made here from
the table inside open_clip, so no network is needed. Both end a text with their highest id, because
open_clip reads the embedding where that stands first (pool_type argmax); what pads the text after it is
not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

_PAD, _UNKNOWN, _START, _END = "[pad]", "[unknown]", "[start]", "[end]"
# A word is a run of letters and digits; '#' belongs to note names (A#1).
WORD_GAP = Regex(r"[^\w#]+")


def plain_words() -> normalizers.Normalizer:
    """Lower case, no accents, `_` is a space."""
    # fast_decay and "fast decay" are the same two words, árbol and arbol the same one.
    space = normalizers.Replace("_", " ")
    plain = (normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase())
    return normalizers.Sequence([space, *plain])


def split_words(text: str) -> list[str]:
    """Words of a text as the starter's tokenizer sees them: lower case, no accents, `_` is a space."""
    pieces = pre_tokenizers.Split(WORD_GAP, "removed").pre_tokenize_str(plain_words().normalize_str(text))
    return [word for word, _ in pieces]


def word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Tokenizer that knows every word of `texts`, whatever their order, and has one token for all others."""
    words = sorted({word for text in texts for word in split_words(text)})
    vocabulary = {word: i for i, word in enumerate([_PAD, _UNKNOWN, _START, *words, _END])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = plain_words()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(WORD_GAP, "removed")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}",
        special_tokens=[(_START, vocabulary[_START]), (_END, vocabulary[_END])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, unk_token=_UNKNOWN, bos_token=_START, eos_token=_END
    )


def openai_tokenizer() -> CLIPTokenizer:
    """OpenAI's byte-pair tokenizer; padded with its end token, where open_clip pads with zeros."""
    from open_clip.tokenizer import SimpleTokenizer

    table = SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): i for token, i in table.encoder.items()}
    merges = [pair for pair, _ in sorted(table.bpe_ranks.items(), key=lambda item: item[1])]
    return CLIPTokenizer(vocab=vocabulary, merges=merges)

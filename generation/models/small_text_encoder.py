"""Text encoders of our own size, in transformers' own classes, so that every pipeline loads them as it loads the large.

T5EncoderModel (Raffel et al. 2020, arXiv 1910.10683) for the techniques that obey a mask, CLIPTextModel (Radford et
al. 2021, arXiv 2103.00020) for those that read a fixed number of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerBase, T5Config, T5EncoderModel

Tower = Literal["t5", "clip"]
_HEAD_WIDTH = 32


def small_text_encoder(
    tower: Tower, tokenizer: PreTrainedTokenizerBase, width: int, layers: int, max_tokens: int
) -> T5EncoderModel | CLIPTextModel:
    """Make an untrained encoder.

    Args:
        tower: which class.
        tokenizer: of generation.models.caption_tokenizer.
        width: numbers of a state, a multiple of 32.
        layers: of the transformer.
        max_tokens: positions of CLIP; T5 has no limit of its own.
    """
    # Nothing is dropped: captions are drawn anew each time, and networks this small do not learn them by heart.
    if tower == "t5":
        return T5EncoderModel(
            T5Config(
                vocab_size=len(tokenizer), d_model=width, d_kv=_HEAD_WIDTH, d_ff=2 * width, num_layers=layers,
                num_heads=width // _HEAD_WIDTH, feed_forward_proj="gated-gelu", dropout_rate=0.0, use_cache=False,
                relative_attention_max_distance=max_tokens, pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )  # fmt: skip
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, projection_dim=width,
            num_hidden_layers=layers, num_attention_heads=width // _HEAD_WIDTH, max_position_embeddings=max_tokens,
            hidden_act="gelu", pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip


def read_tokens(tower: Tower, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int) -> Tensor:
    """Token numbers, int64 [texts, tokens]: padded to the longest text for T5, to all positions for CLIP."""
    encoded = tokenizer(
        list(texts), padding="longest" if tower == "t5" else "max_length", truncation=True, max_length=max_tokens,
        return_tensors="pt",
    )  # fmt: skip
    return encoded.input_ids


def text_summaries(encoder: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """What one vector says of a text, and what the mean of its states says.

    The mean is over those states that a denoising network will look at: of T5 the words, where both vectors are
    the same; of CLIP all positions, beside the state of the end token.

    Args:
        encoder: of `small_text_encoder`.
        tokens: of `read_tokens`.

    Returns:
        two float [texts, width].
    """
    if isinstance(encoder, T5EncoderModel):
        config: Any = encoder.config
        mask = tokens.ne(config.pad_token_id)
        states = encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        mean = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return mean, mean
    read = encoder(input_ids=tokens)
    return read.pooler_output, read.last_hidden_state.mean(dim=1)

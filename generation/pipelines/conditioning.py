"""Text for a denoising network: hidden states of a text encoder, and which of them are words.

T5 and FLAN-T5 come with a mask that the denoising network obeys, so a short prompt padded beside a long one
sounds as it does alone. CLIP comes without: Stable Diffusion's network was trained to look at a fixed number of
positions, padding included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from generation.errors import GenerationError
from generation.prompts.vocabulary import note_name, plain_notes, renamed_notes, understand


@dataclass(frozen=True)
class TextStates:
    """What a text encoder makes of a batch of texts.

    states: float [batch, tokens, width].
    mask: int64 [batch, tokens], 1 for words and 0 for padding; None where every position counts.
    comb: where partials of the note lie that a text names, float [batch, channels, rows or 1, columns or 1]; None for
        networks that take none (generation.pipelines.network).
    """

    states: Tensor
    mask: Tensor | None
    comb: Tensor | None = None

    def rows(self, chosen: slice, repeated: int | None = None) -> TextStates:
        """Some of the texts; of a single one, as many as `repeated`."""

        def take(part: Tensor | None) -> Tensor | None:
            if part is None or repeated is None:
                return None if part is None else part[chosen]
            return part[chosen].expand(repeated, *[-1] * (part.dim() - 1))

        return TextStates(cast(Tensor, take(self.states)), take(self.mask), take(self.comb))

    def split_last(self) -> tuple[TextStates, TextStates]:
        """Take the last text away and repeat it beside each of the others: (others, last), equally many rows."""
        return self.rows(slice(None, -1)), self.rows(slice(-1, None), len(self.states) - 1)

    def beside(self, other: TextStates) -> TextStates:
        """These texts and then the others, in one batch; both padded alike."""

        def join(first: Tensor | None, second: Tensor | None) -> Tensor | None:
            return None if first is None or second is None else torch.cat([first, second])

        return TextStates(
            torch.cat([self.states, other.states]), join(self.mask, other.mask), join(self.comb, other.comb)
        )


def encode_masked(
    tokenizer: PreTrainedTokenizerBase, text_encoder: Any, texts: Sequence[str], max_tokens: int
) -> TextStates:
    """Encode texts padded to the longest of them, as TANGO does (arXiv 2304.13731, section 2.1).

    Args:
        tokenizer: of the encoder; an empty text must give at least its end token.
        text_encoder: T5EncoderModel, or another that takes a mask.
        texts: at least one, any language the encoder knows.
        max_tokens: what a text has beyond is cut off.
    """
    tokens = tokenizer(list(texts), padding="longest", truncation=True, max_length=max_tokens, return_tensors="pt")
    ids, mask = tokens.input_ids.to(text_encoder.device), tokens.attention_mask.to(text_encoder.device)
    return TextStates(text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)


def encode_fixed(tokenizer: PreTrainedTokenizerBase, text_encoder: Any, texts: Sequence[str]) -> TextStates:
    """Encode texts padded or cut to all positions of the encoder, without a mask, as Stable Diffusion does.

    Args:
        tokenizer: of the encoder.
        text_encoder: CLIPTextModel; looking back only, it keeps the words clear of the padding after them.
        texts: at least one.
    """
    length = text_encoder.config.max_position_embeddings
    tokens = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return TextStates(text_encoder(input_ids=tokens.input_ids.to(text_encoder.device)).last_hidden_state, None)


def with_notes(texts: Sequence[str], notes: Sequence[int | None] | None) -> list[str]:
    """Name the notes asked for in the texts, each in its own; None for no notes at all.

    Notes are spelled as captions spell them ("A#2" for A♯2, A sharp 2 and midi 46): no text encoder here has read other
    spellings.

    Raises:
        GenerationError: there are not as many notes as texts.
        ConfigError: a note is no MIDI number from 0 to 127.
    """
    if notes is None:
        return [plain_notes(text) for text in texts]
    if len(notes) != len(texts):
        raise GenerationError(f"{len(texts)} prompts, {len(notes)} notes came; equally many are needed")
    return [with_note(text, note) for text, note in zip(texts, notes, strict=True)]


def with_note(text: str, note: int | None) -> str:
    """Name a note in a text as training captions do, "synthetic dark bass, A1", unless it says so already.

    Other notes that the text names give way: with two notes in it a text asks for neither.

    Raises:
        ConfigError: the note is no MIDI number from 0 to 127.
    """
    text = plain_notes(text)
    if note is None or understand(text).note == note:
        return text
    name = note_name(note)
    renamed = renamed_notes(text, name)
    if understand(renamed).note == note:
        return renamed
    return f"{text}, {name}" if text.strip() else name

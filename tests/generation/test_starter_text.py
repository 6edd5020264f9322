"""The shipped text encoders, as the starter techniques read them: instruments and notes far enough apart to steer."""

from __future__ import annotations

import pytest
import torch
from transformers import CLIPTextModel, T5EncoderModel

from generation.pipelines.conditioning import TextStates, encode_fixed, encode_masked
from generation.pipelines.tango import MAX_TOKENS
from generation.shipped import starter_dir
from generation.training.denoising_parts import load_text_side

STARTERS = {"t5-starter": T5EncoderModel, "clip-text-starter": CLIPTextModel}


def pooled(name: str, texts: list[str]) -> torch.Tensor:
    """The mean state over the tokens of each text, of unit length: float32 [n, width]."""
    encoder, tokenizer = load_text_side(str(starter_dir() / name), STARTERS[name])
    with torch.no_grad():
        states = read(name, tokenizer, encoder, texts)
    mask = torch.ones(states.states.shape[:2]) if states.mask is None else states.mask.float()
    means = (states.states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return means / means.norm(dim=1, keepdim=True)


def read(name: str, tokenizer: object, encoder: object, texts: list[str]) -> TextStates:
    if name == "t5-starter":
        return encode_masked(tokenizer, encoder, texts, MAX_TOKENS)  # type: ignore[arg-type]
    return encode_fixed(tokenizer, encoder, texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STARTERS)
def test_bass_and_flute_are_far_apart(name: str) -> None:
    bass, flute = pooled(name, ["bass", "flute"])
    assert float(bass @ flute) < 0.8
    long_bass, long_flute = pooled(name, ["synthetic dark percussive bass, A2", "synthetic dark percussive flute, A2"])
    assert float(long_bass @ long_flute) < 0.95


@pytest.mark.parametrize("name", STARTERS)
def test_a_note_changes_the_text_and_its_words_do_not_matter(name: str) -> None:
    near, far, said = pooled(name, ["acoustic flute, A4", "acoustic flute, A#5", "the sound of an acoustic flute, A4"])
    assert not torch.allclose(near, far, atol=1e-2)
    assert float(near @ said) > float(far @ said)

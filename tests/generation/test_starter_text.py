"""The shipped text encoders, as the starter techniques read them: instruments and notes far enough apart to steer.

What a network cannot read, no guidance can ask of it.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize
from transformers import CLIPTextModel, T5EncoderModel

from generation.pipelines.conditioning import encode_fixed, encode_masked
from generation.pipelines.network import pooled
from generation.pipelines.tango import MAX_TOKENS
from generation.shipped import starter_dir
from generation.training.denoising_parts import load_text_side

# Encoder -> its class, and a model that reads with it by a tokenizer of its own folder.
STARTERS = {
    "t5-starter": (T5EncoderModel, "audio-latent-diffusion-starter"),
    "clip-text-starter": (CLIPTextModel, "riffusion-starter"),
}
MOST_ALIKE = 0.8


@torch.no_grad()
def read(name: str, texts: list[str]) -> torch.Tensor:
    """The mean state over the tokens of each text, of unit length: float32 [n, width]."""
    kind, model = STARTERS[name]
    encoder, tokenizer = load_text_side(str(starter_dir() / name), kind, str(starter_dir() / model))
    if kind is T5EncoderModel:
        states = encode_masked(tokenizer, encoder, texts, MAX_TOKENS)
    else:
        states = encode_fixed(tokenizer, encoder, texts)
    return normalize(pooled(states), dim=1)


@pytest.mark.parametrize("name", STARTERS)
def test_bass_and_flute_are_far_apart(name: str) -> None:
    bass, flute = read(name, ["bass", "flute"])
    print(f"\n{name}: cosine of bass and flute {float(bass @ flute):.2f}")
    assert float(bass @ flute) < MOST_ALIKE
    long_bass, long_flute = read(name, ["synthetic dark percussive bass, A2", "synthetic dark percussive flute, A2"])
    assert float(long_bass @ long_flute) < 0.95


@pytest.mark.parametrize("name", STARTERS)
def test_a_note_changes_the_text_and_its_words_do_not_matter(name: str) -> None:
    near, far, said = read(name, ["acoustic flute, A4", "acoustic flute, A#5", "the sound of an acoustic flute, A4"])
    assert not torch.allclose(near, far, atol=1e-2)
    assert float(near @ said) > float(far @ said)

"""The shipped text encoders tell instruments apart: what a network cannot read, no guidance can ask of it."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize
from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

from generation.pipelines.conditioning import encode_fixed, encode_masked
from generation.pipelines.network import pooled
from generation.shipped import starter_dir

MOST_ALIKE = 0.8


@pytest.mark.parametrize(
    ("kind", "encoder", "tokenizer"),
    [
        (T5EncoderModel, "t5-starter", "audio-latent-diffusion-starter"),
        (CLIPTextModel, "clip-text-starter", "riffusion-starter"),
    ],
)
@torch.no_grad()
def test_bass_and_flute_do_not_read_alike(kind: type, encoder: str, tokenizer: str) -> None:
    texts = ["bass", "flute"]
    network = kind.from_pretrained(starter_dir() / encoder / "text_encoder").eval()  # type: ignore[attr-defined]
    words = AutoTokenizer.from_pretrained(starter_dir() / tokenizer / "tokenizer")
    states = encode_masked(words, network, texts, 64) if kind is T5EncoderModel else encode_fixed(words, network, texts)
    bass, flute = normalize(pooled(states), dim=1)
    print(f"\n{encoder}: cosine of bass and flute {float(bass @ flute):.2f}")
    assert float(bass @ flute) < MOST_ALIKE

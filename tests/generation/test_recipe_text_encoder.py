"""Recipe of the small text encoders at toy size: what a step sees, learning, and files that a fresh process reads."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextModel, T5EncoderModel

from generation.pipelines.conditioning import TextStates, encode_fixed, encode_masked
from generation.prompts.vocabulary import FAMILIES, LOWEST_NOTE
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.caption_heads import NOTES, CaptionHeads, said_by
from generation.training.claims import Claim
from generation.training.denoising_parts import load_text_side
from generation.training.listener import heard
from generation.training.recipes.text_encoder import Settings, TextEncoderTask, build
from generation.training.trainer import TrainResult, train
from tests.toy_corpus import write_toy_corpus

KINDS: dict[str, Any] = {"t5": T5EncoderModel, "clip": CLIPTextModel}
PRESETS = {"t5": "text-encoder", "clip": "text-encoder-clip"}
TEXTS = ["bass", "", "a warm, plucked synth bass with reverb, Bb2", "flauta brillante", "zzyx 音 blorp", "word " * 90]
# A fresh process knows transformers alone: folder and class of each encoder, and where to write its states.
READER = """
import json, sys, torch, transformers
from safetensors.torch import save_file
asked, texts = json.loads(sys.argv[1])
for folder, kind, told in asked:
    encoder = getattr(transformers, kind).from_pretrained(folder + "/text_encoder", torch_dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder + "/tokenizer")
    length = getattr(encoder.config, "max_position_embeddings", 64)
    padding = "longest" if kind == "T5EncoderModel" else "max_length"
    tokens = tokenizer(texts, padding=padding, truncation=True, max_length=length, return_tensors="pt")
    mask = {"attention_mask": tokens.attention_mask} if padding == "longest" else {}
    with torch.no_grad():
        save_file({"states": encoder(input_ids=tokens.input_ids, **mask).last_hidden_state.contiguous()}, told)
"""
Run = tuple[TextEncoderTask, float, TrainResult]


def toy(tower: str) -> Settings:
    shipped = load_yaml(config_path("train", PRESETS[tower]), Settings)
    small = {
        "steps": 6, "batch_size": 8, "warmup_steps": 1, "validate_every": 6, "checkpoint_every": 6, "text_width": 32,
        "text_layers": 1, "embedding_size": 16, "audio_widths": (4, 4, 8, 8),
    }  # fmt: skip
    return Settings.model_validate({**shipped.model_dump(), **small})


@torch.no_grad()
def states(tower: str, folder: Path, texts: list[str]) -> TextStates:
    encoder, tokenizer = load_text_side(str(folder), KINDS[tower])
    encoder.eval()
    return encode_masked(tokenizer, encoder, texts, 64) if tower == "t5" else encode_fixed(tokenizer, encoder, texts)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def runs(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """For each tower the trained task, its loss before, and the run."""
    found = {}
    for tower in KINDS:
        settings = toy(tower)
        torch.manual_seed(settings.seed)
        task = build(corpus, settings, "cpu")
        with torch.no_grad():
            before = float(task.loss(task.batch(100), 100)[0])
        found[tower] = (task, before, train(task, settings, tmp_path_factory.mktemp(tower)))
    return found


@pytest.mark.parametrize("tower", KINDS)
def test_shipped_settings_are_of_their_tower(tower: str) -> None:
    assert load_yaml(config_path("train", PRESETS[tower]), Settings).tower == tower


def test_a_batch_is_a_function_of_its_index(corpus: Path) -> None:
    first, second = build(corpus, toy("t5"), "cpu"), build(corpus, toy("t5"), "cpu")
    one, same, other = first.batch(3), second.batch(3), first.batch(4)
    assert torch.equal(one.pictures, same.pictures) and torch.equal(one.tokens, same.tokens)
    assert one.notes == same.notes and torch.equal(one.true, same.true)
    assert not torch.equal(one.pictures, other.pictures)
    # The captions of a note are true of it, and the last one, which says nothing, of all.
    assert bool(one.true[:8].diagonal().all()) and bool(one.true[8:16].diagonal().all()) and bool(one.true[-1].all())
    assert one.tokens[-1].tolist()[:2] == [first.tokenizer.eos_token_id, first.tokenizer.pad_token_id]
    assert int((one.said.note < NOTES).sum()) >= 12


def test_heads_are_asked_what_captions_say() -> None:
    said = said_by([Claim(""), Claim("dark flute, A0", "flute", None, ("dark",), LOWEST_NOTE)])
    assert said.family.tolist() == [len(FAMILIES), FAMILIES.index("flute")]
    assert said.note.tolist() == [NOTES, 0] and said.source.tolist() == [3, 3]
    assert said.qualities.sum(dim=1).tolist() == [0, 1]
    heads = CaptionHeads(4)
    with torch.no_grad():
        for part in (heads.family, heads.source, heads.note, heads.qualities, heads.height):
            part.weight.zero_()
            part.bias.zero_()
        heads.family.bias[-1] = 9.0
        heads.qualities.bias.fill_(-1.0)
        heads.height.bias.fill_((LOWEST_NOTE + 0.5 - 64.5) / 12)
    found = heads.accuracies(torch.zeros(2, 4), said)
    assert found == {"family": 0.5, "source": 0.0, "note": 0.5, "qualities": 0.5, "height": 1.0}
    losses = heads.losses(torch.zeros(2, 4), said)
    assert losses["height"].item() == pytest.approx(0.5 / 12, abs=1e-6)
    assert {name for name in losses} == {field.name for field in fields(said)} | {"height"}


def test_another_room_does_not_change_the_pitch() -> None:
    pictures = torch.zeros(16, 64, 256, dtype=torch.uint8)
    pictures[:, :, 100] = 255
    moved = heard(pictures, torch.Generator().manual_seed(0))
    assert moved.shape == (16, 1, 64, 256) and 0.0 <= float(moved.min()) and float(moved.max()) <= 1.0
    assert torch.equal(heard(pictures)[:, 0], pictures / 255)
    assert not torch.equal(moved, heard(pictures))
    loudest = moved[:, 0, 4:16].mean(dim=1).argmax(dim=1)
    assert int((loudest == 100).sum()) >= 14


@pytest.mark.parametrize("tower", KINDS)
def test_it_learns_and_tells_held_out_figures(runs: dict[str, Run], tower: str) -> None:
    task, before, result = runs[tower]
    with torch.no_grad():
        assert float(task.loss(task.batch(100), 100)[0]) < before
    shares = ("found_family", "found_source", "found_note", "said_family", "said_source", "said_note", "said_height")
    assert all(0 <= result.figures[f"valid_{name}"] <= 1 for name in (*shares, "said_qualities"))
    assert -1 <= result.figures["valid_text_cosine"] <= result.figures["valid_text_cosine_most"] <= 1.001


def test_a_fresh_process_reads_the_same_states(runs: dict[str, Run], tmp_path: Path) -> None:
    asked = [(str(runs[tower][2].folder), kind.__name__, str(tmp_path / tower)) for tower, kind in KINDS.items()]
    subprocess.run([sys.executable, "-c", READER, json.dumps([asked, TEXTS])], check=True)
    for tower, (_, _, result) in runs.items():
        assert torch.equal(load_file(tmp_path / tower)["states"], states(tower, result.folder, TEXTS).states)


@pytest.mark.parametrize("tower", KINDS)
def test_what_was_trained_is_exported_in_half_precision(runs: dict[str, Run], tower: str) -> None:
    task, _, result = runs[tower]
    weights = load_file(result.folder / "text_encoder" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    encoder, tokenizer = task.learner.text_encoder, task.tokenizer
    own = encode_masked(tokenizer, encoder, TEXTS, 64) if tower == "t5" else encode_fixed(tokenizer, encoder, TEXTS)
    assert torch.allclose(own.states, states(tower, result.folder, TEXTS).states, atol=2e-2)


@pytest.mark.parametrize("tower", KINDS)
def test_any_text_has_finite_states(runs: dict[str, Run], tower: str) -> None:
    task, _, result = runs[tower]
    read = states(tower, result.folder, TEXTS)
    assert bool(torch.isfinite(read.states).all())
    assert bool(torch.isfinite(states(tower, result.folder, [""]).states).all())
    assert read.states.shape[1] == task.settings.max_tokens
    if read.mask is not None:
        lengths = read.mask.sum(dim=1).tolist()
        assert lengths[TEXTS.index("")] == 1 and max(lengths) == 64


@pytest.mark.parametrize("tower", KINDS)
def test_a_text_beside_a_longer_one_reads_as_alone(runs: dict[str, Run], tower: str) -> None:
    folder = runs[tower][2].folder
    together = states(tower, folder, TEXTS)
    for row, text in enumerate(TEXTS):
        alone = states(tower, folder, [text]).states[0]
        assert torch.allclose(together.states[row, : len(alone)], alone, atol=1e-5)


def test_the_summary_of_clip_is_of_the_end_token(runs: dict[str, Run]) -> None:
    encoder, tokenizer = load_text_side(str(runs["clip"][2].folder), CLIPTextModel)
    ids = tokenizer(["warm bass"], padding="max_length", max_length=32, return_tensors="pt").input_ids
    read = encoder.eval()(input_ids=ids)
    end = ids[0].tolist().index(tokenizer.eos_token_id)
    assert end == 3 and torch.equal(read.pooler_output[0], read.last_hidden_state[0, end])

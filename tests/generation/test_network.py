"""The aids of small networks: places that tell cells apart, text that reaches every layer, and neither unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from generation import load_model
from generation.cards import write_card
from generation.codecs.log_mel import LogMelCodec
from generation.models import full_size
from generation.pipelines.conditioning import TextStates
from generation.pipelines.network import PLACE_CHANNELS, note_combs, place_channels, pooled, predict
from generation.pipelines.tango import TangoPipeline
from generation.pipelines.text_to_sound import vae_reduction
from generation.training.denoising_parts import build_unet
from generation.training.denoising_settings import UNetSettings
from tests.generation.tones import hz
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, WIDTH, toy_card, toy_unet

AIDED = UNetSettings(
    block_out_channels=(8, 16),
    layers_per_block=1,
    attention=(False, True),
    heads=2,
    norm_num_groups=4,
    aids=True,
)


def aided() -> TangoPipeline:
    """The toy TANGO with a network that has both aids."""
    pipeline = TOYS["tango"]()
    assert isinstance(pipeline, TangoPipeline)
    torch.manual_seed(5)
    network = build_unet(full_size.TANGO_UNET, AIDED, 4, (16, 8), WIDTH, vae_reduction(pipeline.vae))
    pipeline.register_modules(unet=network.eval())
    return pipeline


def test_no_two_cells_have_the_same_place() -> None:
    waves = place_channels(32, 48)
    assert waves.shape == (1, PLACE_CHANNELS, 32, 48) and waves.abs().max() <= 1
    cells = waves[0].flatten(1).T
    nearest = torch.cdist(cells, cells) + 10 * torch.eye(len(cells))
    assert nearest.min() > 0.5
    assert torch.equal(place_channels(32, 96)[..., :48], waves), "a longer picture begins as a short one"


@pytest.mark.parametrize("note", [33, 57, 84])
def test_a_comb_is_1_and_0_at_the_partials_of_its_note(note: int) -> None:
    fundamental_hz = hz(note)
    band_hz = torch.linspace(0.05, 8, 1600, dtype=torch.float64) * fundamental_hz
    comb = note_combs(band_hz, [note, None], 4)
    assert comb.shape == (2, 8, 400) and not comb[1].any()
    cosine, sine = comb[0].unflatten(0, (2, 4)).transpose(1, 2).flatten(1)
    turns = band_hz / fundamental_hz
    for partial in range(1, 8):
        place = int((turns - partial).abs().argmin())
        assert cosine[place] == pytest.approx(1, abs=0.01) and sine[place] == pytest.approx(0, abs=0.02)
        between = int((turns - partial - 0.5).abs().argmin())
        assert cosine[between] == pytest.approx(-1, abs=0.01)


def test_where_bands_are_wider_than_partials_lie_apart_a_comb_tells_nothing() -> None:
    band_hz = LogMelCodec(n_mels=128).band_hz()
    comb = note_combs(band_hz, [33], 1)[0]
    assert comb[:, :10].abs().max() > 0.5 and comb[:, -10:].abs().max() < 1e-3


@pytest.mark.parametrize("technique", TOYS)
def test_bands_come_in_the_order_of_the_picture(technique: str) -> None:
    pipeline = TOYS[technique]()
    codec, tone_hz = pipeline.codec, 1500.0
    wave = torch.sin(2 * torch.pi * tone_hz / 16_000 * torch.arange(codec.n_samples))[None]
    # Riffusion's pictures are dark where sound is.
    picture = (-1 if technique == "riffusion" else 1) * codec.encode(wave)[0, 0]
    level = picture.mean(dim=3 - pipeline.frequency_side)
    loudest_hz = float(codec.band_hz()[int(level.argmax())])
    assert loudest_hz == pytest.approx(tone_hz, rel=0.3)


def test_padding_is_no_part_of_the_pooled_text() -> None:
    states = torch.randn(1, 3, 8)
    alone = pooled(TextStates(states, torch.ones(1, 3)))
    padded = torch.cat([states, torch.full((1, 2, 8), 9.0)], dim=1)
    assert torch.allclose(pooled(TextStates(padded, torch.tensor([[1, 1, 1, 0, 0]]))), alone)
    assert not torch.allclose(pooled(TextStates(padded, None)), alone)


def test_a_published_network_is_asked_as_it_always_was() -> None:
    unet, noisy, time = toy_unet(2), torch.randn(2, 2, 8, 8), torch.tensor(7)
    text = TextStates(torch.randn(2, 3, WIDTH), torch.tensor([[1, 1, 1], [1, 0, 0]]))
    with torch.no_grad():
        usual = unet(noisy, time, text.states, encoder_attention_mask=text.mask).sample
        assert torch.equal(predict(unet, noisy, time, text), usual)


def test_every_aid_reaches_the_network() -> None:
    pipeline, time = aided(), torch.tensor(7)
    unet = pipeline.unet
    assert unet.class_embedding is not None
    seen: dict[str, torch.Tensor] = {}
    for name, part in (("sample", unet.conv_in), ("text", unet.class_embedding)):
        part.register_forward_pre_hook(lambda _, given, name=name: seen.__setitem__(name, given[0]))  # type: ignore[misc]
    text, noisy = pipeline.encode_texts([SHORT, "bass, C4"]), torch.randn(2, 4, 16, 8)
    assert text.comb is not None
    with torch.no_grad():
        answer = predict(unet, noisy, time, text)
        assert answer.shape == noisy.shape
        assert torch.equal(seen["text"], pooled(text))
        sample, places, combs = seen["sample"].split([4, PLACE_CHANNELS, text.comb.shape[1]], dim=1)
        assert torch.equal(sample, noisy)
        assert torch.equal(places[0], place_channels(16, 8)[0]) and torch.equal(places[1], places[0])
        assert torch.equal(combs, text.comb.expand(-1, -1, 16, 8))
        assert not combs[0].any() and combs[1].any(), "only the second text names a note"
        unnamed = replace(text, comb=torch.zeros_like(text.comb))
        assert not torch.allclose(predict(unet, noisy, time, unnamed)[1], answer[1], atol=1e-5)


def test_an_aided_model_is_saved_loaded_and_knows_no_batch(tmp_path: Path) -> None:
    pipeline = aided()
    pipeline.save_pretrained(tmp_path)
    write_card(tmp_path, toy_card("tango", pipeline))
    model = load_model(tmp_path)
    both = model.generate([SHORT, LONG], [3, 4])
    alone = model.generate([SHORT], [3])[0]
    assert np.abs(both[0].samples - alone.samples).max() < 1e-4
    assert np.abs(both[0].samples - pipeline([SHORT], [3], 3, 2.0).waves[0]).max() < 1e-4

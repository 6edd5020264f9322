"""The denoising task by itself: its batches, its cached latents, what validation measures, what settings refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from flows.train import run_recipe
from generation.codecs.mel_image import MelImageCodec
from generation.corpus.nsynth import read_audio, read_corpus
from generation.errors import ConfigError, CorpusError, GenerationError, TrainingError
from generation.models import full_size
from generation.registry import load_model
from generation.shipped import config_path
from generation.strict_yaml import load_yaml
from generation.training.denoising_parts import build_unet
from generation.training.denoising_settings import UNetSettings
from generation.training.denoising_task import DenoisingTask, spread_times
from generation.training.recipes import audio_diffusion, riffusion, tango
from generation.training.trainer import train
from tests.generation.toy_parts import PICTURE, overrides, write_parts
from tests.toy_corpus import write_toy_corpus

STARTERS = {
    "audio-diffusion": (audio_diffusion, full_size.AUDIO_DIFFUSION_UNET, 1),
    "audio-latent-diffusion": (audio_diffusion, full_size.AUDIO_LATENT_DIFFUSION_UNET, 4),
    "riffusion": (riffusion, full_size.RIFFUSION_UNET, 4),
    "tango-clean": (tango, full_size.TANGO_UNET, 4),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts"))


def built(recipe: str, corpus: Path, parts: Path, **changes: Any) -> DenoisingTask:
    module = STARTERS[recipe][0]
    torch.manual_seed(0)
    return module.build(corpus, module.Settings(**overrides(recipe, parts, parts, **changes)), "cpu")


# -------------------- batches and losses


def test_batch_and_loss_are_functions_of_index_and_seed(corpus: Path, parts: Path) -> None:
    first, second = (built("audio-latent-diffusion", corpus, parts) for _ in range(2))
    losses = []
    for task in (first, second):
        torch.manual_seed(5)
        losses.append(task.loss(task.batch(3), 0)[0].item())
    assert losses[0] == losses[1]
    assert first.batch(3).captions == second.batch(3).captions != first.batch(4).captions


def test_only_the_network_gets_gradients(corpus: Path, parts: Path) -> None:
    task = built("tango-clean", corpus, parts)
    task.loss(task.batch(0), 0)[0].backward()
    with_gradient = {name.split(".")[0] for name, weight in task.module.named_parameters() if weight.grad is not None}
    assert with_gradient == {"unet"}
    assert {name for name, _ in task.module.named_children()} == {"text_encoder", "unet", "vae", "vocoder"}


def test_tango_without_a_vocoder_exports_one_that_griffin_lim_sounds(corpus: Path, parts: Path, tmp_path: Path) -> None:
    task = built("tango-clean", corpus, parts, vocoder=None, sample_every=None)
    model = load_model(train(task, task.settings, tmp_path).folder)
    assert "Griffin-Lim sounds them" in model.card.description
    (clip,) = model.generate(["flute"], [3], steps=2)
    assert np.isfinite(clip.samples).all() and np.ptp(clip.samples) > 0


def test_gradient_checkpointing_gives_the_same_gradients(corpus: Path, parts: Path) -> None:
    gradients = []
    for on in (False, True):
        task = built("audio-diffusion", corpus, parts, gradient_checkpointing=on)
        task.module.train()
        torch.manual_seed(1)
        task.loss(task.batch(0), 0)[0].backward()
        gradients.append([weight.grad for weight in task.module.parameters() if weight.grad is not None])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_pixels_are_the_codecs_pictures(corpus: Path, parts: Path) -> None:
    task = built("audio-diffusion", corpus, parts)
    row = 5
    wave = torch.from_numpy(read_audio(task.train.items[row][0]))[None]
    kept = task.train.take("pictures", [row])
    assert kept.dtype == torch.uint8
    assert torch.allclose(kept.float() / 127.5 - 1.0, MelImageCodec(**PICTURE).encode(wave), atol=1e-5)


def test_latents_are_the_frozen_autoencoders_posterior(corpus: Path, parts: Path) -> None:
    task = built("audio-latent-diffusion", corpus, parts)
    vae = AutoencoderKL.from_pretrained(parts / "mel" / "vae")
    wave = torch.from_numpy(read_audio(task.train.items[2][0]))[None]
    with torch.no_grad():
        posterior = vae.encode(MelImageCodec(**PICTURE).encode(wave)).latent_dist
    assert torch.allclose(task.train.take("mean", [2]).float(), posterior.mean, atol=2e-3)
    assert torch.allclose(task.train.take("deviation", [2]).float(), posterior.std, rtol=2e-3, atol=1e-6)
    assert task.scaling_factor == vae.config["scaling_factor"] == 0.5


def test_another_autoencoder_makes_other_latents(corpus: Path, parts: Path, tmp_path: Path) -> None:
    first = built("audio-latent-diffusion", corpus, parts)
    other = write_parts(tmp_path)
    vae = AutoencoderKL.from_pretrained(other / "mel" / "vae")
    with torch.no_grad():
        vae.encoder.conv_in.weight += 0.5
    vae.save_pretrained(other / "mel" / "vae")
    second = built("audio-latent-diffusion", corpus, other)
    assert not np.array_equal(first.train.arrays["mean"], second.train.arrays["mean"])


def test_mixtures_are_captioned_as_two_notes(corpus: Path, parts: Path) -> None:
    task = built("riffusion", corpus, parts, caption_dropout=0.0)
    assert len(task.train.items) == 16 and all(len(notes) == 2 for notes in (*task.train.items, *task.valid.items))
    assert all(" and " in caption for caption in task.batch(0).captions)


def test_a_subset_holds_every_instrument(corpus: Path, parts: Path) -> None:
    task = built("audio-diffusion", corpus, parts, subset=4)
    assert {notes[0].instrument_str for notes in task.train.items} == {
        note.instrument_str for note in read_corpus(corpus / "train").notes
    }


def test_learns_a_few_sounds(corpus: Path, parts: Path, tmp_path: Path) -> None:
    """Forty steps bring the squared error of held-out velocities down by a fifth and more."""
    settings = audio_diffusion.Settings(
        **overrides("audio-diffusion", parts, parts, steps=40, batch_size=8, ema_decay=None, validate_every=40,
                    checkpoint_every=40, sample_every=None, noise={"prediction_type": "v_prediction"})
    )  # fmt: skip
    torch.manual_seed(0)
    task = audio_diffusion.build(corpus, settings, "cpu")
    before = task.validate()
    after = train(task, settings, tmp_path).figures
    assert after["valid_mse"] < 0.8 * before["mse"]


def test_validation_is_the_same_whenever_asked_and_reports_three_bands(corpus: Path, parts: Path) -> None:
    task = built("tango-clean", corpus, parts, validation_items=9)
    figures = []
    for _ in range(2):
        torch.manual_seed(3)
        with torch.no_grad():
            figures.append(task.validate())
    assert figures[0] == figures[1]
    bands = [figures[0][name] for name in ("mse_least_noise", "mse_middle_noise", "mse_most_noise")]
    assert figures[0]["mse"] == pytest.approx(sum(bands) / 3, rel=1e-5)  # three items in each
    assert len(set(bands)) == 3


def test_validated_times_cover_the_schedule_in_no_order() -> None:
    times = spread_times(100, 1000)
    assert sorted(times) == [10 * number + 5 for number in range(100)]
    assert abs(np.corrcoef(times, np.arange(100))[0, 1]) < 0.1


# -------------------- the thesis' own conditioning and noise


def test_token_numbers_condition_and_come_back(corpus: Path, parts: Path, tmp_path: Path) -> None:
    changes = {
        "text_encoder": "token-numbers", "tokenizer": str(parts / "t5"), "captions": {"style": "tags"},
        "caption_dropout": 0.0, "noise": {"num_train_timesteps": 20, "beta_start": 1e-3, "beta_end": 0.2},
    }  # fmt: skip
    settings = audio_diffusion.Settings(**overrides("audio-diffusion", parts, parts, **changes))
    task = audio_diffusion.build(corpus, settings, "cpu")
    text = task.pipeline.encode_texts(["synthetic dark keyboard", ""])
    assert text.states.shape == (2, 1, 100) and text.mask is None
    numbers = task.pipeline.tokenizer(["synthetic dark keyboard"], padding="max_length", max_length=100).input_ids
    assert text.states[0, 0].tolist() == numbers[0]
    assert task.pipeline.unet.config["cross_attention_dim"] == 100
    model = load_model(train(task, settings, tmp_path).folder)
    assert (model.card.defaults.steps, model.card.defaults.guidance_scale) == (20, 1.0)
    assert model.card.prompt_style == "tags"
    assert model.generate(["bass"], [1])[0].samples.shape == (1, 15 * PICTURE["hop_length"])
    with pytest.raises(GenerationError, match="21 steps were asked for; this model was trained on 20"):
        model.generate(["bass"], [1], steps=21)


# -------------------- sizes


@pytest.mark.parametrize(("width", "parameters"), [(768, 142_229_121), (100, 135_559_809)])
def test_unchanged_settings_are_the_published_network(width: int, parameters: int) -> None:
    with torch.device("meta"):
        unet = build_unet(full_size.AUDIO_DIFFUSION_UNET, UNetSettings(), 1, (64, 64), width, 1)
    assert sum(weight.numel() for weight in unet.parameters()) == parameters


@pytest.mark.parametrize("name", STARTERS)
def test_starters_fit_into_the_wheel(name: str) -> None:
    module, published, channels = STARTERS[name]
    settings = load_yaml(config_path("train", name), module.Settings)
    with torch.device("meta"):
        unet = build_unet(published, settings.unet, channels, (32, 32), 128, 4)
    assert 1e6 < sum(weight.numel() for weight in unet.parameters()) < 2e6


# -------------------- what is refused, in one line


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("audio-diffusion", {"text_encoder": "{parts}/mel"}, "holds no text encoder; a T5EncoderModel is needed"),
        ("riffusion", {"text_encoder": "{parts}/t5"}, "holds a t5 model; a CLIPTextModel is needed"),
        ("audio-latent-diffusion", {"autoencoder": "{parts}/t5"}, "holds no autoencoder; give the model folder"),
        ("audio-latent-diffusion", {"autoencoder": "{parts}/log-mel"}, "was not trained on pictures of MelImageCodec"),
        ("audio-latent-diffusion", {"picture": {"n_mels": 32}}, "was trained with n_mels 16, not 32; leave it out"),
        ("audio-latent-diffusion", {"picture": {"n_frames": 17}}, "n_frames is 17; the autoencoder needs a multiple"),
        ("tango-clean", {"vocoder": "{parts}/mel"}, "holds no vocoder; give the model folder of a 'train vocoder' run"),
        ("audio-diffusion", {"text_encoder": "token-numbers"}, "has no tokenizer; set tokenizer"),
        ("audio-diffusion", {"unet": {"block_out_channels": [8, 30]}}, "unet: there is no such network"),
    ],
)
def test_wrong_parts_are_refused(
    corpus: Path, parts: Path, tmp_path: Path, recipe: str, changes: dict[str, Any], message: str
) -> None:
    named = {key: value.format(parts=parts) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(TrainingError, match=message) as raised:
        run_recipe(recipe, overrides(recipe, parts, parts, **named), corpus, tmp_path, device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoencoder": None}, "autoencoder or a base to train further must be named"),
        ({"base": "runs/x"}, "base brings all its parts with it; leave out text_encoder and autoencoder and vocoder"),
        ({"unet": {"block_out_channels": [8, 16], "heads": [2]}}, "heads has 1 values for 2 block_out_channels"),
        ({"cuda_graphs": True, "gradient_checkpointing": True}, "cuda_graphs replays whole passes"),
    ],
)
def test_settings_that_disagree_are_refused(
    corpus: Path, parts: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_recipe("tango-clean", overrides("tango-clean", parts, parts, **changes), corpus, tmp_path, device="cpu")


def test_a_missing_split_is_refused(corpus: Path, parts: Path) -> None:
    with pytest.raises(CorpusError, match="test"):
        built("audio-diffusion", corpus, parts, split="test")


def test_a_folder_that_is_no_pipeline_is_no_base(corpus: Path, parts: Path, tmp_path: Path) -> None:
    settings = overrides("tango-ft", parts, parts, base=str(parts / "mel"))
    with pytest.raises(GenerationError, match="no tango pipeline is here"):
        run_recipe("tango-ft", settings, corpus, tmp_path, device="cpu")

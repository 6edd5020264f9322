"""ChopAN end to end at toy size: seeds, batches, notes, levels, save and load in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from generation.cards import LicenceLink, ModelCard
from generation.errors import CardError, GenerationError
from generation.pipelines.chopan import ChopANModel, ChopANPipeline, load
from generation.pipelines.chopan_sources import THESIS_SETTINGS, ChopANSettings, TextRetriever
from generation.registry import load_model
from tests.generation.toy_chopan import BANK_PITCHES, toy_pipeline

PROMPTS = ["synthetic dark bass", "acoustic bright flute", "bass"]
SEEDS = [3, 4, 5]
DRY = ChopANSettings(use_vae=False, variety=0.0)


@pytest.fixture(scope="module")
def pipeline() -> ChopANPipeline:
    return toy_pipeline()


def card(sample_rate_hz: int = 16000) -> ModelCard:
    link = LicenceLink(part="data", name="tones", licence="MIT", commercial="yes", attribution=None)
    return ModelCard(
        name="toy", technique="chopan", description="toy", tier="own", weights=None,
        sample_rate_hz=sample_rate_hz, length_s=1.008, prompt_style="tags", licence_chain=(link,),
    )  # fmt: skip


def test_one_wave_per_prompt_with_its_sources(pipeline: ChopANPipeline) -> None:
    clips = ChopANModel(pipeline).generate(PROMPTS, SEEDS, None, None, None)
    assert [clip.samples.shape for clip in clips] == [(1, 16128)] * 3
    assert all(clip.sample_rate_hz == 16000 and clip.samples.dtype == np.float32 for clip in clips)
    assert all(len(set(clip.sources)) == len(clip.sources) >= 1 for clip in clips)
    assert set(clips[0].sources) <= set(pipeline.bank.note_strs)
    assert all(np.isfinite(clip.samples).all() and np.abs(clip.samples).max() > 1e-4 for clip in clips)


@pytest.mark.parametrize("settings", [ChopANSettings(), DRY, THESIS_SETTINGS])
def test_a_sound_depends_on_its_own_seed_and_not_on_its_batch(
    pipeline: ChopANPipeline, settings: ChopANSettings
) -> None:
    together = pipeline(PROMPTS, SEEDS, settings=settings)
    for i in range(3):
        alone = pipeline(PROMPTS[i : i + 1], SEEDS[i : i + 1], settings=settings)
        assert alone.sources == together.sources[i : i + 1]
        assert np.abs(alone.waves[0] - together.waves[i]).max() < 1e-4
    other = pipeline(PROMPTS[:1], [99], settings=settings)
    assert np.abs(other.waves[0] - together.waves[0]).max() > 1e-3


def test_thesis_settings_mix_the_five_nearest_and_do_so_for_every_seed(pipeline: ChopANPipeline) -> None:
    output = pipeline(["bass", "bass"], [1, 2], settings=THESIS_SETTINGS)
    nearest = pipeline.encode_prompt(["bass"])[0].topk(5).indices.tolist()
    assert list(output.sources[0].indices) == list(output.sources[1].indices) == nearest
    assert output.sources[0].weights == pytest.approx([5 / 15, 4 / 15, 3 / 15, 2 / 15, 1 / 15])


def test_a_clip_names_the_five_recordings_it_is_made_of(pipeline: ChopANPipeline) -> None:
    model = ChopANModel(pipeline)
    model.settings = replace(THESIS_SETTINGS, iterations=0)
    clip = model.generate(["flute"], [1], None, None, None)[0]
    chosen = pipeline(["flute"], [1], settings=model.settings).sources[0]
    assert clip.sources == tuple(pipeline.bank.note_strs[index] for index in chosen.indices)
    assert len(set(clip.sources)) == 5


def test_the_shipped_model_is_made_of_five_recordings_of_its_bank_at_the_note_asked_for() -> None:
    """What comes with its licence: every recording that a sound is made of, by the name NSynth gives it."""
    model = load_model("chopan-starter")
    technique = model._technique
    assert isinstance(technique, ChopANModel) and technique.settings == ChopANSettings()
    technique.settings = ChopANSettings(iterations=0)  # how a sound is sounded changes nothing of what it is made of
    bank = dict(zip(technique.pipeline.bank.note_strs, technique.pipeline.bank.pitches, strict=True))
    notes = range(36, 85)
    clips = model.generate(["synthetic dark bass"] * len(notes), list(notes), notes=list(notes))
    for clip, note in zip(clips, notes, strict=True):
        assert len(set(clip.sources)) == len(clip.sources) == 5
        assert all(abs(bank[name] - note) <= technique.settings.max_shift_semitones for name in clip.sources)
    for clip in model.generate(PROMPTS, SEEDS):  # any note: that of the most similar recording
        assert len(set(clip.sources)) == 5 and set(clip.sources) <= bank.keys()
        assert all(abs(bank[name] - bank[clip.sources[0]]) <= 2 for name in clip.sources)


def test_where_the_shipped_bank_has_fewer_recordings_of_a_note_a_clip_names_those() -> None:
    """Below its lowest notes there are two at the nearest one; none is made up to fill five."""
    model = load_model("chopan-starter")
    (clip,) = model.generate(["synthetic dark bass"], [1], notes=[21])
    assert len(clip.sources) == 2


def test_variety_lets_the_seed_choose_other_notes(pipeline: ChopANPipeline) -> None:
    found = {
        pipeline(["flute"], [seed], settings=replace(DRY, variety=1.0, iterations=0)).sources[0] for seed in range(6)
    }
    assert len(found) > 1


def test_mix_is_the_weighted_sum_of_equation_3_6(pipeline: ChopANPipeline) -> None:
    settings = replace(THESIS_SETTINGS, noise_sigma=0.0)
    sources = pipeline(["bass"], [0], settings=settings).sources
    pictures, ranges = pipeline.mix(sources, [torch.Generator().manual_seed(0)], settings)
    weights = torch.tensor(sources[0].weights)
    expected = torch.einsum("n,nkrc->krc", weights, pipeline.bank.pictures_of(sources[0].indices))
    assert torch.allclose(pictures[0], expected, atol=1e-6)
    assert torch.allclose(ranges[0], weights @ pipeline.bank.ranges_of(sources[0].indices), atol=1e-4)
    noisy, _ = pipeline.mix(sources, [torch.Generator().manual_seed(0)], replace(settings, noise_sigma=0.02))
    inside = (expected > 0.1) & (expected < 0.9)
    assert float((noisy[0] - expected)[inside].std()) == pytest.approx(0.02, rel=0.1)


def cents_off(wave: np.ndarray, note: int) -> float:
    f0_hz = librosa.yin(wave[1600:9600], fmin=50, fmax=1000, sr=16000, frame_length=2048)
    return float(1200 * np.log2(np.median(f0_hz) / librosa.midi_to_hz(note)))


@pytest.mark.parametrize("note", [42, 57, 59, 60, 61, 62, 64, 70, 74])
def test_sounds_the_note_asked_for(pipeline: ChopANPipeline, note: int) -> None:
    assert min(abs(note - pitch) for pitch in BANK_PITCHES) <= 2
    wave = pipeline(["bass"], [7], notes=[note], settings=DRY).waves[0]
    assert abs(cents_off(wave, note)) < 50


def test_a_note_in_the_prompt_counts_unless_another_is_asked_for(pipeline: ChopANPipeline) -> None:
    texts = ["bass, E2", "bass, E2", "bass"]
    assert pipeline.check_inputs(texts, [0, 0, 0], [None, 60, None]) == [40, 60, None]


def test_without_a_note_the_five_share_one_pitch(pipeline: ChopANPipeline) -> None:
    output = pipeline(["bass"], [7], settings=DRY)
    moved = [BANK_PITCHES[i] + s for i, s in zip(output.sources[0].indices, output.sources[0].shifts, strict=True)]
    assert set(moved) == {60}
    assert abs(cents_off(output.waves[0], 60)) < 50


def test_level_is_that_of_the_notes_and_never_normalised(pipeline: ChopANPipeline) -> None:
    loud = pipeline(["bass"], [7], settings=DRY).waves[0]
    quiet = toy_pipeline(gain=0.1)(["bass"], [7], settings=DRY).waves[0]
    assert 20 * np.log10(np.std(quiet) / np.std(loud)) == pytest.approx(-20.0, abs=0.5)
    note = pipeline.bank_waves([4])[0].numpy()
    assert abs(20 * np.log10(np.std(loud) / np.std(note))) < 6.0


def test_another_retriever_takes_over(pipeline: ChopANPipeline) -> None:
    model = ChopANModel(pipeline)
    model.settings = DRY
    wanted = np.eye(len(BANK_PITCHES), dtype=np.float32)
    model.retriever = TextRetriever(wanted, lambda texts: np.stack([wanted[11] for _ in texts]))
    assert model.generate(["bass"], [0], None, None, None)[0].sources[0] == pipeline.bank.note_strs[11]


def test_bank_clips_are_the_recordings(pipeline: ChopANPipeline) -> None:
    clips = ChopANModel(pipeline).bank_clips()
    assert [clip.sources for clip in clips] == [(name,) for name in pipeline.bank.note_strs]
    for clip, pitch in zip(clips[:5], BANK_PITCHES, strict=False):
        assert abs(cents_off(clip.samples[0], pitch)) < 50


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], []), "at least one prompt"),
        (("bass", [1]), "a list of at least one prompt"),
        ((["bass"], [1, 2]), "1 prompts, 2 seeds, 1 notes came"),
        ((["bass"], [1], [60, 61]), "2 notes came"),
        ((["bass"], [1], [128]), "note 128 is no MIDI number"),
    ],
)
def test_bad_input_is_one_line(pipeline: ChopANPipeline, arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(GenerationError, match=words) as error:
        pipeline(*arguments)
    assert "\n" not in str(error.value)


def test_steps_and_guidance_change_nothing_and_the_log_says_so(
    pipeline: ChopANPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    model = ChopANModel(pipeline)
    (plain,) = model.generate(["bass"], [1], None, None, None)
    assert not caplog.records
    for asked in ((50, None, None, None), (None, 3.0, None, None), (None, None, None, "ddim")):
        caplog.clear()
        assert np.array_equal(model.generate(["bass"], [1], *asked)[0].samples, plain.samples)
        assert "ChopAN mixes and decodes once" in caplog.text


_FRESH = """
import sys, numpy, torch
torch.set_num_threads(1)
from pathlib import Path
from generation.pipelines.chopan import ChopANPipeline
pipeline = ChopANPipeline.from_pretrained(Path(sys.argv[1]))
numpy.save(sys.argv[2], pipeline(["synthetic dark bass", "flute, C4"], [3, 4]).waves)
"""


def test_saves_and_loads_in_a_fresh_process_with_the_same_sound(pipeline: ChopANPipeline, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    pipeline.save_pretrained(folder)
    here = load(folder, card(), "cpu").pipeline(["synthetic dark bass", "flute, C4"], [3, 4]).waves
    subprocess.run([sys.executable, "-c", _FRESH, folder, tmp_path / "waves.npy"], check=True)
    there = np.load(tmp_path / "waves.npy")
    assert np.array_equal(here, there)
    # Loaded weights lie elsewhere in memory than built ones, and matrix products round by that.
    assert np.abs(pipeline(["synthetic dark bass", "flute, C4"], [3, 4]).waves - here).max() < 1e-4


def test_saved_folder_names_components_by_frozen_paths(pipeline: ChopANPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    index = pipeline.load_config(tmp_path)
    assert index["clip"] == ["generation.models.clip_tower", "ClipTower"]
    assert index["bank"] == ["generation.models.clip_bank", "ClipBank"]
    assert index["vae"] == ["generation.models.chopan_vae", "ChopANVae"]
    assert index["codec"] == ["generation.codecs.stft_db", "StftDbCodec"]
    assert index["tokenizer"][0] == "transformers"


def test_loading_what_is_no_pipeline_or_does_not_fit_its_card_is_one_line(
    pipeline: ChopANPipeline, tmp_path: Path
) -> None:
    with pytest.raises(CardError, match="no ChopAN pipeline is here"):
        load(tmp_path, card(), "cpu")
    pipeline.save_pretrained(tmp_path)
    with pytest.raises(CardError, match="makes sound at 16000 Hz, but its card says 44100 Hz"):
        load(tmp_path, card(44100), "cpu")

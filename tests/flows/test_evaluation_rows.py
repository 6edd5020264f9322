"""`nightcrate evaluate rows`: what sounds obey, counted on sounds whose truth is known, and the controls beside it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from catalog.embedders import load_embedder
from catalog.embedders.judge import Judge
from catalog.library import Library
from catalog.scores.reference import STARTER_REFERENCE, Reference
from flows.evaluation.controls import keep_control, notes_key, shuffled, some_notes, untouched
from flows.evaluation.making import EVERY
from flows.evaluation.obedience import obedience
from flows.evaluation.own_family import OWN_FAMILY, own_family_fad
from flows.evaluation.scoring import STARTER_FIGURES
from flows.evaluation.shares import Share
from flows.stages import score_models
from generation.audio import Clip
from generation.corpus.nsynth import Corpus, Note, read_corpus
from generation.corpus.voices import VOICE_CELLS, Tone
from generation.errors import GenerationError
from generation.registry import load_model
from tests.flows.command_line import refused, run
from tests.flows.evaluation_kit import write_evaluation, write_models
from tests.generation.tones import steady
from tests.generation.toy_diffusion import TOYS
from tests.toy_corpus import write_toy_corpus


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("notes"), notes_per_instrument=2) / "valid"


@pytest.fixture(scope="module")
def corpus(notes: Path) -> Corpus:
    return read_corpus(notes)


def voices(folder: Path) -> tuple[Note, ...]:
    """Two notes of each of nightcrate's own voices, which the starter judge learned to tell apart."""
    folder.mkdir()
    notes = []
    for cell in VOICE_CELLS:
        for pitch in (cell.low + 8, cell.low + 20):
            name = f"{cell.family}_{cell.source}_000-{pitch:03d}-100"
            tone = Tone(440 * 2 ** ((pitch - 69) / 12), 0.8, 16_000, np.random.default_rng(pitch))
            wave = cell.voice(tone, np.random.default_rng(7))
            path = folder / f"{name}.wav"
            soundfile.write(path, 0.8 * wave / np.abs(wave).max(), 16_000, subtype="PCM_16")
            notes.append(Note(name, name[:-8], cell.family, cell.source, pitch, 100, (), 16_000, path))
    return tuple(notes)


def test_labels_in_another_order_are_obeyed_less_than_true_ones(tmp_path: Path) -> None:
    notes = voices(tmp_path / "voices")
    judge, embedder = Judge(), load_embedder("starter")
    with Library.open(tmp_path / "library", create=True) as library:
        library.lock()
        keep_control(library, untouched("true", notes), "cpu")
        keep_control(library, shuffled("shuffled", notes), "cpu")
        made = {one.job_key: one.created_at for one in library.samples(EVERY)}
        assert len(made) == 2 * len(notes)
        keep_control(library, untouched("true", notes), "cpu")
        assert {one.job_key: one.created_at for one in library.samples(EVERY)} == made, "nothing is made twice"
        plain = obedience(library, "true", judge, embedder)
        other = obedience(library, "shuffled", judge, embedder)
    assert plain.family.of == plain.near.of == len(notes)
    assert plain.family.value > 0.6 > 0.4 > plain.family_shuffled.value, "the same sounds, their prompts in disorder"
    assert plain.family_clap.value > plain.family_clap_shuffled.value
    assert plain.source.value > 0.6
    assert other.family.value < plain.family.value - 0.2
    assert plain.near.value > 0.8 and plain.pitched.value > 0.8


def test_sounds_of_another_family_lie_farther_from_their_own(tmp_path: Path) -> None:
    notes = voices(tmp_path / "voices")
    one = next(note for note in notes if sum(other.family == note.family for other in notes) == 2)
    reference = Reference.load(STARTER_REFERENCE)
    with Library.open(tmp_path / "library", create=True) as library:
        library.lock()
        keep_control(library, untouched("true", notes), "cpu")
        keep_control(library, shuffled("shuffled", notes), "cpu")
        keep_control(library, untouched("one too few", tuple(note for note in notes if note != one)), "cpu")
        assert own_family_fad(library, "true", reference).reason == "the league did not hear it"
        assert score_models(library) is None
        true, other, few = (own_family_fad(library, name, reference) for name in ("true", "shuffled", "one too few"))
    assert true.n == other.n == len(notes)
    assert other.value is not None and true.value is not None and other.value > 1.2 * true.value
    assert few.value is None and few.reason == f"a single sound of {one.family}, at least 2 are needed"


def test_words_and_notes_are_counted_against_what_was_asked(tmp_path: Path) -> None:
    """Two notes that are dark and on pitch, asked once truly and once for the opposite and a semitone off."""
    notes = tuple(note for note in voices(tmp_path / "voices") if note.family == "flute")
    t = np.arange(64_000) / 16_000

    def pure(some: list[Note], seeds: list[int]) -> list[Clip]:
        waves = [0.5 * np.sin(2 * np.pi * 440 * 2 ** ((note.pitch % 12 + 48 - 69) / 12) * t) for note in notes]
        clips = {
            note.note_str[:-4]: Clip(wave[None].astype(np.float32), 16_000)
            for note, wave in zip(notes, waves, strict=True)
        }
        return [clips[note.note_str[:-4]] for note in some]

    def asked(word: str, above: int) -> tuple[Note, ...]:
        return tuple(replace(note, qualities=(word,), pitch=note.pitch % 12 + 48 + above) for note in notes)

    judge, embedder = Judge(), load_embedder("starter")
    with Library.open(tmp_path / "library", create=True) as library:
        library.lock()
        for name, word, above in (("true", "dark", 0), ("off", "bright", 1)):
            wanted = asked(word, above)
            control = replace(
                untouched(name, wanted),
                sound=lambda some, seeds, back=above: pure(
                    [replace(note, pitch=note.pitch - back) for note in some], list(seeds)
                ),
            )
            keep_control(library, control, "cpu")
        true, off = (obedience(library, name, judge, embedder) for name in ("true", "off"))
    assert (true.words["dark"], true.near, true.near_tuned) == (Share(2, 2), Share(2, 2), Share(2, 2))
    assert off.words["bright"] == Share(0, 2) and off.words_unasked["dark"] == Share(2, 2)
    assert (off.pitched, off.near, off.near_tuned) == (Share(2, 2), Share(0, 2), Share(2, 2)), "a semitone is tuned"


def test_a_damaged_sound_is_left_out_and_the_rest_is_counted(tmp_path: Path) -> None:
    notes = voices(tmp_path / "voices")[:6]
    judge, embedder = Judge(), load_embedder("starter")
    with Library.open(tmp_path / "library", create=True) as library:
        library.lock()
        keep_control(library, untouched("true", notes), "cpu")
        damaged = library.audio_path(library.samples(EVERY)[0])
        damaged.write_bytes(damaged.read_bytes()[:100])
        found = obedience(library, "true", judge, embedder)
    assert (found.family.of, found.family_clap.of, found.near.of, found.pitched.of) == (5, 5, 5, 5)


def test_a_share_has_wilsons_interval() -> None:
    # 8 of 10, worked out by hand: 0.490 to 0.943.
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Share(0, 20).interval[0] == 0.0 and Share().value is None and str(Share()) == "-"


def test_rows_stand_beside_their_controls(capsys: pytest.CaptureFixture[str], notes: Path, tmp_path: Path) -> None:
    models = write_models(tmp_path / "models", ("ChopAN", "TANGO-FT"))
    config = write_evaluation(tmp_path / "e.yaml", "rows", models, prompts_on_cpu=2)
    asked = ("evaluate", "rows", "--config", config, "--out", tmp_path / "out", "--device", "cpu")
    code, told, err = run(capsys, *asked, "--reference", notes, "--json")
    assert code == 0, err
    facts = json.loads(told)
    named = [line["row"] for line in facts["lines"]]
    assert named == [
        "ChopAN", "TANGO-FT", "control: notes of valid, untouched", "control: notes of valid, families shuffled",
        "control: notes of valid through ChopAN's codec", "control: notes of valid through TANGO-FT's codec",
    ]  # fmt: skip
    assert all(line["heard"] == line["asked"] for line in facts["lines"]) and facts["complete"]
    real, disordered = facts["lines"][2:4]
    assert real["shares"]["near"]["value"] == 1.0
    kls = [line["figures"][1]["value"] for line in (real, disordered)]
    assert kls[0] < kls[1], "KL knows labels"
    text = (tmp_path / "out" / "rows.md").read_text()
    assert text.startswith("# What each model obeys (n = 2 prompts)") and "zero-shot by clap-starter@" in text
    with open(tmp_path / "out" / "rows.csv") as file:
        lines = list(csv.DictReader(file))
    assert {"family", "obeyed", "near_tuned", *STARTER_FIGURES, OWN_FAMILY} <= {line["figure"] for line in lines}
    # Without notes the ceilings are absent, and the table says so.
    code, told, err = run(capsys, *asked)
    assert code == 0 and "the ceilings" in told and "control:" not in told
    assert "are absent" in told
    assert "is of the experiment rows" in refused(capsys, "evaluate", "table-6.1", "--config", config)


def test_controls_are_the_same_notes_every_time(corpus: Corpus) -> None:
    every, one = some_notes(corpus, 10), some_notes(corpus, 1)
    assert len(every) == len(corpus.notes) and len(one) == len({(n.source, n.family) for n in one}) == 4
    assert notes_key(every) == notes_key(some_notes(corpus, 10)) != notes_key(one)
    assert sorted(shuffled("x", every).cells) == sorted(untouched("x", every).cells)


def test_a_codec_gives_back_the_pitch_and_length_of_what_it_was_given(tmp_path: Path) -> None:
    """Audio Diffusion works in pixels: nothing but its codec stands between a tone and its copy."""
    model = load_model(str(write_models(tmp_path, ("Audio Diffusion",))["Audio Diffusion"]))
    t = np.arange(2_048) / 16_000
    tone = Clip((0.5 * np.sin(2 * np.pi * 1_000 * t))[None].astype(np.float32), 16_000)
    (back,) = model.through_codec([tone], [1])
    (again,) = model.through_codec([tone], [1])
    assert np.array_equal(back.samples, again.samples) and back.sample_rate_hz == 16_000
    peak_hz = (
        np.argmax(np.abs(np.fft.rfft(back.samples[0] * np.hanning(back.samples.shape[1]))))
        * 16_000
        / back.samples.shape[1]
    )
    assert abs(peak_hz - 1_000) < 200, "within a band of 16 mel bands"
    assert 0.1 < back.duration_s < 0.16


@pytest.mark.parametrize("technique", sorted(TOYS))
def test_the_ceiling_is_codec_and_autoencoder_and_nothing_else(technique: str) -> None:
    pipeline = TOYS[technique]()
    rate = pipeline.codec.config["sample_rate_hz"]
    waves = np.stack([steady(note, seconds=0.2, rate_hz=rate) for note in (60, 72)]).astype(np.float32)
    made = pipeline.through_codec(waves, [3, 4]).waves
    with torch.no_grad():
        pictures = pipeline.codec.encode(torch.from_numpy(waves))
        if getattr(pipeline, "vae", None) is not None:
            pictures = pipeline.vae(pictures, sample_posterior=False).sample
        wanted = pipeline.decode(pictures, [torch.Generator().manual_seed(seed) for seed in (3, 4)]).numpy()
    assert made.shape == wanted.shape and np.allclose(made, wanted, atol=1e-4)
    with pytest.raises(GenerationError, match="equally many"):
        pipeline.through_codec(waves, [3])


def test_tangos_ceiling_is_as_long_as_its_sounds() -> None:
    pipeline = TOYS["tango"]()
    waves = steady(60, seconds=1.0)[None].astype(np.float32)
    lengths = [pipeline.through_codec(waves, [1], duration_s).waves.shape[1] for duration_s in (None, 0.64)]
    assert lengths == [32 * 160, 64 * 160]

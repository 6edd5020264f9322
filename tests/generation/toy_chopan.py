"""Toy ChopAN for tests: a corpus of computed tones in NSynth's layout, and real components at toy width."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch

from generation.codecs.stft_db import StftDbCodec
from generation.models.chopan_vae import ChopANVae
from generation.models.clip_bank import ClipBank
from generation.models.clip_tower import ClipTower, embed_texts
from generation.models.clip_words import word_tokenizer
from generation.pipelines.chopan import ChopANPipeline
from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES

RATE_HZ = 16000
BANK_PITCHES = (40, 41, 43, 60, 60, 60, 60, 60, 61, 62, 58, 72)
FAMILIES_USED = ("bass", "flute")


def tone(pitch: int, brightness: float, decay: float, n_samples: int = 16128) -> np.ndarray:
    """A harmonic tone of a MIDI pitch, float32 [n_samples]."""
    time_s = np.arange(n_samples) / RATE_HZ
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    partials = [k for k in range(1, 12) if k * f0_hz < 7500]
    wave = sum(np.sin(2 * np.pi * f0_hz * k * time_s + k) * brightness ** (k - 1) for k in partials)
    return (0.25 * wave * np.exp(-decay * time_s)).astype(np.float32)


def write_corpus(folder: Path, seed: int = 0) -> Path:
    """Write train/ (40 notes) and valid/ (12) of two cells, and corpus.json; return the folder."""
    rng = np.random.default_rng(seed)
    for split, instruments, pitches in (("train", (0, 1), range(40, 50)), ("valid", (2,), range(41, 47))):
        (folder / split / "audio").mkdir(parents=True)
        examples = {}
        for family, source in (("bass", "synthetic"), ("flute", "acoustic")):
            for number in instruments:
                for pitch in pitches:
                    examples.update(_note(folder / split, family, source, number, pitch, rng))
        (folder / split / "examples.json").write_text(json.dumps(examples))
    facts = {"name": "computed tones", "licence": "MIT", "attribution": "Tones by nobody (MIT)", "url": None}
    (folder / "corpus.json").write_text(json.dumps(facts))
    return folder


def _note(
    folder: Path, family: str, source: str, number: int, pitch: int, rng: np.random.Generator
) -> dict[str, dict[str, object]]:
    instrument = f"{family}_{source}_{number:03d}"
    name = f"{instrument}-{pitch:03d}-100"
    brightness = (0.8 if family == "bass" else 0.2) + rng.uniform(-0.1, 0.1)
    qualities = ["bright"] if pitch % 3 == 0 else ["fast_decay"] if pitch % 3 == 1 else []
    wave = tone(pitch, brightness, 8.0 if "fast_decay" in qualities else 1.0)
    soundfile.write(folder / "audio" / f"{name}.wav", wave, RATE_HZ, subtype="PCM_16")
    facts: dict[str, object] = {
        "note": pitch,
        "note_str": name,
        "instrument": number,
        "instrument_str": instrument,
        "pitch": pitch,
        "velocity": 100,
        "sample_rate": RATE_HZ,
        "qualities": [int(quality in qualities) for quality in QUALITIES],
        "qualities_str": qualities,
        "instrument_family": FAMILIES.index(family),
        "instrument_family_str": family,
        "instrument_source": SOURCES.index(source),
        "instrument_source_str": source,
    }
    return {name: facts}


def toy_tower(words: int) -> ClipTower:
    """An open_clip network of a few thousand weights."""
    torch.manual_seed(0)
    architecture = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": [64, 16], "patch_size": 16, "width": 16, "layers": 1, "head_width": 8},
        "text_cfg": {"context_length": 12, "vocab_size": words, "width": 16, "heads": 2, "layers": 1},
    }
    return ClipTower(architecture).eval()


def toy_vae() -> ChopANVae:
    """ChopAN's autoencoder at toy width, with the full-size picture."""
    torch.manual_seed(1)
    return ChopANVae(channels=[8, 8, 8, 8, 8], latent_size=16).eval()


def toy_bank(codec: StftDbCodec, gain: float = 1.0) -> ClipBank:
    """Twelve tones; the embeddings are drawn, with a fixed seed."""
    families = [FAMILIES_USED[i % 2] for i in range(len(BANK_PITCHES))]
    waves = [tone(p, 0.8 if f == "bass" else 0.3, 2.0) for p, f in zip(BANK_PITCHES, families, strict=True)]
    pictures, ranges = codec.encode(gain * torch.from_numpy(np.stack(waves)))
    notes = [
        {
            "note_str": f"{family}_synthetic_{i:03d}-{pitch:03d}-100",
            "pitch": pitch,
            "family": family,
            "source": "synthetic",
            "qualities": ["dark"],
        }
        for i, (pitch, family) in enumerate(zip(BANK_PITCHES, families, strict=True))
    ]
    generator = torch.Generator().manual_seed(2)
    embeddings = torch.nn.functional.normalize(torch.randn(len(notes), 16, generator=generator), dim=1)
    return ClipBank.filled(notes, embeddings, pictures, ranges, "float16")


def toy_pipeline(gain: float = 1.0) -> ChopANPipeline:
    """A whole pipeline at toy size; "bass" finds bank note 4 (MIDI 60) first, by construction."""
    codec = StftDbCodec()
    tokenizer = word_tokenizer(["synthetic dark bass", "acoustic bright flute", "A1 C4"])
    tower, bank = toy_tower(len(tokenizer)), toy_bank(codec, gain)
    bank.embeddings[4] = embed_texts(tower, tokenizer, ["bass"])[0]
    return ChopANPipeline(tower, tokenizer, bank, toy_vae(), codec)

"""What the starter ChopAN makes, measured on a hundred sounds: pitch, family, nearness to its sources, retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest
import torch

from catalog.embedders import Embedder, load_embedder
from catalog.embedders.judge import Judge
from generation.audio import Clip
from generation.codecs.phase import seeded_phase
from generation.corpus.nsynth import Corpus, read_audio
from generation.descriptors import sound_facts
from generation.finish import finish
from generation.pipelines.chopan import ChopANModel, load
from generation.pipelines.chopan_sources import ChopANSettings, TextRetriever
from generation.prompts.prompt import Prompt
from generation.prompts.selection import Selection, select_prompts
from generation.prompts.vocabulary import FAMILIES
from generation.registry import find_card
from generation.shipped import starter_dir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SOUNDS = 100


@dataclass(frozen=True)
class Figures:
    """Of one way of making the hundred sounds."""

    pitched: float
    in_tune: float
    family: float
    source_similarity: float


@pytest.fixture(scope="module")
def model() -> ChopANModel:
    card, _ = find_card("chopan-starter")
    return load(starter_dir() / "chopan-starter", card, "cpu")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("starter")


@pytest.fixture(scope="module")
def bank(model: ChopANModel, embedder: Embedder) -> dict[str, np.ndarray]:
    """The CLAP vector of every bank note, in the bank's order."""
    clips = model.bank_clips()
    vectors = embedder.embed_audio([finish(clip) for clip in clips])
    return dict(zip([clip.sources[0] for clip in clips], vectors, strict=True))


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """A hundred of all prompts with up to one quality, spread evenly, each with a note from C3 to B4."""
    every = select_prompts(Selection(cells="all", max_qualities=1))
    chosen = [every[i] for i in np.linspace(0, len(every) - 1, SOUNDS).astype(int)]
    return [replace(prompt, note=48 + (7 * number) % 24) for number, prompt in enumerate(chosen)]


def make(model: ChopANModel, prompts: Sequence[Prompt], settings: ChopANSettings) -> list[Clip]:
    model.settings = settings
    captions, notes = [prompt.caption for prompt in prompts], [prompt.note for prompt in prompts]
    return model.generate(captions, list(range(len(prompts))), None, None, notes)


def family_accuracy(judge: Judge, clips: Sequence[Clip], families: Sequence[str]) -> float:
    said = judge.posteriors(clips)[0]["family"].argmax(axis=1)
    return float(np.mean([FAMILIES[index] == family for index, family in zip(said, families, strict=True)]))


def figures(
    bank: dict[str, np.ndarray], embedder: Embedder, prompts: Sequence[Prompt], clips: Sequence[Clip]
) -> Figures:
    finished = [finish(clip) for clip in clips]
    facts = [sound_facts(clip) for clip in finished]
    deviations = [
        np.inf if fact.midi_note is None else abs(fact.midi_note + (fact.cents or 0) / 100 - cast(int, prompt.note))
        for fact, prompt in zip(facts, prompts, strict=True)
    ]
    heard = embedder.embed_audio(finished)
    nearest = [
        max(float(vector @ bank[name]) for name in clip.sources) for vector, clip in zip(heard, clips, strict=True)
    ]
    return Figures(
        pitched=float(np.mean([fact.midi_note is not None for fact in facts])),
        in_tune=float(np.mean(np.array(deviations) <= 0.5)),
        family=family_accuracy(Judge(), finished, [prompt.family for prompt in prompts]),
        source_similarity=float(np.mean(nearest)),
    )


def ceiling(model: ChopANModel, corpus: Corpus) -> float:
    """Family accuracy on held-out notes that went through ChopAN's codec, no network in between."""
    notes = corpus.notes[:: max(1, len(corpus.notes) // 300)]
    codec = model.pipeline.codec
    clips = []
    for number, note in enumerate(notes):
        pictures, ranges = codec.encode(torch.from_numpy(read_audio(note))[None])
        phase = seeded_phase([torch.Generator().manual_seed(number)], codec.n_rows + 1, codec.config["n_frames"])
        clips.append(finish(Clip(codec.decode(pictures, ranges, phase).numpy(), note.sample_rate_hz)))
    return family_accuracy(Judge(), clips, [note.family for note in notes])


def test_a_hundred_sounds(
    model: ChopANModel, embedder: Embedder, bank: dict[str, np.ndarray], prompts: list[Prompt], held_out: Corpus
) -> None:
    ways = {
        "ChopAN": ChopANSettings(),
        "plain weighted sum": replace(ChopANSettings(), use_vae=False),
    }
    told = {name: figures(bank, embedder, prompts, make(model, prompts, way)) for name, way in ways.items()}
    best = ceiling(model, held_out)
    for name, found in told.items():
        print(
            f"{name}: {100 * found.pitched:.0f} % with a clear pitch, {100 * found.in_tune:.0f} % within 50 cents of "
            f"the note asked for, family {100 * found.family:.0f} % (held-out notes through the codec "
            f"{100 * best:.0f} %), cosine to the nearest of its own sources {found.source_similarity:.3f}"
        )
    assert told["ChopAN"].pitched >= 0.9
    assert told["ChopAN"].in_tune >= 0.85
    assert told["ChopAN"].family >= 0.4 * best
    assert told["ChopAN"].source_similarity < told["plain weighted sum"].source_similarity


def test_retrieval_by_clip_and_by_clap(
    model: ChopANModel, embedder: Embedder, bank: dict[str, np.ndarray], prompts: list[Prompt]
) -> None:
    """The five notes a prompt finds: how many have its family, its source. No note is asked, so that words decide."""
    clap = TextRetriever(np.stack(list(bank.values())), embedder.embed_text)
    names = list(bank)
    shares = {}
    for name, retriever in (("CLIP", None), ("CLAP", clap)):
        texts = [prompt.caption.partition(",")[0] for prompt in prompts]
        similarity = retriever.similarities(texts) if retriever else model.pipeline.encode_prompt(texts)
        nearest = similarity.topk(5, dim=1).indices.tolist()
        pairs = [(prompt, names[i]) for prompt, row in zip(prompts, nearest, strict=True) for i in row]
        family = float(np.mean([name.startswith(f"{prompt.family}_") for prompt, name in pairs]))
        cell = float(np.mean([name.startswith(f"{prompt.family}_{prompt.source}_") for prompt, name in pairs]))
        shares[name] = (family, cell)
        print(
            f"retrieval by {name}: {100 * family:.0f} % of the five notes have the family, {100 * cell:.0f} % the cell"
        )
    assert shares["CLIP"][0] >= 0.6

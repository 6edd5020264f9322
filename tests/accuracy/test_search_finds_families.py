"""Search without full text among 1,100 notes of instruments never trained on: have the first five hits the family?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.embedders import Embedder, load_embedder
from catalog.library import Library
from catalog.records import JobRecord, ModelRecord, ResultRecord
from catalog.search import search
from flows.stages import embed_missing
from generation.audio import Clip
from generation.corpus.nsynth import Corpus, Note, read_audio
from generation.finish import finish
from generation.prompts.vocabulary import FAMILIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EACH = 100
SENTENCES = {
    "bass": ("a deep bass", "bass note", "a plucked electric bass"),
    "brass": ("a brass section", "a trumpet", "a bright trombone"),
    "flute": ("a flute", "a soft wooden flute", "pan flute"),
    "guitar": ("an acoustic guitar", "a plucked guitar string", "electric guitar"),
    "keyboard": ("a piano", "an electric piano", "keys"),
    "mallet": ("a marimba", "a struck bell", "vibraphone"),
    "organ": ("an organ", "a church organ", "drawbar organ"),
    "reed": ("a saxophone", "a clarinet", "an oboe"),
    "string": ("a string section", "a bowed violin", "a cello"),
    "synth_lead": ("a synth lead", "a saw lead", "an analog lead synth"),
    "vocal": ("a choir", "a human voice", "voices singing aah"),
}


def chosen(corpus: Corpus) -> list[Note]:
    """The same number of every family, drawn once and for all."""
    rng = np.random.default_rng(5)
    notes: list[Note] = []
    for family in FAMILIES:
        members = [note for note in corpus.notes if note.family == family]
        assert len(members) >= EACH
        notes += [members[i] for i in sorted(rng.choice(len(members), EACH, replace=False))]
    return notes


def job(note: Note) -> JobRecord:
    key = hashlib.sha256(note.note_str.encode()).hexdigest()[:32]
    settings = {"fingerprint": "0", "technique_version": "0"}
    return JobRecord(key, "recordings", note.note_str, note.family, note.source, (), None, 0, settings)


def result(note: Note) -> ResultRecord:
    clip = finish(Clip(read_audio(note)[None], note.sample_rate_hz))
    facts = {"duration_s": clip.duration_s, "midi_note": note.pitch}
    return ResultRecord(job(note).key, clip, None, {}, facts, True, [], 0.0, "cpu", {})


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("starter")


@pytest.fixture(scope="module")
def library(held_out: Corpus, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    notes = chosen(held_out)
    model = ModelRecord("recordings", "none", "0", "0", 16_000, "yes", [], {})
    with Library.open(Path(tmp_path_factory.mktemp("search")) / "library", create=True) as library:
        library.add_models([model])
        night = library.start_night("notes", {"notes": len(notes)})
        library.plan(night, [[job(note) for note in notes]])
        (batch,) = library.pending_batches(night)
        library.claim(batch.id)
        library.finish_batch(batch.id, [result(note) for note in notes])
        assert embed_missing(library, embedder) == len(notes)
        yield library


def test_the_first_five_hits_have_the_family(library: Library, embedder: Embedder) -> None:
    precision = {}
    for family, sentences in SENTENCES.items():
        hits = [search(library, embedder, sentence, k=5, fulltext=False) for sentence in sentences]
        precision[family] = float(np.mean([hit.sample.family == family for five in hits for hit in five]))
    for family, value in precision.items():
        print(f"precision at 5, {family}: {value:.2f} ({len(SENTENCES[family])} sentences)")
    print(f"families at 0.8 or more: {sum(value >= 0.8 for value in precision.values())} of {len(precision)}")
    assert sum(value >= 0.8 for value in precision.values()) >= 9

"""Cut-outs: picture and wave of one place, prepared as the codec prepares whole sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generation.codecs.log_mel import LogMelCodec
from generation.corpus.nsynth import read_audio
from generation.training.autoencoder_pictures import picturing_of
from generation.training.corpus_pictures import read_pictures
from generation.training.note_segments import NoteSegments
from tests.toy_corpus import write_toy_corpus

FRAMES = 400  # 4 s, as long as the notes


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> NoteSegments:
    corpus = write_toy_corpus(tmp_path_factory.mktemp("corpus"), notes_per_instrument=1)
    codec = LogMelCodec(n_mels=32, n_frames=FRAMES)
    return NoteSegments(read_pictures(corpus / "train", picturing_of("log-mel", codec)), codec)


@pytest.mark.parametrize("start", [0, 37, FRAMES - 40])
def test_the_picture_of_a_cut_out_is_the_cut_out_of_the_picture(notes: NoteSegments, start: int) -> None:
    cut = notes.cut([0, 2], [start, start], 40)
    again = LogMelCodec(n_mels=32, n_frames=40).log_mel(cut.waves)[:, 0]
    # Four frames at each end hear what lies beyond it; kept pictures are in half precision.
    assert torch.allclose(again[:, 4:-4], cut.pictures[:, 4:-4], atol=0.005)
    assert (again[:, 4:-4] - cut.pictures[:, 5:-3]).abs().mean() > 0.01


def test_waves_are_those_that_the_codec_encodes(notes: NoteSegments) -> None:
    recorded = torch.from_numpy(read_audio(notes.corpus.items[1][0]))[None]
    assert torch.equal(notes.wave(1), notes.codec.prepare(recorded)[0])
    whole = notes.cut([1], [0], FRAMES)
    assert torch.allclose(whole.pictures[0], notes.codec.encode(recorded)[0, 0], atol=0.005)


def test_starts_follow_the_sound_and_seldom_lie_in_silence(notes: NoteSegments) -> None:
    short = next(row for row, (note,) in enumerate(notes.corpus.items) if "fast_decay" in note.qualities)
    rng = np.random.default_rng(0)
    starts = np.array([notes.draw_start(short, 40, rng) for _ in range(300)])
    assert starts.min() >= 0 and starts.max() <= FRAMES - 40
    # It falls by 60 dB in 1.4 s; only one start in ten is drawn without regard to that.
    silent = (starts > 145).mean()
    assert 0.02 < silent < 0.12

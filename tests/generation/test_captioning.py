"""Captions of a training: shares, words that are true of the note, and nothing random but by seed and index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from generation.corpus.nsynth import Note
from generation.prompts.vocabulary import understand
from generation.training.captioning import CaptionSettings, draw_captions, full_caption

BASS = Note("b", "i", "bass", "synthetic", 45, 100, ("dark", "reverb"), 16000, Path("b.wav"), "acid bass")
FLUTE = Note("f", "j", "flute", "acoustic", 60, 100, (), 16000, Path("f.wav"))


def drawn(notes: Sequence[Note], dropout: float = 0.0, count: int = 2000, **settings: Any) -> list[str]:
    return draw_captions([tuple(notes)] * count, CaptionSettings(**settings), dropout, seed=0, index=0)


def test_tags_are_the_thesis_words_and_never_name_a_note() -> None:
    assert set(drawn([BASS], count=50, style="tags")) == {"synthetic dark reverb bass"}
    assert full_caption([BASS], CaptionSettings(style="tags")) == "synthetic dark reverb bass"


def test_full_captions_name_the_note_where_training_does() -> None:
    assert full_caption([BASS], CaptionSettings()) == "synthetic dark reverb bass, A2"
    assert full_caption([BASS], CaptionSettings(note_share=0.0)) == "synthetic dark reverb bass"


def test_mixtures_join_their_notes() -> None:
    assert set(drawn([BASS, FLUTE], count=5, style="tags")) == {"synthetic dark reverb bass and acoustic flute"}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_leaves_its_share_empty(share: float) -> None:
    captions = drawn([BASS], dropout=share, count=4000)
    assert captions.count("") / len(captions) == pytest.approx(share, abs=0.025)


def test_dropout_does_not_change_the_other_captions() -> None:
    with_some, without = drawn([BASS], dropout=0.3, count=300), drawn([BASS], count=300)
    assert all(one in ("", other) for one, other in zip(with_some, without, strict=True))


def test_what_is_said_is_true_and_said_by_its_share() -> None:
    told = [understand(caption) for caption in drawn([BASS], note_share=0.6, quality_share=0.7, source_share=0.8)]
    assert all(t.family == "bass" and t.source in (None, "synthetic") and t.note in (None, 45) for t in told)
    assert all(set(t.qualities) <= {"dark", "reverb"} for t in told)
    # The instrument's name may say a source or a quality by itself, so the shares are lower bounds but for the note.
    shares = {
        "note": sum(t.note == 45 for t in told) / len(told),
        "dark": sum("dark" in t.qualities for t in told) / len(told),
        "source": sum(t.source is not None for t in told) / len(told),
    }
    assert shares["note"] == pytest.approx(0.6, abs=0.04)
    assert shares["dark"] == pytest.approx(0.7, abs=0.05) and shares["source"] >= 0.76


def test_plain_captions_have_their_share() -> None:
    tags_alone = set(drawn([FLUTE], plain_share=0.0, note_share=0.0, source_share=1.0))
    assert tags_alone == {"acoustic flute"}
    plain = drawn([FLUTE], plain_share=0.5, note_share=0.0, source_share=1.0)
    assert 0.3 < sum(caption != "acoustic flute" for caption in plain) / len(plain) < 0.55


def test_captions_are_a_function_of_seed_and_index() -> None:
    items, settings = [(BASS,), (FLUTE,)] * 20, CaptionSettings()
    first = draw_captions(items, settings, 0.1, 3, 7)
    assert first == draw_captions(items, settings, 0.1, 3, 7)
    assert first != draw_captions(items, settings, 0.1, 3, 8)
    assert first != draw_captions(items, settings, 0.1, 4, 7)

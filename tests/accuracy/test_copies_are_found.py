"""Does the shipped novelty bank know its own notes again, and nobody else's? Repeats against different notes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog import fingerprint
from catalog.novelty import STARTER_BANK, NoveltyBank
from flows.novelty import finished
from flows.novelty_errors import SAME_RECORDING, Trials, correlation, try_bank
from generation.corpus.nsynth import Corpus, Note
from tests.accuracy.conftest import render_split

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]
REPEATED, HELD_OUT, RELATED = 100, 500, 200


@pytest.fixture(scope="module")
def bank() -> NoveltyBank:
    return NoveltyBank.load(STARTER_BANK)


@pytest.fixture(scope="module")
def learned(soundfont: Path, second_soundfont: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The training split, that the starters learned from."""
    return render_split([soundfont, second_soundfont], "train", tmp_path_factory.mktemp("corpus") / "train")


def drawn(corpus: Corpus, count: int, seed: int) -> list[Note]:
    rows = np.random.default_rng(seed).choice(len(corpus.notes), count, replace=False)
    return [corpus.notes[row] for row in sorted(rows)]


@pytest.fixture(scope="module")
def trials(bank: NoveltyBank, learned: Corpus, held_out: Corpus) -> Trials:
    # Another draw than the one that chose the threshold.
    return try_bank(bank, learned.notes, drawn(learned, REPEATED, 71), drawn(held_out, HELD_OUT, 72))


def test_the_bank_holds_the_notes_that_the_corpus_command_renders(bank: NoveltyBank, learned: Corpus) -> None:
    assert set(bank.notes) == {note.note_str for note in learned.notes}


def test_repeats_are_found_and_fresh_notes_are_not(bank: NoveltyBank, trials: Trials) -> None:
    errors = trials.errors(bank.threshold)
    print(f"a copy from likeness {bank.threshold:g}")
    for kind, rate in errors["miss_rates"].items():
        print(f"missed, {kind}: {100 * rate:.1f} % of {REPEATED}")
    print(f"missed, all: {100 * errors['miss_rate']:.1f} % of {errors['repeats']}")
    print(f"false alarms: {100 * errors['false_alarm_rate']:.2f} % of {errors['different']} different notes")
    print(f"held-out notes that are the recording of a training note: {errors['held_out_repeats']} of {HELD_OUT}")
    assert errors["miss_rate"] < 0.1
    for kind in ("same", "16 bit", "8 bit", "20 dB softer", "5 cents up", "10 cents down"):
        assert errors["miss_rates"][kind] <= 0.02, kind
    assert errors["false_alarm_rate"] <= 0.02


def test_the_rates_in_the_bank_are_those_that_another_draw_gives(bank: NoveltyBank, trials: Trials) -> None:
    again = trials.errors(bank.threshold)
    assert bank.errors is not None
    assert again["miss_rate"] == pytest.approx(bank.errors["miss_rate"], abs=0.04)
    assert again["false_alarm_rate"] == pytest.approx(bank.errors["false_alarm_rate"], abs=0.015)


def test_related_training_notes_are_no_copies_of_each_other(bank: NoveltyBank, learned: Corpus) -> None:
    rows = {name: row for row, name in enumerate(bank.notes)}
    relations: dict[str, Callable[[Note, Note], bool]] = {
        "another instrument at the same pitch": lambda a, b: (
            a.pitch == b.pitch and a.instrument_str != b.instrument_str
        ),
        "the same instrument at another pitch": lambda a, b: (
            a.pitch != b.pitch and a.instrument_str == b.instrument_str
        ),
        "the same instrument and pitch, another velocity": lambda a, b: (
            a.pitch == b.pitch and a.instrument_str == b.instrument_str and a.velocity != b.velocity
        ),
    }
    alarms: dict[str, list[bool]] = defaultdict(list)
    recordings: dict[str, int] = defaultdict(int)
    for note in drawn(learned, RELATED, 73):
        for relation, related in relations.items():
            kin = [other for other in learned.notes if related(note, other)]
            if not kin:
                continue
            row, alike = fingerprint.nearest(finished(note), bank.prints[[rows[other.note_str] for other in kin]])
            alarm = alike >= bank.threshold
            if alarm and correlation(note, kin[row]) >= SAME_RECORDING:
                recordings[relation] += 1
            else:
                alarms[relation].append(alarm)
    for relation, found in alarms.items():
        rate, same = 100 * np.mean(found), recordings[relation]
        print(f"taken for a copy, {relation}: {rate:.1f} % of {len(found)} notes ({same} more are one recording)")
    assert np.mean(alarms["the same instrument at another pitch"]) == 0.0
    assert np.mean(alarms["another instrument at the same pitch"]) <= 0.05

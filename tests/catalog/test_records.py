"""Records: note names, defaults of the filter, no database behind them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from catalog import records
from catalog.records import SampleFilter, SampleRecord

PLAIN = {
    "id": 1,
    "job_key": "ab" * 16,
    "file": "audio/ab/x.flac",
    "sha256": "0" * 64,
    "model": "toy",
    "model_id": 1,
    "commercial": "yes",
    "prompt": "dark bass",
    "source": None,
    "family": "bass",
    "qualities": ("dark",),
    "note_asked": None,
    "midi_note": 33,
    "cents": 0.0,
    "pitch_confidence": 0.9,
    "lufs": None,
    "peak_dbfs": -1.0,
    "attack_s": None,
    "decay_s": None,
    "bandwidth_hz": None,
    "centroid_hz": None,
    "duration_s": 1.0,
    "sample_rate_hz": 16_000,
    "seed": 0,
    "status": "accepted",
    "reasons": (),
    "sources": (),
    "score": None,
    "review": None,
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize(("midi_note", "name"), [(33, "A1"), (34, "A#1"), (60, "C4"), (0, "C-1"), (None, None)])
def test_note_is_the_measured_pitch_by_name(midi_note, name):
    assert SampleRecord(**PLAIN | {"midi_note": midi_note}).note == name


def test_filter_asks_for_accepted_sounds_and_nothing_else():
    assert SampleFilter().statuses == ("accepted",)
    asked = {field.name: getattr(SampleFilter(), field.name) for field in dataclasses.fields(SampleFilter)}
    assert not any(value for name, value in asked.items() if name != "statuses")


def test_every_record_is_frozen():
    classes = [
        value for value in vars(records).values() if isinstance(value, type) and value.__module__ == records.__name__
    ]
    assert len(classes) > 10
    assert all(dataclasses.is_dataclass(one) and one.__dataclass_params__.frozen for one in classes)


def test_records_load_without_a_database():
    heavy = ("sqlalchemy", "faiss", "torch")
    code = f"import sys, catalog.records; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

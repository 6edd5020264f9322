"""A small real library, made on the spot through its own front door: decaying tones, one rejected, one failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catalog.library import Library
from catalog.records import ModelRecord, ResultRecord
from flows.order import job_record
from generation.audio import Clip
from generation.prompts.plan import Job, ModelSettings, plan_jobs
from generation.prompts.prompt import read_prompt

RATE_HZ = 16_000
MODEL = "toy"
TEXTS = (
    "synthetic dark bass, A1",
    "synthetic bright bass, E1",
    "acoustic vocal, A3",
    "acoustic bright vocal, E4",
    "electronic organ, C4",
    "acoustic dark flute, A4",
)
REASON = {
    "code": "wrong_note",
    "sentence": "A4 was asked for, A3 was measured",
    "measured": 57.0,
    "limit": 69.0,
}


def write_toy_library(path: Path, commercial: str = "yes") -> int:
    """Make a library with one finished night: four sounds accepted, one rejected, one failed; its night's id."""
    settings = ModelSettings(MODEL, "f" * 64, "toy-1", None, None, None, 1.0, "float32")
    jobs = plan_jobs([read_prompt(text) for text in TEXTS], [settings], [1])
    link = {"part": "weights", "name": "toy", "licence": "MIT", "commercial": commercial, "attribution": None}
    with Library.open(path, create=True) as library:
        library.add_models([ModelRecord(MODEL, "toy", "f" * 64, "toy-1", RATE_HZ, commercial, [link], {"name": MODEL})])
        night = library.start_night("toy", {"target": 1})
        library.plan(night, [[job_record(job) for job in jobs]])
        (batch,) = library.pending_batches(night)
        library.claim(batch.id)
        library.finish_batch(batch.id, _results(jobs))
        library.add_stage_time(night, "generate", 1.5)
        library.stop_cell(night, MODEL, "flute", "flute was stopped: 20 of the first 20 were rejected")
        library.end_night(night, "finished")
    return night


def _results(jobs: Sequence[Job]) -> list[ResultRecord]:
    return [_result(job, row) for row, job in enumerate(jobs)]


def _result(job: Job, row: int) -> ResultRecord:
    clip = tone(job.prompt.note or 60)
    common = (0.25, "cpu", {"nightcrate": "0"})
    if row == len(TEXTS) - 1:
        return ResultRecord(job.key, None, clip, {"peak_dbfs": -6.0}, None, False, [REASON], *common)
    if row == len(TEXTS) - 2:
        return ResultRecord(job.key, None, None, {}, None, False, [], *common, error="RuntimeError: out of memory")
    facts = {
        "midi_note": job.prompt.note,
        "cents": 3.0,
        "pitch_confidence": 0.9,
        "duration_s": clip.duration_s,
    }
    return ResultRecord(job.key, clip, None, {"peak_dbfs": -6.0}, facts, True, [], *common)


def tone(midi_note: int, seconds: float = 0.5) -> Clip:
    """A decaying tone with three partials at half of full scale."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    frequency_hz = 440.0 * 2 ** ((midi_note - 69) / 12)
    wave = sum(np.sin(2 * np.pi * frequency_hz * k * time_s) / k for k in (1, 2, 3))
    wave = 0.5 * wave / np.max(np.abs(wave)) * np.exp(-6 * time_s)
    return Clip(wave.astype(np.float32)[None], RATE_HZ, ("toy_note_1", "toy_note_2"))

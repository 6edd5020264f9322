"""Toy jobs and results for the tests of the catalogue; sounds are noise that follows from the job alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalog.library import Library
from catalog.records import JobRecord, ModelRecord, ResultRecord
from generation.audio import Clip

RATE_HZ = 16_000
SETTINGS = {"fingerprint": "f" * 16, "technique_version": "1", "steps": None}
CONFIG = {"name": "toy", "fingerprints": {"toy": "f" * 16}}
VERSIONS = {"torch": "0"}
REASON = {"code": "silence", "sentence": "no sound", "measured": -90.0, "limit": -60.0}


def toy_model(name: str = "toy", **changes: Any) -> ModelRecord:
    values: dict[str, Any] = {
        "name": name,
        "technique": "noise",
        "fingerprint": "f" * 16,
        "technique_version": "1",
        "sample_rate_hz": RATE_HZ,
        "commercial": "yes",
        "licence_chain": [{"part": "weights", "licence": "MIT"}],
        "card": {"name": name},
    }
    return ModelRecord(**values | changes)


def toy_job(seed: int = 0, family: str = "bass", **changes: Any) -> JobRecord:
    values: dict[str, Any] = {
        "model": "toy",
        "prompt": f"acoustic dark {family}",
        "family": family,
        "source": "acoustic",
        "qualities": ("dark",),
        "note": None,
        "seed": seed,
        "settings": SETTINGS,
        "round": 0,
    }
    values |= changes
    identity = repr(sorted((name, repr(value)) for name, value in values.items() if name != "round"))
    return JobRecord(key=hashlib.sha256(identity.encode()).hexdigest()[:32], **values)


def toy_clip(key: str, duration_s: float = 0.05, **changes: Any) -> Clip:
    noise = np.random.default_rng(int(key[:8], 16)).uniform(-0.5, 0.5, (1, round(RATE_HZ * duration_s)))
    return Clip(noise.astype(np.float32), RATE_HZ, **changes)


def accepted(key: str, **facts: Any) -> ResultRecord:
    clip = toy_clip(key, sources=("bass_acoustic_000-033-100",))
    sound = {"duration_s": clip.duration_s, "peak_dbfs": -6.0, "midi_note": 33, "cents": 4.0} | facts
    return ResultRecord(
        job_key=key,
        clip=clip,
        raw=clip,
        raw_facts={"finite": True, "peak_dbfs": -5.0},
        sound_facts=sound,
        accepted=True,
        reasons=[],
        seconds=0.25,
        device="cpu",
        versions=VERSIONS,
    )


def rejected(key: str, reasons: Sequence[dict[str, Any]] = (REASON,), raw: Clip | None = None) -> ResultRecord:
    return ResultRecord(
        job_key=key,
        clip=None,
        raw=raw if raw is not None else toy_clip(key),
        raw_facts={"finite": True, "peak_dbfs": -90.0, "duration_s": 0.05},
        sound_facts=None,
        accepted=False,
        reasons=list(reasons),
        seconds=0.25,
        device="cpu",
        versions=VERSIONS,
    )


def failed(key: str, error: str = "the network broke") -> ResultRecord:
    return ResultRecord(key, None, None, {}, None, False, [], 0.1, "cpu", VERSIONS, error)


def start(library: Library, batches: Sequence[Sequence[JobRecord]], config: dict[str, Any] = CONFIG) -> int:
    library.add_models([toy_model(name) for name in sorted({job.model for jobs in batches for job in jobs})])
    night_id = library.start_night("toy", config)
    library.plan(night_id, batches)
    return night_id


def make(library: Library, jobs: Iterable[JobRecord], outcome: Any = accepted) -> int:
    """Plan these jobs as one batch in a night of their own, finish it with `outcome`; the night."""
    jobs = list(jobs)
    night_id = start(library, [jobs], {"jobs": [job.key for job in jobs]})
    for batch in library.pending_batches(night_id):
        assert library.claim(batch.id)
        library.finish_batch(batch.id, [outcome(key) for key in batch.job_keys])
    return night_id


def files(root: Path) -> dict[str, bytes]:
    """Every sound file of a library and its bytes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("audio", "rejects")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }

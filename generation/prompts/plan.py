"""Prompts x models x seeds to an ordered, repeatable list of jobs, cut into batches.

A job's seed comes from the plan seed, the prompt and the attempt, not from the model: two models asked for
the same prompt start from the same noise and can be compared. A job's key names the sound; equal plans give
equal keys on every machine, which is how a night resumes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from generation.errors import ConfigError
from generation.prompts.prompt import Prompt
from generation.prompts.selection import Selection, all_prompts, select_prompts

__all__ = [
    "Job",
    "ModelSettings",
    "Prompt",
    "Selection",
    "all_prompts",
    "batches",
    "plan_jobs",
    "reroll",
    "select_prompts",
]


@dataclass(frozen=True)
class ModelSettings:
    """A model and how it runs; whatever changes its sound is in here. length_s in seconds."""

    model: str
    fingerprint: str
    technique_version: str
    steps: int | None
    guidance_scale: float | None
    scheduler: str | None
    length_s: float
    dtype: str

    def as_dict(self) -> dict[str, Any]:
        """Fields in their order, for JSON; 3 and 3.0 are the same guidance."""
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "technique_version": self.technique_version,
            "steps": self.steps,
            "guidance_scale": None if self.guidance_scale is None else float(self.guidance_scale),
            "scheduler": self.scheduler,
            "length_s": float(self.length_s),
            "dtype": self.dtype,
        }


@dataclass(frozen=True)
class Job:
    """One sound to make: `seed` (63 bits) makes its noise, `round` is 0 first, then the re-roll's attempt."""

    prompt: Prompt
    seed: int
    settings: ModelSettings
    round: int

    @cached_property
    def key(self) -> str:
        """32 hex characters that name the sound: equal prompt, seed and settings give it on any machine."""
        content = {"prompt": self.prompt.as_dict(), "seed": self.seed, "settings": self.settings.as_dict()}
        return _digest(content).hex()[:32]


def plan_jobs(prompts: Iterable[Prompt], models: Sequence[ModelSettings], seeds: Sequence[int]) -> list[Job]:
    """Return every job once, ordered by model, then plan seed, then prompt.

    Raises ConfigError when a prompt, model or seed comes twice: the sound would be the same.
    """
    wanted = list(prompts)
    _each_once("prompt", wanted, [prompt.caption for prompt in wanted])
    _each_once("model", models, [settings.model for settings in models])
    _each_once("seed", seeds, [str(seed) for seed in seeds])
    return [
        Job(prompt, _seed({"plan": seed, "prompt": prompt.as_dict(), "attempt": 0}), settings, round=0)
        for settings in models
        for seed in seeds
        for prompt in wanted
    ]


def reroll(job: Job, attempt: int) -> Job:
    """Return the same job with new noise: attempt 1, 2, ... of a first job give seeds that never repeat.

    Raises ConfigError for an attempt below 1 or a job that is a re-roll itself.
    """
    if attempt < 1 or job.round:
        raise ConfigError(f"attempt {attempt} of a round {job.round} job; re-roll the first job with attempt 1 or more")
    seed = _seed({"first": job.seed, "prompt": job.prompt.as_dict(), "attempt": attempt})
    return replace(job, seed=seed, round=attempt)


def batches(jobs: Sequence[Job], size: int) -> list[tuple[Job, ...]]:
    """Cut the jobs into batches of at most `size` for one model each, in plan order.

    Raises ConfigError for a size below 1.
    """
    if size < 1:
        raise ConfigError(f"a batch of {size} jobs cannot be made; write 1 or more")
    by_model: dict[ModelSettings, list[Job]] = {}
    for job in jobs:
        by_model.setdefault(job.settings, []).append(job)
    return [tuple(group[start : start + size]) for group in by_model.values() for start in range(0, len(group), size)]


def _each_once(what: str, items: Sequence[Hashable], names: Sequence[str]) -> None:
    if not items:
        raise ConfigError(f"the plan has no {what}; at least one is needed")
    met: set[Hashable] = set()
    for item, name in zip(items, names, strict=True):
        if item in met:
            raise ConfigError(f"the plan has the {what} {name!r} twice; name it once")
        met.add(item)


def _digest(content: dict[str, Any]) -> bytes:
    """Return the sha256 of the content's canonical JSON, 32 bytes."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).digest()


def _seed(content: dict[str, Any]) -> int:
    """63 bits, since a torch generator and SQLite both take signed 64-bit numbers."""
    return int.from_bytes(_digest(content)[:8], "big") >> 1

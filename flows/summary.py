"""What the night made, refused and why: the facts of the morning, as text and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.packs.licence import hindering_licences
from catalog.records import (
    CellCount,
    ModelRecord,
    NightRecord,
    NightSummary,
    SampleFilter,
    SampleRecord,
    ScoreRecord,
)
from catalog.scores.heard_as import HeardAs, heard_as

if TYPE_CHECKING:
    from catalog.library import Library

FORMAT = 1
"""Of summary.json; grows when a field changes its meaning."""


@dataclass(frozen=True)
class Morning:
    """Everything that the morning's three pages tell.

    left_out: models that could not be used at all -> the cause. unscored: why there are no scores, when
    there are none. sounds: this night's, accepted and rejected, in the order of making. models: those of the
    library by id. written_at: when the facts were read; scores of sounds move when the library grows. heard: what
    the judge took sounds for, by id. at_work: whether a process other than the one that looks back was making sounds.
    """

    library: Path
    night: NightSummary
    target: int | None
    left_out: Mapping[str, str]
    scores: tuple[ScoreRecord, ...]
    unscored: str | None
    sounds: tuple[SampleRecord, ...]
    models: Mapping[int, ModelRecord]
    written_at: datetime
    heard: Mapping[int, HeardAs]
    at_work: bool = False

    @property
    def folder(self) -> Path:
        """Where the pages lie."""
        return self.library / "nights" / self.night.night.name

    @property
    def short_cells(self) -> tuple[CellCount, ...]:
        """Cells with fewer accepted sounds than wanted."""
        return tuple(cell for cell in self.night.cells if cell.accepted < (self.target or 0))

    @property
    def copies(self) -> int:
        """How many of this night's accepted sounds are copies of training notes."""
        return sum(1 for sample in self.sounds if sample.status == "accepted" and sample.is_copy)

    @property
    def went_wrong(self) -> bool:
        """True when a model could not be used or a sound not be made; rejected sounds are no trouble."""
        return bool(self.left_out or self.night.failed)


def look_back(
    library: Library, night_id: int, target: int | None, left_out: Mapping[str, str], unscored: str | None
) -> Morning:
    """Read the facts of one night from the library; scores are those of its models over the whole library."""
    night = library.summary(night_id)
    models = {cell.model for cell in night.cells}
    kept = [*library.scores("model"), *library.scores("model_family")]
    scores = [score for score in kept if score.subject.partition("/")[0] in models]
    sounds = library.samples(SampleFilter(statuses=("accepted", "rejected"), night_id=night_id))
    # A library has many more sounds, and a score of each.
    heard = heard_as(library.scores("sample", [str(sound.id) for sound in sounds]), sounds)
    return Morning(
        library.path, night, target, dict(left_out), tuple(scores), unscored, tuple(sounds),
        models=library.models(), written_at=datetime.now(UTC), heard=heard,
    )  # fmt: skip


def as_json(morning: Morning) -> dict[str, Any]:
    """The facts as plain JSON; times are ISO 8601 in UTC, lengths of time in seconds."""
    night = morning.night
    return {
        "format": FORMAT,
        "night": night.night.name,
        "status": standing(night.night, morning.at_work),
        "started_at": night.night.started_at.isoformat(),
        "ended_at": night.night.ended_at.isoformat() if night.night.ended_at else None,
        "target": morning.target,
        **{key: getattr(night, key) for key in _COUNTS},
        "cells": [dataclasses.asdict(cell) for cell in night.cells],
        "short_cells": [cell_name(cell) for cell in morning.short_cells],
        "copies": morning.copies,
        "rejection_reasons": dict(night.rejection_reasons),
        "failures": dict(night.failures),
        "left_out": dict(morning.left_out),
        "stopped": [dataclasses.asdict(cell) for cell in night.stopped],
        "scores": [dataclasses.asdict(score) for score in morning.scores],
        "unscored": morning.unscored,
        "stage_seconds": dict(night.stage_seconds),
        "library": str(morning.library),
        "page": str(morning.folder / "index.html"),
        "written_at": morning.written_at.isoformat(),
        "sounds": [_sound(sample, morning.heard.get(sample.id)) for sample in morning.sounds],
    }


_COUNTS = ("planned", "found", "made", "accepted", "rejected", "failed", "pending", "skipped")


def _sound(sample: SampleRecord, heard: HeardAs | None) -> dict[str, Any]:
    return {
        "id": sample.id,
        "file": sample.file,
        "model": sample.model,
        "commercial": sample.commercial,
        "prompt": sample.prompt,
        "status": sample.status,
        "note": sample.note,
        "score": sample.score,
        "nearest_note": sample.nearest_note,
        "likeness": sample.likeness,
        "copy": sample.is_copy,
        "heard": heard.as_json if heard else None,
        "reasons": [reason["sentence"] for reason in sample.reasons],
    }


def as_text(morning: Morning) -> str:
    """The summary for a terminal or a mail: a few lines, the most wanted first."""
    night = morning.night
    lines = [
        f"Night {night.night.name}: {_ending(morning)}",
        f"  {night.accepted} accepted, {night.rejected} rejected, {night.failed} failed; "
        f"{night.made} made in this night, {night.found} found from earlier ones",
    ]
    lines += [f"  {line}" for line in sale_lines(morning)]
    if morning.target:
        lines.append(f"  wanted {morning.target} accepted in each cell: {_shortfall(morning)}")
    if night.rejection_reasons:
        lines.append(f"  rejected for: {_counted(night.rejection_reasons)}")
    if morning.copies:
        lines.append(f"  copies of training notes, left out of packs: {morning.copies}")
    lines += [f"  stopped by the canary: {cell.sentence}" for cell in night.stopped]
    lines += [f"  not used: {model}: {cause}" for model, cause in morning.left_out.items()]
    lines += [f"  failed ({count}): {line}" for line, count in night.failures.items()]
    lines += [f"  {score_line(score)}" for score in morning.scores if score.scope == "model"]
    if morning.unscored:
        lines.append(f"  no scores: {morning.unscored}")
    if night.stage_seconds:
        spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in night.stage_seconds.items())
        lines.append(f"  seconds: {spent}")
    lines.append(f"  look: {morning.folder / 'index.html'}")
    if night.accepted:
        lines.append(f'  find: nightcrate search "dark bass" --library {morning.library}')
    return "\n".join(lines)


def sale_lines(morning: Morning) -> list[str]:
    """How many accepted sounds may be sold, and of which models which may not and for which licence, in one line.

    Copies of training notes are counted with neither: they stay out of packs whatever the licence says. Without an
    accepted sound there is no line.
    """
    new = [sample for sample in morning.sounds if sample.status == "accepted" and not sample.is_copy]
    if not new:
        return []
    makers = (morning.models[sample.model_id] for sample in new if sample.commercial != "yes")
    not_for_sale = Counter((model.name, hindering_licences(model)) for model in makers)
    parts = [f"{len(new) - not_for_sale.total()} may be sold"]
    parts += [f"{count} of {name} may not ({licences})" for (name, licences), count in sorted(not_for_sale.items())]
    return [", ".join(parts)]


def score_line(score: ScoreRecord) -> str:
    """One score as a line, or the reason why there is none."""
    value = f"unscored, {score.reason}" if score.value is None else f"{score.value:.3g} (n {score.n})"
    return f"{score.subject}: {score.name} {value}"


def cell_name(cell: CellCount) -> str:
    """A cell in words: model, source (where the prompt named one) and family."""
    return " ".join(part for part in (cell.model, cell.source, cell.family) if part)


def elapsed(start: datetime, end: datetime | None) -> str:
    """A length of time in words, to the minute above an hour and to the second below."""
    seconds = round((end - start).total_seconds()) if end else 0
    minutes, hours = seconds // 60, seconds // 3600
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s"


def standing(night: NightRecord, at_work: bool) -> str:
    """How a night stands: finished, deadline, running, or interrupted, which no row can say of itself."""
    return "interrupted" if night.status == "running" and not at_work else night.status


def _ending(morning: Morning) -> str:
    night = morning.night.night
    stands = standing(night, morning.at_work)
    if stands in ("interrupted", "running"):
        told = "was interrupted" if stands == "interrupted" else "another process is making sounds here"
        planned = f"{morning.night.pending} planned sounds are not made yet"
        return f"{told}, {planned} (begun {night.started_at:%Y-%m-%d %H:%M} UTC)"
    took = f"{elapsed(night.started_at, night.ended_at)} from {night.started_at:%Y-%m-%d %H:%M} UTC"
    if night.status == "deadline":
        return f"stopped at its deadline, {morning.night.pending} planned sounds wait for the next run ({took})"
    return f"{night.status} ({took})"


def _shortfall(morning: Morning) -> str:
    if not morning.short_cells:
        return f"all {len(morning.night.cells)} cells have them"
    listed = ", ".join(f"{cell_name(cell)} {cell.accepted}" for cell in morning.short_cells)
    return f"{len(morning.short_cells)} of {len(morning.night.cells)} cells lack some: {listed}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in counts.items())

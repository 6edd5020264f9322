"""Verdicts again: sounds with the facts they were judged by, and rows changed where the verdict has changed.

No sound is made again. What a later gate rejects keeps its master (the next gate may want it back); what it accepts
gets one from the raw clip, as long as that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from catalog import scorebook
from catalog.errors import LibraryError
from catalog.gate_fit import GatedSound
from catalog.records import ACCEPTED, REJECTED
from catalog.results import MEASURED, audio_file, reject_file
from catalog.samples import current_review
from catalog.store import Store
from catalog.tables import job, sample
from generation.audio import AudioError, Clip, write_clip
from generation.descriptors import RawFacts, SoundFacts


@dataclass(frozen=True)
class NewVerdict:
    """Another verdict on a sound than its row holds.

    reasons: as in ResultRecord, none for an accepted one. clip, sound_facts: the finished form of a sound whose raw
    clip is all there is; None where its master exists, or it is rejected.
    """

    sample_id: int
    reasons: tuple[dict[str, Any], ...]
    clip: Clip | None = None
    sound_facts: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """accepted or rejected."""
        return REJECTED if self.reasons else ACCEPTED


def gated_sounds(connection: Connection) -> list[GatedSound]:
    """Every sound with the facts it was judged by, by id.

    Raises LibraryError when the facts of a sound are not those that this version measures.
    """
    rows = connection.execute(
        select(
            sample.c.id,
            sample.c.raw_facts,
            sample.c.sound_facts,
            sample.c.status,
            sample.c.score,
            job.c.qualities,
            job.c.note,
            current_review.label("review"),
        )
        .select_from(sample.join(job, job.c.id == sample.c.job_id))
        .order_by(sample.c.id)
    )
    sounds = []
    for row in rows:
        try:
            raw = RawFacts(**row.raw_facts)
            heard = SoundFacts(**row.sound_facts) if row.sound_facts is not None else None
        except TypeError as error:
            raise LibraryError(
                f"sound {row.id} was measured by another version of nightcrate and cannot be judged again ({error})"
            ) from error
        accepted = row.status == ACCEPTED
        sounds.append(GatedSound(row.id, raw, heard, row.qualities, row.note, accepted, row.review, row.score))
    return sounds


def rejudge(store: Store, root: Path, verdicts: Sequence[NewVerdict]) -> None:
    """Keep new verdicts: the masters of newly accepted sounds first, then all rows in one transaction.

    Raises LibraryError when a sound is unknown, has nothing to be accepted with, or the disk refuses; then no verdict
    of this call is kept.
    """
    with store.read() as connection:
        rows = {row.id: row for row in connection.execute(select(sample.c.id, sample.c.file, job.c.key).join(job))}
    written: dict[int, tuple[str, str]] = {}
    try:
        for verdict in verdicts:
            row = rows.get(verdict.sample_id)
            if row is None:
                raise LibraryError(f"there is no sound {verdict.sample_id} in this library; no verdict was changed")
            master = audio_file(row.key)
            if verdict.status == ACCEPTED and row.file != master:
                if verdict.clip is None or verdict.sound_facts is None:
                    raise LibraryError(f"sound {row.id} has no master and no raw clip; no verdict was changed")
                written[row.id] = (master, "")
                written[row.id] = (master, write_clip(root / master, verdict.clip))
        _update(store, verdicts, written, {id: row.key for id, row in rows.items()})
    except Exception as error:
        for file, _ in written.values():
            with suppress(OSError):
                (root / file).unlink(missing_ok=True)
        if isinstance(error, AudioError):
            raise LibraryError(f"{error}; no verdict was changed, see to the disk and start again") from error
        raise
    for id in written:
        with suppress(OSError):  # the sweep of the next night removes it
            (root / reject_file(rows[id].key)).unlink(missing_ok=True)


def _update(
    store: Store, verdicts: Sequence[NewVerdict], written: dict[int, tuple[str, str]], keys: dict[int, str]
) -> None:
    with store.write() as connection:
        scorebook.forget_sounds(connection, [verdict.sample_id for verdict in verdicts])
        for verdict in verdicts:
            values: dict[str, Any] = {"status": verdict.status, "reasons": list(verdict.reasons)}
            if verdict.sample_id in written and verdict.clip is not None and verdict.sound_facts is not None:
                file, sha256 = written[verdict.sample_id]
                values |= {name: verdict.sound_facts.get(name) for name in MEASURED}
                values |= {
                    "file": file,
                    "sha256": sha256,
                    "sample_rate_hz": verdict.clip.sample_rate_hz,
                    "sound_facts": verdict.sound_facts,
                }
            connection.execute(update(sample).where(sample.c.id == verdict.sample_id).values(values))
            key = keys[verdict.sample_id]
            connection.execute(update(job).where(job.c.key == key).values(status=verdict.status))

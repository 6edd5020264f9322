"""Does the folder hold what the rows say, and only that? And the broom for what a kill left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import soundfile
from sqlalchemy import Connection, select, update

from catalog import fulltext
from catalog.errors import LibraryError
from catalog.listening.book import copy_file
from catalog.records import ACCEPTED, REJECTED, Problem, Swept
from catalog.results import AUDIO, REJECTS
from catalog.store import Store, chunks, utc_now
from catalog.tables import batch, job, listening_sound, listening_test, sample
from catalog.writer_lock import in_use
from generation.audio import TEMPORARY_SUFFIX, AudioError, file_sha256

OURS = re.compile(r"\.?(?P<key>[0-9a-f]{8,64})\.(flac|wav)")
"""The names that results have (with a dot before, while they are being written)."""
STALE_S = 24 * 3600.0
"""Age from which a temporary index or pack is left over from a kill: no lock says who is writing those."""


def verify(store: Store, root: Path, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Everything that is not as it should be; `progress` is told (sounds checked, sounds in all).

    What a night at work has not finished yet is no problem.
    """
    problems = [Problem("database", store.path.name, f"{line}; restore it from a copy") for line in store.damages()]
    # Files first: one written and entered after this line is in the rows that are read next.
    files = list(_audio_files(root))
    with store.read() as connection:
        rows = connection.execute(
            select(sample.c.file, sample.c.sha256, sample.c.status, job.c.key)
            .join(job, job.c.id == sample.c.job_id)
            .order_by(sample.c.id)
        ).all()
        copies = connection.execute(
            select(listening_test.c.name, listening_sound.c.token, listening_sound.c.sha256)
            .join(listening_test, listening_test.c.id == listening_sound.c.test_id)
            .order_by(listening_sound.c.id)
        ).all()
        problems += _rows_without_result(connection)
        if not store.read_only and not fulltext.index_is_whole(connection):
            sentence = "the full-text index differs from the rows; run nightcrate rebuild"
            problems.append(Problem("fulltext", store.path.name, sentence))
        in_flight = _claimed_keys(connection) if in_use(root) else set()
    for done, row in enumerate(rows, start=1):
        problem = _check_file(root, *row)
        if problem is not None:
            problems.append(problem)
        if progress is not None:
            progress(done, len(rows))
    heard = (_check_file(root, copy_file(name, token), sha256, ACCEPTED, token) for name, token, sha256 in copies)
    problems += [problem for problem in heard if problem is not None]
    owned = {row.file for row in rows}
    problems += _strays(files, owned, in_flight)
    problems += [Problem("temporary_file", name, _SWEEP_IT) for name in _stale_temporaries(root)]
    return problems


def sweep(store: Store, root: Path, reject_days: float | None) -> Swept:
    """Remove what a kill left behind, and the raw clips of rejects older than `reject_days` (None: keep all).

    Removed are temporary files and files named after a job of this library that no row names. Any other
    file is left alone: somebody put it there, or the catalogue is an older copy that does not know it yet.
    The caller holds the writer lock.
    """
    expired = _forget_old_rejects(store, reject_days) if reject_days is not None else []
    temporaries, orphans = _stale_temporaries(root), []
    files = list(_audio_files(root))
    with store.read() as connection:
        owned = set(connection.scalars(select(sample.c.file).where(sample.c.file.is_not(None))))
        known = _known_keys(connection, {_key(name) for name in files if name not in owned})
    for name in files:
        if name in owned:
            continue
        if name.endswith(TEMPORARY_SUFFIX):
            temporaries.append(name)
        elif _key(name) in known and name not in expired:
            orphans.append(name)
    try:
        for name in (*temporaries, *orphans, *expired):
            (root / name).unlink(missing_ok=True)
    except OSError as error:
        raise LibraryError(f"{error.filename}: cannot be removed ({error.strerror})") from error
    return Swept(tuple(temporaries), tuple(orphans), tuple(expired))


_SWEEP_IT = "left behind by a run that was killed; the next night removes it"


def _audio_files(root: Path) -> Iterator[str]:
    """Every file under audio/ and rejects/, relative to the library."""
    for folder in (AUDIO, REJECTS):
        for path in sorted((root / folder).rglob("*")):
            if not path.is_dir():
                yield path.relative_to(root).as_posix()


def _stale_temporaries(root: Path) -> list[str]:
    """Unfinished indexes and packs that nobody can be writing any more."""
    oldest = time.time() - STALE_S
    found = []
    for folder in ("index", "packs"):
        for path in sorted((root / folder).glob(f".*{TEMPORARY_SUFFIX}")):
            if path.stat().st_mtime < oldest:
                found.append(path.relative_to(root).as_posix())
    return found


def _key(name: str) -> str | None:
    """The job key in a file name of ours, None for another file."""
    match = OURS.match(Path(name).name)
    return match["key"] if match else None


def _known_keys(connection: Connection, keys: set[str | None]) -> set[str]:
    known: set[str] = set()
    for part in chunks(sorted(key for key in keys if key is not None)):
        known |= set(connection.scalars(select(job.c.key).where(job.c.key.in_(part))))
    return known


def _claimed_keys(connection: Connection) -> set[str]:
    query = select(job.c.key).join(batch, batch.c.id == job.c.batch_id).where(batch.c.status == "claimed")
    return set(connection.scalars(query))


def _rows_without_result(connection: Connection) -> list[Problem]:
    """Jobs that should have a result and have none, and results that their job knows nothing of."""
    rows = connection.execute(
        select(job.c.key, job.c.status, batch.c.status.label("batch"), sample.c.status.label("sample"))
        .join(batch, batch.c.id == job.c.batch_id)
        .outerjoin(sample, sample.c.job_id == job.c.id)
        .order_by(job.c.id)
    )
    problems = []
    for key, status, of_batch, of_sample in rows:
        expected = status if status in (ACCEPTED, REJECTED) else None
        if expected != of_sample:
            sentence = f"job is {status} but its sound is {of_sample or 'missing'}; restore the catalogue"
            problems.append(Problem("row_without_result", key, sentence))
        elif (of_batch == "finished") == (status == "planned"):
            sentence = f"job is {status} in a batch that is {of_batch}; restore the catalogue"
            problems.append(Problem("row_without_result", key, sentence))
    return problems


def _check_file(root: Path, name: str | None, sha256: str | None, status: str, key: str) -> Problem | None:
    """What is wrong with the file of one row, if anything."""
    if name is None:
        if status == REJECTED:
            return None  # its raw clip was not kept, or no longer
        return Problem("missing_file", key, "an accepted sound without a file name; restore the catalogue")
    path = root / name
    if not path.is_file():
        return Problem("missing_file", name, "the file is gone; restore it from a copy")
    try:
        same = file_sha256(path) == sha256
        # Not read_clip: the raw clip of a reject may hold NaN and still be what was written.
        soundfile.read(path, dtype="float32")
    except (AudioError, OSError, soundfile.LibsndfileError):
        return Problem("unreadable_audio", name, "cannot be decoded; restore it from a copy")
    if not same:
        return Problem("wrong_sha256", name, "changed since it was made; restore it from a copy")
    return None


def _strays(files: list[str], owned: set[str | None], in_flight: set[str]) -> list[Problem]:
    """Files that no row names."""
    problems = []
    for name in files:
        key = _key(name)
        if name in owned or key in in_flight:
            continue
        if name.endswith(TEMPORARY_SUFFIX):
            problems.append(Problem("temporary_file", name, _SWEEP_IT))
        elif key is not None:
            sentence = "no row names it; the next night removes it, unless its job is unknown here too"
            problems.append(Problem("orphan_file", name, sentence))
        else:
            problems.append(Problem("orphan_file", name, "not made by nightcrate; move it elsewhere"))
    return problems


def _forget_old_rejects(store: Store, reject_days: float) -> list[str]:
    """Clear the file of rejects that are old enough, and say which files they were.

    Row first: a kill before the file is gone leaves an orphan for the next sweep, not a row without a file.
    """
    if reject_days < 0:
        raise LibraryError(f"rejects are kept for 0 days or more, not {reject_days}")
    before = utc_now() - timedelta(days=reject_days)
    # Not the masters of sounds that a later gate rejected: the next gate may want them back.
    raw = sample.c.file.startswith(f"{REJECTS}/")
    old = (sample.c.status == REJECTED) & raw & (sample.c.created_at < before)
    with store.write() as connection:
        files = [str(name) for name in connection.scalars(select(sample.c.file).where(old))]
        connection.execute(update(sample).where(old).values(file=None, sha256=None))
    return files

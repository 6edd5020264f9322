"""Verify finds each kind of trouble and nothing else; sweep removes what a kill left, and no more."""

from __future__ import annotations

import os
import sqlite3
import time

import pytest

from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import Problem
from tests.catalog.toy_library import CONFIG, accepted, files, make, rejected, start, toy_job


@pytest.fixture
def filled(library):
    """Two accepted sounds and a rejected one; and a pending batch of one job."""
    make(library, [toy_job(1), toy_job(2)])
    make(library, [toy_job(3)], rejected)
    start(library, [[toy_job(4)]])
    return library


def found(library):
    return [(problem.kind, problem.subject) for problem in library.verify()]


def sql(library, statement):
    connection = sqlite3.connect(library.path / "catalog.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


def place(library, name, data=b"x", age_s=0.0):
    path = library.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return name


def audio(key, ending="flac", folder="audio"):
    return f"{folder}/{key[:2]}/{key}.{ending}"


def test_a_good_library_has_no_problem(filled):
    steps = []
    assert filled.verify(lambda done, of: steps.append((done, of))) == []
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_a_missing_file(filled):
    name = filled.sample(1).file
    (filled.path / name).unlink()
    assert found(filled) == [("missing_file", name)]


def test_a_changed_file(filled):
    one, two = filled.sample(1), filled.sample(2)
    (filled.path / one.file).write_bytes((filled.path / two.file).read_bytes())
    assert found(filled) == [("wrong_sha256", one.file)]


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: data[:10], lambda data: b"this is text"])
def test_a_file_that_cannot_be_decoded(filled, change):
    path = filled.path / filled.sample(1).file
    path.write_bytes(change(path.read_bytes()))
    assert found(filled) == [("unreadable_audio", filled.sample(1).file)]


def test_a_damaged_reject(filled):
    sound = filled.sample(3)
    (filled.path / sound.file).write_bytes(b"")
    assert found(filled) == [("unreadable_audio", sound.file)]


def test_an_orphan_a_stranger_and_a_temporary_file(filled):
    planned = place(filled, audio(toy_job(4).key))
    unknown = place(filled, audio("0" * 32))
    stranger = place(filled, "audio/notes.txt")
    temporary = place(filled, f"audio/{toy_job(4).key[:2]}/.{toy_job(4).key}.flac.12ab34cd.tmp")
    assert sorted(found(filled)) == [
        *sorted([("orphan_file", planned), ("orphan_file", unknown), ("orphan_file", stranger)]),
        ("temporary_file", temporary),
    ]
    swept = filled.sweep()
    assert (swept.orphans, swept.temporary_files, swept.expired_rejects) == ((planned,), (temporary,), ())
    assert sorted(found(filled)) == [("orphan_file", unknown), ("orphan_file", stranger)]


def test_what_a_night_is_just_making_is_no_problem(filled):
    (batch,) = filled.pending_batches(filled.nights()[-1].id)
    filled.claim(batch.id)
    place(filled, audio(batch.job_keys[0]))
    place(filled, f"audio/{batch.job_keys[0][:2]}/.{batch.job_keys[0]}.flac.12ab34cd.tmp")
    assert found(filled) == []
    with Library.open(filled.path, read_only=True) as other:
        assert other.verify() == []
    filled.close()
    with Library.open(filled.path) as after:
        assert [kind for kind, _ in found(after)] == ["temporary_file", "orphan_file"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET status = 'planned' WHERE id = 1",
        "UPDATE job SET status = 'rejected' WHERE id = 1",
        "UPDATE job SET status = 'failed' WHERE id = 1",
    ],
)
def test_a_row_that_disagrees_with_its_sound(filled, statement):
    sql(filled, statement)
    assert found(filled) == [("row_without_result", toy_job(1).key)]


def test_a_result_without_its_sound(filled):
    sql(filled, "DELETE FROM sample_text WHERE sample_id = 1")
    sql(filled, "DELETE FROM sample WHERE id = 1")
    assert sorted(found(filled)) == [
        ("orphan_file", audio(toy_job(1).key)),
        ("row_without_result", toy_job(1).key),
    ]


def test_a_planned_job_in_a_finished_batch(filled):
    sql(filled, "UPDATE batch SET status = 'finished'")
    assert found(filled) == [("row_without_result", toy_job(4).key)]


def test_a_row_that_lost_its_parent(filled):
    sql(filled, "INSERT INTO review VALUES (1, 999, 'keep', NULL, 'ana', '2026-01-01 00:00:00.000000', NULL)")
    assert found(filled) == [("database", "catalog.sqlite")]


def test_a_full_text_that_differs_from_the_rows(filled):
    sql(filled, "INSERT INTO sample_fts(sample_fts) VALUES ('delete-all')")
    assert found(filled) == [("fulltext", "catalog.sqlite")]
    filled.rebuild_index()
    assert found(filled) == []


def test_a_problem_says_what_to_do(filled):
    (filled.path / filled.sample(1).file).unlink()
    assert filled.verify() == [
        Problem("missing_file", filled.sample(1).file, "the file is gone; restore it from a copy")
    ]


# -------------------- sweep


def test_the_next_night_removes_what_a_kill_left(filled):
    before = files(filled.path)
    place(filled, audio(toy_job(4).key), b"written, but no row yet")
    place(filled, audio(toy_job(4).key, "wav", "rejects"))
    place(filled, audio(toy_job(1).key, "wav", "rejects"))
    filled.start_night("toy", CONFIG)
    assert len(filled.sweep().orphans) == 3
    assert files(filled.path) == before and found(filled) == []


def test_sounds_survive_when_an_older_copy_of_the_catalogue_is_put_back(filled):
    """Their jobs are unknown to it: sweep must not take newer masters for leftovers."""
    filled.close()
    before = files(filled.path)
    for name in os.listdir(filled.path):
        if name.startswith("catalog.sqlite"):
            (filled.path / name).unlink()
    with Library.open(filled.path, create=True) as fresh:
        assert fresh.sweep() == type(fresh.sweep())()
        assert {kind for kind, _ in found(fresh)} == {"orphan_file"}
    assert files(filled.path) == before


def test_rejects_are_kept_for_some_days(filled):
    sound = filled.sample(3)
    assert filled.sweep().expired_rejects == filled.sweep(7).expired_rejects == ()
    sql(filled, "UPDATE sample SET created_at = '2020-01-01 00:00:00.000000'")
    assert filled.sweep(7).expired_rejects == (sound.file,)
    after = filled.sample(3)
    assert (after.file, after.sha256, after.status, after.reasons) == (None, None, "rejected", sound.reasons)
    assert not (filled.path / sound.file).exists()
    assert found(filled) == [] and filled.count() == 2
    with pytest.raises(LibraryError, match="0 days or more, not -1"):
        filled.sweep(-1)


def test_an_expired_reject_whose_file_outlived_a_kill_goes_with_the_next_sweep(filled):
    name = filled.sample(3).file
    sql(filled, "UPDATE sample SET file = NULL, sha256 = NULL WHERE id = 3")
    assert filled.sweep().orphans == (name,)


def test_temporary_indexes_and_packs_go_when_nobody_can_be_writing_them(filled):
    old = [place(filled, f"{folder}/.a.12ab34cd.tmp", age_s=90_000.0) for folder in ("index", "packs")]
    place(filled, "packs/.b.12ab34cd.tmp")
    place(filled, "packs/a.zip", age_s=90_000.0)
    assert found(filled) == [("temporary_file", name) for name in old]
    assert filled.sweep().temporary_files == tuple(old)
    assert sorted(os.listdir(filled.path / "packs")) == [".b.12ab34cd.tmp", "a.zip"]


def test_sweeping_an_empty_library_does_nothing(library):
    assert library.sweep(0.0).orphans == () and library.verify() == []


def test_accepted_sounds_are_never_swept(filled):
    before = files(filled.path)
    start(filled, [[toy_job(4)]])
    (batch,) = filled.pending_batches(filled.nights()[-1].id)
    filled.finish_batch(batch.id, [accepted(batch.job_keys[0])])
    filled.sweep(1)
    assert set(before) < set(files(filled.path))

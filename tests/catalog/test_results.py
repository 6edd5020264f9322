"""Results of a batch: files and rows together, or neither."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from sqlalchemy.exc import DatabaseError

from catalog import store
from catalog.errors import LibraryError
from catalog.library import Library
from catalog.records import SampleFilter
from generation.audio import Clip, file_sha256, read_clip
from tests.catalog.toy_library import (
    REASON,
    accepted,
    failed,
    files,
    make,
    rejected,
    start,
    toy_clip,
    toy_job,
)

KEYS = [toy_job(seed).key for seed in range(3)]


@pytest.fixture
def batch(library):
    """A batch of three jobs that is still to be made."""
    return library.pending_batches(start(library, [[toy_job(seed) for seed in range(3)]]))[0]


def everything(library):
    return library.samples(SampleFilter(statuses=()))


def test_each_outcome_leaves_what_it_should(library, batch):
    library.finish_batch(batch.id, [accepted(KEYS[0]), rejected(KEYS[1]), failed(KEYS[2])])
    good, bad = everything(library)
    assert (good.job_key, good.status, good.file) == (
        KEYS[0],
        "accepted",
        f"audio/{KEYS[0][:2]}/{KEYS[0]}.flac",
    )
    assert (good.midi_note, good.note, good.cents, good.peak_dbfs) == (33, "A1", 4.0, -6.0)
    assert good.sources == ("bass_acoustic_000-033-100",) and good.reasons == ()
    assert (bad.status, bad.file) == ("rejected", f"rejects/{KEYS[1][:2]}/{KEYS[1]}.wav")
    assert bad.reasons == (REASON,) and bad.sources == ()
    assert (bad.duration_s, bad.midi_note) == (0.05, None), "the raw clip's facts, where no other were measured"
    assert library.job_statuses(KEYS) == dict(zip(KEYS, ("accepted", "rejected", "failed"), strict=True))
    assert set(files(library.path)) == {good.file, bad.file}
    assert library.pending_batches(1) == []


def test_the_master_is_the_clip_in_24_bits(library):
    make(library, [toy_job(1)])
    sound = library.sample(1)
    path = library.audio_path(sound)
    assert soundfile.info(path).subtype == "PCM_24" and sound.sha256 == file_sha256(path)
    np.testing.assert_allclose(read_clip(path).samples, toy_clip(sound.job_key).samples, atol=2**-23)


def test_a_reject_keeps_its_raw_clip_with_all_its_faults(library, batch):
    faults = np.array([[0.0, np.nan, 7.5, -np.inf]], dtype=np.float32)
    results = [rejected(key, raw=Clip(faults, 44_100)) for key in KEYS]
    library.finish_batch(batch.id, results)
    sound = everything(library)[0]
    kept, rate_hz = soundfile.read(library.audio_path(sound), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(kept.T, faults)
    assert rate_hz == sound.sample_rate_hz == 44_100


def test_a_reject_without_a_raw_clip_has_no_file(library, batch):
    library.finish_batch(batch.id, [replace(rejected(key), raw=None) for key in KEYS])
    sound = everything(library)[0]
    assert (sound.file, sound.sha256, sound.sample_rate_hz) == (None, None, 16_000)
    with pytest.raises(LibraryError, match="its raw clip is not kept"):
        library.audio_path(sound)


def test_details_tell_everything(library):
    make(library, [toy_job(1)])
    told = library.details(1)
    assert told.settings == toy_job(1).settings and told.raw_facts == {"finite": True, "peak_dbfs": -5.0}
    assert told.sound_facts["cents"] == 4.0
    assert (told.seconds, told.device, told.versions, told.reviews) == (0.25, "cpu", {"torch": "0"}, ())


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([accepted(KEYS[0])], "needs one result for each; 1 of them came among 1"),
        ([accepted(key) for key in (*KEYS, "0" * 32)], "3 of them came among 4"),
        ([accepted(key) for key in (KEYS[0], *KEYS[:2])], "2 of them came among 3"),
        ([replace(accepted(key), clip=None) for key in KEYS], "needs its clip and its facts"),
        ([replace(accepted(key), sound_facts=None) for key in KEYS], "needs its clip and its facts"),
        ([rejected(key, reasons=[]) for key in KEYS], "a rejection needs a reason"),
        ([replace(accepted(key), error="no") for key in KEYS], "cannot be accepted and have failed"),
        ([accepted(key, lufs=float("nan")) for key in KEYS], "its facts cannot be stored"),
        ([accepted(key, lufs=np.float32(1)) for key in KEYS], "its facts cannot be stored"),
    ],
)
def test_results_that_do_not_fit_are_refused_before_anything_is_written(library, batch, results, sentence):
    with pytest.raises(LibraryError, match=sentence):
        library.finish_batch(batch.id, results)
    assert files(library.path) == {} and everything(library) == []
    assert library.pending_batches(1)[0].id == batch.id


def test_a_clip_that_cannot_be_written_takes_its_batch_along(library, batch):
    broken = Clip(np.full((1, 800), np.nan, dtype=np.float32), 16_000)
    results = [accepted(KEYS[0]), accepted(KEYS[1]), replace(accepted(KEYS[2]), clip=broken)]
    with pytest.raises(LibraryError, match="holds NaN.*nothing of this batch was kept"):
        library.finish_batch(batch.id, results)
    assert files(library.path) == {} and everything(library) == []


def test_rows_that_cannot_be_written_take_the_files_along(library_path, monkeypatch):
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 50)
    with Library.open(library_path, create=True) as library:
        night = start(library, [[toy_job(seed) for seed in range(3)]])
        other = sqlite3.connect(library_path / "catalog.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="another command has been writing"):
            library.finish_batch(1, [accepted(key) for key in KEYS])
        other.close()
        assert files(library_path) == {} and len(library.pending_batches(night)) == 1


def test_a_failure_after_the_first_rows_leaves_no_row_and_no_file(library, batch):
    other = sqlite3.connect(library.path / "catalog.sqlite")
    other.execute(
        "CREATE TRIGGER last_step BEFORE INSERT ON sample_text WHEN new.sample_id = 3 "
        "BEGIN SELECT RAISE(ABORT, 'stop'); END"
    )
    other.close()
    with pytest.raises(DatabaseError, match="stop"):
        library.finish_batch(batch.id, [accepted(key) for key in KEYS])
    assert files(library.path) == {} and everything(library) == []
    assert set(library.job_statuses(KEYS).values()) == {"planned"}
    assert library.pending_batches(1)[0].id == batch.id


def test_a_batch_is_finished_once(library, batch):
    results = [accepted(key) for key in KEYS]
    library.finish_batch(batch.id, results)
    before = files(library.path)
    with pytest.raises(LibraryError, match="is finished already"):
        library.finish_batch(batch.id, [rejected(key) for key in KEYS])
    with pytest.raises(LibraryError, match="there is no batch 99"):
        library.finish_batch(99, results)
    assert files(library.path) == before and library.count() == 3


def test_a_file_left_by_a_kill_is_written_over(library, batch):
    path = library.path / f"audio/{KEYS[0][:2]}/{KEYS[0]}.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    library.finish_batch(batch.id, [accepted(key) for key in KEYS])
    assert library.verify() == [] and os.path.getsize(path) > 100


def test_a_sound_that_cannot_be_written_is_not_blamed_on_the_disk(library, batch):
    wide = Clip(np.full((3, 100), 0.1, np.float32), 16_000)
    results = [accepted(KEYS[0]), replace(accepted(KEYS[1]), clip=wide), failed(KEYS[2])]
    with pytest.raises(LibraryError, match="3 channels; mono or stereo is needed; nothing of this batch was kept$"):
        library.finish_batch(batch.id, results)
    assert not everything(library) and not files(library.path)

"""The front door: what it opens, what it refuses in one line, who may write."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import LibraryError
from catalog.library import Library
from tests.catalog.toy_library import CONFIG, accepted, files, make, start, toy_job

_ROOT = Path(__file__).parents[2]


def refusal(path: Path, **how: bool) -> str:
    with pytest.raises(LibraryError) as caught:
        Library.open(path, **how)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_library_is_made_only_when_asked(library_path):
    assert "there is no library here" in refusal(library_path)
    assert "there is no library here" in refusal(library_path, create=True, read_only=True)
    assert not library_path.exists()
    Library.open(library_path, create=True).close()
    Library.open(library_path).close()
    assert os.listdir(library_path) == ["catalog.sqlite"]


def test_a_folder_without_a_catalogue_is_no_library(tmp_path):
    assert "there is no library here" in refusal(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_is_no_library(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFF")
    assert "a library is a folder, this is a file" in refusal(path, create=True)
    assert "cannot be made" in refusal(path / "inside", create=True)
    assert path.read_bytes() == b"RIFF"


def test_what_was_written_is_there_again(library_path):
    with Library.open(library_path, create=True) as library:
        make(library, [toy_job(1), toy_job(2)])
        before = library.samples()
    with Library.open(library_path, read_only=True) as library:
        assert library.samples() == before and len(before) == 2


def test_for_reading_it_refuses_every_kind_of_writing(library_path):
    with Library.open(library_path, create=True) as library:
        night = make(library, [toy_job(1)])
    with Library.open(library_path, read_only=True) as library:
        writing = [
            lambda: library.start_night("toy", CONFIG),
            lambda: library.plan(night, [[toy_job(2)]]),
            lambda: library.claim(1),
            lambda: library.finish_batch(1, []),
            lambda: library.review(1, "keep", None, "ana"),
            lambda: library.set_sample_scores({1: 50.0}),
            lambda: library.sweep(),
        ]
        for write in writing:
            with pytest.raises(LibraryError, match="opened for reading only"):
                write()


# -------------------- one night at a time


def test_a_second_night_is_refused_in_one_line_and_may_start_after_the_first(library_path):
    first, second = Library.open(library_path, create=True), Library.open(library_path)
    night = start(first, [[toy_job(1)]])
    for attempt in (lambda: second.start_night("toy", CONFIG), lambda: second.claim(1), second.sweep):
        with pytest.raises(LibraryError, match=rf"process {os.getpid()} .*is writing to this library"):
            attempt()
    assert second.nights()[0].id == night
    first.close()
    assert second.start_night("toy", CONFIG) == night
    second.close()


def test_the_lock_is_not_inherited_by_what_a_night_starts(library_path):
    """A server process that outlives a killed night must not keep the next night out."""
    library = Library.open(library_path, create=True)
    library.lock()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        library.close()
        with Library.open(library_path) as again:
            again.lock()
    finally:
        child.communicate(b"\n")


def test_reviews_and_scores_go_on_beside_a_night(library_path):
    with Library.open(library_path, create=True) as night, Library.open(library_path) as curator:
        make(night, [toy_job(1)])
        start(night, [[toy_job(2)]])
        curator.review(1, "drop", "dull", "ana")
        curator.set_sample_scores({1: 10.0})
        assert (night.sample(1).review, night.sample(1).score) == ("drop", 10.0)


# -------------------- a folder that cannot be written


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach (pytest's own are closed to them)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder)


def as_stranger(code: str, library: Path) -> str:
    """Run code in a process that may not write the library, whoever runs the tests; what it printed.

    Root may write everything, so it becomes nobody first. The imports come before, since nobody may not be
    able to read them.
    """
    before = (
        "import os, sys, hashlib, alembic.command, sqlalchemy.dialects.sqlite.pysqlite, numpy\n"
        "from catalog.library import Library; from catalog.errors import LibraryError\n"
        "library = sys.argv[1]\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", before + code, str(library)],
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def closed(library: Path) -> None:
    for path in (library, *library.rglob("*")):
        path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH | (0o111 if path.is_dir() else 0))


@pytest.mark.parametrize("left_open", [False, True])
def test_a_read_only_library_can_be_read_and_not_written(public_folder, left_open):
    """`left_open`: its write-ahead log is not folded in, as after a kill, and must be read too."""
    library = public_folder / "library"
    code = (
        "import os, sys; from catalog.library import Library; from tests.catalog.toy_library import *\n"
        "library = Library.open(sys.argv[1], create=True); make(library, [toy_job(1), toy_job(2)])\n"
        "library.review(1, 'keep', None, 'ana')\n"
        "os._exit(0) if sys.argv[2] == 'True' else library.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(library), str(left_open)], check=True, cwd=_ROOT)
    assert (library / "catalog.sqlite-wal").exists() == left_open
    closed(library)
    before = {path: path.read_bytes() for path in library.rglob("*") if path.is_file()}
    code = (
        "with Library.open(library, read_only=True) as opened:\n"
        "    print([s.review for s in opened.samples()], opened.fulltext(['bass'])[0][0], opened.verify())\n"
        "try: Library.open(library)\n"
        "except LibraryError as error: print(error)\n"
    )
    read, refused = as_stranger(code, library).splitlines()
    assert read == "['keep', None] 1 []"
    assert refused == f"{library}: read-only; choose a library that you may write"
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before


# -------------------- a full disk

FILL = """
import os, resource, sys
from catalog.library import Library
from catalog.errors import LibraryError
from tests.catalog.toy_library import *
library = Library.open(sys.argv[1], create=True)
jobs = [toy_job(seed) for seed in range(64)]
night = start(library, [jobs[i:i + 4] for i in range(0, 64, 4)])
if sys.argv[2] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
done = 0
for batch in library.pending_batches(night):
    try:
        library.claim(batch.id)
        library.finish_batch(batch.id, [accepted(key) for key in batch.job_keys])
    except LibraryError as error:
        print(done, error)
        os._exit(3)
    done += 1
print("never full")
"""


def check_after_full(library_path: Path, said: str) -> None:
    """One line came; batches before it are whole, the one it broke off has left nothing and can be made."""
    assert said.count("\n") == 1 and str(library_path) in said
    done = int(said.split()[0])
    with Library.open(library_path) as library:
        assert library.count() == 4 * done == len(files(library_path))
        night = library.start_night("toy", CONFIG)
        swept = library.sweep()
        assert swept.temporary_files == swept.orphans == ()
        assert library.verify() == []
        pending = library.pending_batches(night)
        assert len(pending) == 16 - done
        library.claim(pending[0].id)
        library.finish_batch(pending[0].id, [accepted(key) for key in pending[0].job_keys])
        assert library.count() == 4 * (done + 1)


def may_mount() -> bool:
    """Whether a small file system of our own can be had here."""
    try:
        return subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


UNSHARE = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
DISKS = [
    "1000",  # bytes that a file may have: already the claim of the first batch does not fit
    "500000",  # masters fit, but the write-ahead log of the catalogue does not grow beyond this
    *(["tmpfs"] if may_mount() else []),  # a real file system of 1 MB that fills up
]


@pytest.mark.parametrize("disk", DISKS)
def test_a_full_disk_costs_one_batch_and_one_line(library_path, disk):
    command = [sys.executable, "-c", FILL, str(library_path), "0" if disk == "tmpfs" else disk]
    if disk == "tmpfs":
        # The file system ends with the process, so what is on it is copied away for a closer look.
        mount = 'mount -t tmpfs -o size=1m tmpfs "$LIBRARY" && "$@"; '
        script = mount + 'code=$?; cp -a "$LIBRARY" "$KEPT"; exit $code'
        command = [*UNSHARE, "sh", "-c", script, "sh", *command]
        library_path.mkdir()
    kept = library_path.with_name("kept")
    environment = os.environ | {"LIBRARY": str(library_path), "KEPT": str(kept)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, env=environment)
    assert done.returncode == 3, done.stdout + done.stderr
    if disk == "tmpfs":
        assert "No space left on device" in done.stdout or "the disk is full" in done.stdout
        library_path.rmdir()
        kept.rename(library_path)
    check_after_full(library_path, done.stdout)


def test_a_refused_file_leaves_no_other_file_of_its_batch(library):
    jobs = [toy_job(seed) for seed in range(3)]
    night = start(library, [jobs])
    batch = library.pending_batches(night)[0]
    blocked = library.path / "audio" / batch.job_keys[2][:2]
    if blocked.name in {key[:2] for key in batch.job_keys[:2]}:
        pytest.fail("choose seeds whose keys begin differently")
    blocked.parent.mkdir()
    blocked.write_text("a file where a folder must be")
    with pytest.raises(LibraryError, match="nothing of this batch was kept"):
        library.finish_batch(batch.id, [accepted(key) for key in batch.job_keys])
    blocked.unlink()
    assert files(library.path) == {} and library.count() == 0
    assert library.pending_batches(night)[0].job_keys == batch.job_keys

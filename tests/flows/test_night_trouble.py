"""A night in trouble: no room, a disk that refuses, no server, told to stop. One line, and nothing is half done."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog.errors import LibraryError
from catalog.library import Library
from flows.order import read_order
from flows.room import need_room
from flows.settings import read_night
from generation.downloads import free_bytes
from tests.flows.command_line import process
from tests.flows.night_kit import EMBEDDER, ROOT, said, start_night, write_model, write_night

pytestmark = pytest.mark.timeout(600)  # whole nights, each with a server of Prefect's that starts
PROMPTS = "{cells: [bass, flute], max_qualities: 0}"
needs_prefect = pytest.mark.slow


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "toy-chopan")


@pytest.fixture
def config(model: Path, tmp_path: Path) -> Path:
    return write_night(tmp_path / "night.yaml", [model], PROMPTS, batch_size=1, embedder=EMBEDDER)


@pytest.fixture
def long_night(model: Path, tmp_path: Path) -> Path:
    """A night that is still at work a minute after its first sound."""
    settings = {"seeds": "[1, 2, 3, 4]", "batch_size": 1, "embedder": EMBEDDER}
    return write_night(tmp_path / "night.yaml", [model], PROMPTS.replace("0", "1"), **settings)


def one_line(err: str) -> str:
    assert err.startswith("nightcrate: ") and err.count("\n") == 1, err
    return err


def servers(library: Path) -> list[Path]:
    """Processes that were started with the library's Prefect home."""
    mark = os.fsencode(f"PREFECT_HOME={(library / 'prefect').resolve()}")
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (each / "environ").read_bytes().split(b"\0"):
                found.append(each)
        except OSError:  # it ended meanwhile, or it is another user's
            continue
    return found


def test_room_is_asked_for_where_a_folder_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0
    need_room(tmp_path / "not" / "yet", 1)
    with pytest.raises(LibraryError) as refused:
        need_room(tmp_path / "library", 10**18)
    assert str(refused.value).startswith(f"{tmp_path / 'library'}: no room left, ")
    assert "another disk" in str(refused.value) and "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


if os.geteuid() == 0:  # nobody else may mount one, and a small disk is the only thing that shows it

    @pytest.fixture
    def small_disk(tmp_path: Path) -> Iterator[Path]:
        place = tmp_path / "small"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", place], check=True)
        yield place
        subprocess.run(["umount", place], check=True)

    def test_a_night_without_room_is_refused_before_anything_is_written(small_disk: Path, config: Path) -> None:
        ended = process("night", config, "--library", small_disk / "library", "--device", "cpu")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "no room left, 1.5 MB are free and a night needs 10 MB" in one_line(ended.stderr)
        assert list(small_disk.iterdir()) == []

    @pytest.mark.slow
    def test_a_night_is_not_gone_on_with_without_room(small_disk: Path, config: Path) -> None:
        with Library.open(small_disk / "library", create=True):
            pass
        ended = process("night", config, "--library", small_disk / "library", "--device", "cpu")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "no room left" in one_line(ended.stderr)
        with Library.open(small_disk / "library") as library:
            assert library.nights() == []


def test_a_busy_library_is_refused_before_anything_is_looked_up(model: Path, tmp_path: Path) -> None:
    """A mistake in the configuration, which costs time to find, comes second, and torch is never imported."""
    config = write_night(tmp_path / "night.yaml", [model], PROMPTS, embedder="transformers:/nowhere")
    arguments = ["night", str(config), "--library", str(tmp_path / "library")]
    script = f"import sys\nfrom flows.cli import main\ntry: main({arguments!r})\nfinally: print('torch' in sys.modules)"
    with Library.open(tmp_path / "library", create=True) as first:
        first.lock()
        ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "False\n")
    assert "writing to this library" in one_line(ended.stderr)


@needs_prefect
def test_a_server_that_does_not_start_is_one_line_that_names_its_log(config: Path, tmp_path: Path) -> None:
    """No file may grow above 600 kB: enough for the catalogue, too little for Prefect's database."""
    started = time.monotonic()
    ended = process(
        "night", config, "--library", tmp_path / "library", "--device", "cpu",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)),
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    told = one_line(ended.stderr)
    log = tmp_path / "library" / "prefect" / "server.log"
    assert "Prefect's server did not start" in told and f"its log is {log}" in told
    assert "Traceback" in log.read_text()
    assert time.monotonic() - started < 100, "it is not waited for when it is dead"
    assert servers(tmp_path / "library") == []


@needs_prefect
def test_a_disk_that_refuses_ends_the_night_with_one_line_and_its_pages(config: Path, tmp_path: Path) -> None:
    """A file that stands where the folder of the last sound should be: any user meets it, unlike a full disk."""
    library = tmp_path / "library"
    keys = [job.key for job in read_order(*read_night(str(config))).first_tries]
    (library / "audio").mkdir(parents=True)
    (library / "audio" / keys[-1][:2]).touch()
    (library / "rejects").mkdir()
    (library / "rejects" / keys[-1][:2]).touch()
    ended = process("night", config, "--library", library, "--device", "cpu")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nothing of this batch was kept, see to the disk and start again" in one_line(ended.stderr)
    page = (library / "nights" / "test" / "index.html").read_text()
    assert page.count("<figure>") == len(keys) - 1
    assert (library / "nights" / "test" / "summary.json").is_file()
    assert servers(library) == []


@needs_prefect
def test_an_error_that_nobody_expected_keeps_its_traceback_once(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom flows import prefect_home\nfrom flows.prefect_server import serving\n"
        f"home = prefect_home.enter(Path({str(tmp_path)!r}))\n"
        "with serving(home):\n"
        "    from flows.night import Night\n"
        "    Night(None, None).run('without a bench')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("Traceback") == 1
    assert ended.stderr.splitlines()[-1].startswith("AttributeError: 'NoneType'")


@needs_prefect
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])  # SIGHUP goes the way of SIGTERM
def test_told_to_stop_it_says_so_and_leaves_nothing_behind(number: int, long_night: Path, tmp_path: Path) -> None:
    """As systemd tells it: the server is sent the same signal; Ctrl-C is for the night alone."""
    library = tmp_path / "library"
    night = start_night(long_night, library)
    try:
        while not list(library.glob("audio/*/*")):
            assert night.poll() is None, said(library)
            time.sleep(0.1)
        for each in servers(library) if number != signal.SIGINT else []:
            os.kill(int(each.name), number)
        night.send_signal(number)
        assert night.wait(60) == 128 + number, said(library)
    finally:
        night.kill()
        night.wait()
    assert said(library) == ("", "nightcrate: stopped; the same command goes on from here\n")
    assert servers(library) == []
    with closing(sqlite3.connect(library / "prefect" / "prefect.db")) as opened:
        states = opened.execute("SELECT state_type FROM flow_run").fetchall()
    assert set(states) == {("CRASHED",)}, "Prefect heard of it, too"
    with Library.open(library) as opened:
        opened.sweep()
        assert opened.verify() == []

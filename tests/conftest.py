"""What every test shares: closed sockets, one thread, toy folders, and the outside things a test may ask for.

Four things live outside the repository and are asked for by fixture: real one-shots (NIGHTCRATE_ONESHOTS), a
SoundFont (NIGHTCRATE_SOUNDFONT or Debian's place), FluidSynth, and Chromium. A test without them is skipped; with
NIGHTCRATE_STRICT=1, as in continuous integration, every skip but that for a missing GPU is a failure.
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before numpy and torch are imported: two cores are shared by many workers, and sums over threads differ in
# the last bit. The hub is closed so that a test which needs it fails at once, not after minutes of retries.
for _name, _value in {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}.items():
    os.environ.setdefault(_name, _value)

ROOT = Path(__file__).resolve().parent.parent
STRICT = os.environ.pop("NIGHTCRATE_STRICT", "0") == "1"
# Resolved now, since a test may change the current folder.
ONESHOTS = Path(_value).resolve() if (_value := os.environ.pop("NIGHTCRATE_ONESHOTS", "")) else None
SOUNDFONT = Path(_value).resolve() if (_value := os.environ.pop("NIGHTCRATE_SOUNDFONT", "")) else None
NO_GPU = "needs a GPU"
_DEBIAN_SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")
_DEBIAN_SECOND_SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


# -------------------- skips that must not hide in continuous integration


def _fail_if_strict(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not STRICT or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if NO_GPU in reason:
        return
    report.outcome = "failed"
    report.longrepr = f"NIGHTCRATE_STRICT=1 turns this skip into a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_strict(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_strict(report)
    return report


# -------------------- no network, one thread


def _is_local(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def closed_sockets() -> Iterator[None]:
    """Let tests talk to this machine alone."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if not _is_local(host):
            raise RuntimeError(f"a test tried to reach {host}; tests talk to this machine alone")

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: object) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(address)
            return real(self, address)

        return call

    def guarded_lookup(host: object, *rest: Any, **named: Any) -> Any:
        refuse((host,))
        return getaddrinfo(host, *rest, **named)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded(connect))
    patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    patch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Keep torch on one thread, wherever it was imported."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


# -------------------- things outside the repository


@pytest.fixture(scope="session")
def oneshots() -> Path:
    """Give the folder of real one-shots: manifest.csv and the files it names."""
    if ONESHOTS is None:
        pytest.skip("NIGHTCRATE_ONESHOTS is not set to a folder of real one-shots")
    if not (ONESHOTS / "manifest.csv").is_file():
        pytest.skip(f"NIGHTCRATE_ONESHOTS={ONESHOTS} holds no manifest.csv")
    return ONESHOTS


@pytest.fixture(scope="session")
def fluidsynth() -> None:
    """Ask for FluidSynth's library."""
    try:
        importlib.import_module("fluidsynth")
    except ImportError as error:
        pytest.skip(f"FluidSynth is missing ({error}): apt-get install libfluidsynth3")


def _present(path: Path, package: str) -> Path:
    if not path.is_file():
        pytest.skip(f"no SoundFont at {path}: apt-get install {package}")
    return path


@pytest.fixture(scope="session")
def soundfont(fluidsynth: None) -> Path:
    """Give the SoundFont that the starter corpus is rendered from (39 MB, MIT)."""
    return _present(SOUNDFONT or _DEBIAN_SOUNDFONT, "musescore-general-soundfont-small")


@pytest.fixture(scope="session")
def second_soundfont(fluidsynth: None) -> Path:
    """Give another SoundFont, for what must not depend on one (148 MB, MIT)."""
    return _present(_DEBIAN_SECOND_SOUNDFONT, "fluid-soundfont-gm")


@pytest.fixture(scope="session")
def chromium() -> tuple[Path, Path]:
    """Give Debian's Chromium and its driver, for pages as people see them."""
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in found:
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    browser, driver = (Path(str(path)) for path in found)
    return browser, driver


# -------------------- a fresh library


@pytest.fixture
def library_path(tmp_path: Path) -> Path:
    """Give a place for a library; nothing is there yet."""
    return tmp_path / "library"


@pytest.fixture
def library(library_path: Path) -> Iterator[Any]:
    """Give an empty open Library that is closed afterwards."""
    from catalog.library import Library

    with Library.open(library_path, create=True) as opened:
        yield opened

"""Prefect's server for one night, started by us: whatever keeps it from working is one line and a log.

Prefect would start one by itself, but then waits minutes for a server that has died, tells all that it says in
the night's own output, and gives nobody a moment at which its database is at rest and can be made small.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from catalog.errors import CatalogError, LibraryError
from flows.room import need_room
from generation.errors import GenerationError

LOG_NAME = "server.log"
DATABASE_NAME = "prefect.db"
SERVER_FACTORY = "prefect.server.api.server:create_app"
MARK = "PREFECT__SERVER_EPHEMERAL"
"""What Prefect itself sets for a server that is there for one program only."""

START_WITHIN_S = 180.0
"""15 s are usual for an empty home on an idle laptop, and 75 s have been seen on a loaded one."""
STOP_WITHIN_S = 10.0
_NOT_FOR_THE_SERVER = (signal.SIGTERM, signal.SIGHUP)
"""A shutdown sends SIGTERM to all at once, and a night without its server would try for minutes to tell it of its end.
So a server is deaf to that; uvicorn ends just as well after a SIGINT, which is how it is stopped."""


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """Let a Prefect server work on `home` during the block, and this process's Prefect talk to it.

    Call it before anything imports prefect. Raises LibraryError, one line, when the server does not start or dies.
    """
    log = home / LOG_NAME
    port = _free_port()
    server = _start(home, log, port)
    try:
        _wait_until_healthy(server, log, port)
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        yield
    except (GenerationError, CatalogError):
        raise
    except Exception as error:
        if server.poll() is None and not _is_of_http(error):
            raise
        need_room(home)
        raise LibraryError(
            f"{home}: Prefect's server failed in the night; its log is {log}; start again to go on"
        ) from error
    finally:
        _stop(server)
        _shrink(home / DATABASE_NAME)


def _start(home: Path, log: Path, port: int) -> subprocess.Popen[bytes]:
    marks = {MARK: "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"}
    # Its own log may be talkative; the night's process says nothing for Prefect.
    marks |= {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
    line = [sys.executable, "-m", "uvicorn", "--factory", SERVER_FACTORY, "--host", "127.0.0.1", "--port", str(port)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_THE_SERVER)  # what is blocked stays so in a child
    try:
        with log.open("wb") as said:
            return subprocess.Popen(
                [*line, "--log-level", "error", "--lifespan", "on"],
                env=os.environ | marks,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                process_group=0,  # Ctrl-C is for the night, too
            )
    except OSError as error:
        raise LibraryError(f"{home}: Prefect's server cannot be started ({error.strerror or error})") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_until_healthy(server: subprocess.Popen[bytes], log: Path, port: int) -> None:
    """Return when the server answers; LibraryError when it has ended, or says nothing for too long."""
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until:
        if server.poll() is not None:
            need_room(log.parent)
            raise LibraryError(f"{log.parent}: Prefect's server did not start{_last_words(log)}; its log is {log}")
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/api/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):  # not yet
                pass
        time.sleep(0.1)
    raise LibraryError(
        f"{log.parent}: Prefect's server gave no answer for {START_WITHIN_S:.0f} s; its log is {log}; "
        "try again when the machine has less to do"
    )


def _last_words(log: Path) -> str:
    """What the server said last of an error, in brackets; empty when it said nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.strip() for line in lines if "Error" in line and not line.startswith((" ", "Traceback"))]
    return f" ({told[-1][:200]})" if told else ""


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _shrink(database: Path) -> None:
    """Fold the write-ahead log of a database at rest into it; the log is as large as the database, else.

    Safe beside somebody who still reads or writes: then SQLite leaves as much as it must.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=1.0)) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:  # it is a log that one may look at, and no reason to fail a night
        pass


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _is_of_http(error: BaseException) -> bool:
    """Whether an error says that a request to the server failed; Prefect lets them through as they are."""
    return any(each.__module__.partition(".")[0] in ("httpx", "httpcore") for each in type(error).__mro__)

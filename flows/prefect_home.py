"""Prefect inside a library: its own home, silence, and no leftovers of nights that were killed.

Call `enter` before anything imports prefect. Prefect's database is a log that one may look at; what was
made is recorded by the catalogue alone. Both sweeps are safe only under the library's night lock: then
whatever of this home is still running belongs to a night that is dead.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flows.prefect_server import MARK, SERVER_FACTORY

_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # What is raised in a run goes through task, model and night, and each would log its traceback. It comes out
    # of the night all the same, where the command line tells it once.
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "CRITICAL",
}
# Left set, these would send a laptop's night to a server that the user's other projects talk to.
_FOREIGN = ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE", "PREFECT_SERVER_DATABASE_CONNECTION_URL")


def enter(library: Path) -> Path:
    """Point this process's Prefect at `library`/prefect, silenced, and return that folder."""
    home = (library / "prefect").resolve()
    home.mkdir(parents=True, exist_ok=True)
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(_QUIET | {"PREFECT_HOME": str(home)})
    return home


def sweep_servers(home: Path) -> int:
    """End temporary Prefect servers of `home` whose night was killed; how many there were.

    A killed night cannot stop its server, which then holds about 290 MB and the home's database. Found by
    command line, home and Prefect's own mark in the process's environment; where there is no /proc, none.
    """
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if SERVER_FACTORY.encode() not in command:
                continue
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or it is another user's
            continue
        ours = os.fsencode(f"PREFECT_HOME={home}") in environment
        if ours and f"{MARK}=1".encode() in environment and _parent(process) != os.getpid():
            os.kill(int(process.name), signal.SIGKILL)
            found += 1
    return found


def _parent(process: Path) -> int:
    """The parent's process number; 0 when the process is gone."""
    try:
        # Field 4 of stat, counted after the command, which stands in brackets and may hold anything.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def sweep_runs() -> int:
    """Mark flow runs of this home that a killed night left running as crashed; how many there were."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    unfinished = FlowRunFilter.model_validate({"state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}})
    with get_client(sync_client=True) as client:
        stale = client.read_flow_runs(flow_run_filter=unfinished)
        for run in stale:
            client.set_flow_run_state(
                run.id, Crashed(message="this night was killed; the catalogue knows what it made"), force=True
            )
    return len(stale)

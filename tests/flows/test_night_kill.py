"""`nightcrate night` killed with SIGKILL twenty times and started again: it ends like a night never killed.

The real command in a process of its own, with Prefect, SQLite, files and a tiny real ChopAN. How it is known
where a kill comes: again and again the process is stopped (SIGSTOP), its library is read from outside, and it is
killed where it stands if this is the moment; else it goes on (SIGCONT). Nothing depends on who is faster, and
what the catalogue says after the death counts, not what was meant.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from catalog.index import VectorIndex
from catalog.library import Library
from flows.bench import Bench
from flows.deadline import Deadline
from flows.judging import read_judging
from flows.making import make_batch
from flows.order import read_order
from flows.prefect_home import sweep_servers
from flows.settings import read_night
from generation.audio import TEMPORARY_SUFFIX
from generation.registry import load_model
from tests.flows.night_kit import EMBEDDER, said, start_night, write_model, write_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PROMPTS = "{cells: [bass, flute], max_qualities: 1}"
PLAN = {"seeds": "[1, 2]", "target": 26, "max_attempts": 4, "batch_size": 3, "embedder": EMBEDDER}
"""A mute model gets 14 batches, until the canary stops it; the other 44, and then re-rolls in some 8 more."""


# -------------------- what is there, read from outside


class Batch(NamedTuple):
    """A batch; `claims` counts how often it was begun, over all starts of the night."""

    status: str
    round: int
    claims: int


@dataclass(frozen=True)
class Look:
    """What a library holds while nobody changes it, read without the code under test and without writing.

    sounds: job key -> what never changes of its sound: id, status, file, sha256, time.
    """

    library: Path
    batches: tuple[Batch, ...] = ()
    sounds: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    accepted: int = 0
    scored: int = 0
    embedded: int = 0

    @property
    def claims(self) -> int:
        return sum(batch.claims for batch in self.batches)

    @property
    def claimed(self) -> int:
        return sum(batch.status == "claimed" for batch in self.batches)

    @property
    def unfinished(self) -> int:
        return sum(batch.status in ("pending", "claimed") for batch in self.batches)

    @cached_property
    def strays(self) -> set[str]:
        """Sound files that no row names."""
        return sound_files(self.library) - {facts[2] for facts in self.sounds.values()}


TORN = """SELECT batch.id FROM job JOIN batch ON batch.id = job.batch_id LEFT JOIN sample ON sample.job_id = job.id
    GROUP BY batch.id HAVING count(sample.id) <> sum(job.status IN ('accepted', 'rejected'))
    OR sum(job.status = 'planned') <> CASE batch.status WHEN 'finished' THEN 0 ELSE count(*) END"""
SOUNDS = "SELECT key, sample.id, sample.status, file, sha256, created_at FROM sample JOIN job ON job.id = job_id"
ENDS = """SELECT key, job.status, job.error, job.round, ordinal, position, batch.status, file, sha256, reasons
    FROM job JOIN batch ON batch.id = batch_id LEFT JOIN sample ON job_id = job.id ORDER BY key"""


def ask(database: Path, *questions: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each question, all about one state of the database, which is not written."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as opened:
        opened.execute("BEGIN")
        return [opened.execute(question).fetchall() for question in questions]


def look(library: Path) -> Look:
    """Read a library; what is not there yet counts as nothing."""
    try:
        batches, sounds, ((accepted, scored),), ((embedded,),) = ask(
            library / "catalog.sqlite",
            "SELECT status, round, attempts FROM batch",
            SOUNDS,
            "SELECT count(*), count(score) FROM sample WHERE status = 'accepted'",
            "SELECT count(*) FROM embedding",
        )
    except sqlite3.OperationalError:  # no file, no tables
        return Look(library)
    facts = {key: tuple(rest) for key, *rest in sounds}
    return Look(library, tuple(Batch(*row) for row in batches), facts, accepted, scored, embedded)


def sound_files(library: Path) -> set[str]:
    """Every file under audio/ and rejects/, half-written ones too."""
    walks = [walk for folder in ("audio", "rejects") for walk in os.walk(library / folder)]
    return {Path(folder, name).relative_to(library).as_posix() for folder, _, names in walks for name in names}


def servers(library: Path) -> list[int]:
    """Processes that were started with the library's Prefect home, found without the code under test."""
    mark = os.fsencode(f"PREFECT_HOME={(library / 'prefect').resolve()}")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or it is another user's
            continue
    return found


# -------------------- the moments at which a night is killed

Moment = Callable[[Look, Look], bool]
"""Says from a look before the night was started and one of now whether the night shall be killed now."""


def opening(before: Look, now: Look) -> bool:
    """The catalogue is being made: there is a file, and no plan."""
    return (now.library / "catalog.sqlite").exists() and not now.batches


def starting(before: Look, now: Look) -> bool:
    """All is planned, nothing is claimed, and Prefect's server is on its way."""
    return bool(now.batches) and now.claims == before.claims and bool(servers(now.library))


def making(now_or_later: int) -> Moment:
    """This start has claimed more than so many batches, and some are left."""
    return lambda before, now: now.claims - before.claims > now_or_later and now.unfinished > 0


def keeping(before: Look, now: Look) -> bool:
    """This start has claimed a batch and written a file for which there is no row."""
    return now.claims > before.claims and now.unfinished > 0 and bool(now.strays)


def again(moment: Moment) -> Moment:
    """The moment, when re-rolls have begun."""
    return lambda before, now: any(batch.round and batch.claims for batch in now.batches) and moment(before, now)


def embedding(before: Look, now: Look) -> bool:
    """All is made, and some of it has a vector."""
    return now.unfinished == 0 and 0 < now.embedded < now.accepted


def judging(before: Look, now: Look) -> bool:
    """The index is there, and the models are being scored."""
    return 0 < now.accepted == now.scored and any((now.library / "index").glob("*.json"))


class Kill(NamedTuple):
    """A moment, the seconds that pass after it, and those between two looks for it."""

    moment: Moment
    wait_s: float = 0.0
    step_s: float = 0.02


def twenty_kills() -> list[Kill]:
    """Two before the making, sixteen in it, two after it."""
    dice = random.Random(1)
    by_the_clock = [Kill(making(dice.randrange(6)), dice.uniform(0, 0.2)) for _ in range(7)]
    # A file stands without its row for a hundredth of a second.
    in_keeping = [Kill(keeping, step_s=0.002)] * 7
    mixed = [kill for pair in zip(by_the_clock, in_keeping, strict=True) for kill in pair]
    re_rolls = [Kill(again(making(0)), 0.05), Kill(again(keeping), step_s=0.002)]
    return [Kill(opening), Kill(starting, 0.3), *mixed, *re_rolls, Kill(embedding), Kill(judging)]


# -------------------- watching and killing


class Death(NamedTuple):
    """What the library said after a kill.

    making: this start had claimed a batch, and the last commit was still to come. claimed: batches that were at work.
    strays: files without a row. servers: processes that were left behind.
    """

    making: bool
    claimed: int
    strays: int
    servers: int


def stopped(night: subprocess.Popen[bytes]) -> bool:
    """Stop a process with all its threads; False when it has ended."""
    night.send_signal(signal.SIGSTOP)
    what = os.waitid(os.P_PID, night.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return what is not None and what.si_code == os.CLD_STOPPED


def kill(night: subprocess.Popen[bytes], before: Look, plan: Kill) -> None:
    """Kill a night at a moment, or so long after it if it is still there then."""
    wait_s = plan.wait_s
    while stopped(night):
        now = look(before.library)
        there = plan.moment(before, now)
        if there and not wait_s:
            night.kill()
            night.wait()
            return
        night.send_signal(signal.SIGCONT)
        if there:
            time.sleep(wait_s)
            wait_s = 0.0
        else:
            time.sleep(plan.step_s if now.claims > before.claims else 0.05)
    pytest.fail(f"the night ended before its moment came: {said(before.library)}")


Start = Callable[[str], subprocess.Popen[bytes]]
"""Starts the night on the library of this name."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give what starts the night on a library; no process of it outlives the test."""
    models = [write_model(tmp_path / "mute", "mute", gain=0.0), write_model(tmp_path / "toy-chopan")]
    config = write_night(tmp_path / "night.yaml", models, PROMPTS, **PLAN)
    nights: list[subprocess.Popen[bytes]] = []

    def on(name: str) -> subprocess.Popen[bytes]:
        nights.append(start_night(config, tmp_path / name, "--json"))
        return nights[-1]

    yield on
    for night in nights:
        night.kill()
        night.wait()
    for home in tmp_path.glob("*/prefect"):
        sweep_servers(home.resolve())


# -------------------- the tests


def test_killed_twenty_times_it_ends_like_a_night_never_killed(start: Start, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    never_killed = start("whole")  # beside the first kills: a start keeps one core busy
    deaths = []
    for plan in twenty_kills():
        before = look(killed)
        night = start("killed")
        kill(night, before, plan)
        assert night.returncode == -signal.SIGKILL
        deaths.append(check_after_kill(before, look(killed)))
    last = start("killed")
    for night, library in ((never_killed, whole), (last, killed)):
        night.wait()
        assert (night.returncode, said(library)[1]) == (0, "")

    making = [death for death in deaths if death.making]
    assert len(deaths) == 20 and len(making) >= 15, "kills, and those between first claim and last commit"
    assert sum(death.strays > 0 for death in making) >= 8, "so many kills came between file and row"
    assert all(death.servers for death in making), "each left a server behind"
    check_like_never_killed(killed, whole)
    check_nothing_was_done_twice(killed, interrupted=sum(death.claimed for death in deaths))
    check_it_is_usable(killed)
    check_prefect(killed, crashed=len(making) + 2)  # two more while embedding and while judging


def check_after_kill(before: Look, after: Look) -> Death:
    """What was finished is untouched, and every batch is finished whole or to be made whole."""
    assert before.sounds.items() <= after.sounds.items()
    assert after.claimed <= 1
    if after.batches:
        assert ask(after.library / "catalog.sqlite", TORN) == [[]]
    in_the_making = after.claims > before.claims and after.unfinished > 0
    return Death(in_the_making, after.claimed, len(after.strays), len(servers(after.library)))


def check_like_never_killed(killed: Path, whole: Path) -> None:
    """The same jobs in the same batches, with the same ends, reasons and sha256; the same files and summary."""
    stopped_cells = "SELECT model, family, sentence FROM stopped_cell"
    (ends, cells), (expected_ends, expected_cells) = (
        ask(library / "catalog.sqlite", ENDS, stopped_cells) for library in (killed, whole)
    )
    assert ends == expected_ends
    assert {end[1] for end in ends} == {"accepted", "rejected", "planned"}
    assert any(end[3] for end in ends), "there were re-rolls"
    assert cells == expected_cells and len(cells) == 2
    files = {end[7] for end in ends if end[7]}
    assert sound_files(killed) == sound_files(whole) == files
    told, expected = (json.loads(said(library)[0]) for library in (killed, whole))
    changing = ("started_at", "ended_at", "written_at", "stage_seconds", "library", "page", "sounds", "scores")
    assert {key: told[key] for key in told if key not in changing} == {
        key: expected[key] for key in expected if key not in changing
    }
    assert told["status"] == "finished" and told["found"] == 0


def check_nothing_was_done_twice(library: Path, interrupted: int) -> None:
    """One night, one result for each job; no batch was begun again but those that a kill interrupted."""
    nights, results, claims = ask(
        library / "catalog.sqlite",
        "SELECT status FROM night",
        """SELECT job.status, count(sample.id), count(DISTINCT sample.file) FROM job LEFT JOIN sample
        ON job_id = job.id GROUP BY job.id""",
        "SELECT sum(attempts), sum(status = 'finished') FROM batch",
    )
    assert nights == [("finished",)]
    assert set(results) == {("accepted", 1, 1), ("rejected", 1, 1), ("planned", 0, 0)}
    ((begun, finished),) = claims
    assert begun == finished + interrupted


def check_it_is_usable(path: Path) -> None:
    """Folder and rows agree, nothing is half-written, and every accepted sound is embedded, scored, indexed."""
    ((embedder,),) = ask(path / "catalog.sqlite", "SELECT name FROM embedder")[0]
    with Library.open(path) as library:
        assert library.verify() == []
        sounds = library.samples()
        assert all(sound.score is not None for sound in sounds)
        assert library.missing_embeddings(embedder) == []
        index = VectorIndex.open(library, embedder)
        assert index.rebuilt is None and len(index) == len(sounds) > 0
    assert [file for file in path.rglob("*") if file.name.endswith(TEMPORARY_SUFFIX)] == []
    assert Path(json.loads(said(path)[0])["page"]).is_file()


def check_prefect(library: Path, crashed: int) -> None:
    """No server is left, and each run that a kill cut short is marked as crashed."""
    assert servers(library) == []
    (runs,) = ask(
        library / "prefect" / "prefect.db",
        "SELECT flow.name, state_type FROM flow_run JOIN flow ON flow.id = flow_id",
    )
    counted = Counter(runs)
    assert {state for _, state in counted} == {"CRASHED", "COMPLETED"}
    assert counted["night", "CRASHED"] == crashed and counted["night", "COMPLETED"] == 1


def test_killed_before_the_canary_has_spoken_a_sick_family_is_stopped_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = write_model(tmp_path / "mute", "mute", gain=0.0)
    config = write_night(tmp_path / "night.yaml", [mute], PROMPTS.replace(", flute", ""), batch_size=20)

    def die(*sound: object) -> None:
        raise KeyboardInterrupt  # the batch is finished, and the canary was told nothing of it

    with Library.open(tmp_path / "library", create=True) as library:

        def bench() -> Bench:
            return Bench(library, read_order(*read_night(str(config))), read_judging("default"), Deadline(), "cpu")

        killed = bench()
        monkeypatch.setattr(killed, "heard", die)
        with pytest.raises(KeyboardInterrupt):
            make_batch(killed, load_model(str(mute)), next(killed.batches_left("mute")))
        resumed = bench()
        assert list(resumed.batches_left("mute")) == []
        (cell,) = library.stopped_cells(resumed.night_id)
        assert cell.sentence == "mute bass was stopped: 20 of its first 20 sounds were rejected"

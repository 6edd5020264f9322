"""What tests of a listening test share: a small library of two models, real notes, a server as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.library import Library
from flows.listening.server import listening_server
from generation.audio import write_clip
from tests.catalog.toy_library import make, toy_clip, toy_job
from tests.catalog.toy_listening import FAMILIES, MODELS

ROOT = Path(__file__).resolve().parents[2]


def write_library(path: Path, seeds: int = 2) -> Path:
    """Make a library of two models with `seeds` sounds for each of three families."""
    with Library.open(path, create=True) as library:
        for model in MODELS:
            make(library, [toy_job(seed, family, model=model) for family in FAMILIES for seed in range(seeds)])
        library.set_sample_scores({sample.id: 3.0 * sample.id for sample in library.samples()})
    return path


def write_real_notes(folder: Path, each: int = 2) -> Path:
    """Write short sounds with captions.csv."""
    lines = ["file,caption,family"]
    for row, family in enumerate(FAMILIES * each):
        name = f"recording_{row}.wav"
        write_clip(folder / name, toy_clip(f"{row + 77:08x}", 0.3))
        lines.append(f"{name},acoustic dark {family},{family}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


class Serving:
    """A running `nightcrate listen serve` and its address."""

    def __init__(self, process: subprocess.Popen[str], said: str) -> None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert found, said
        self.process = process
        self.said = said
        self.port = int(found[1])
        self.address = found[0]


@contextmanager
def serving_here(library: Path, rehearsal: bool = False) -> Iterator[int]:
    """Serve the newest test of a library in a thread of this process; gives the port."""
    with Library.open(library) as opened:
        with listening_server(opened, opened.listening.test(), 0, rehearsal) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield int(server.server_address[1])
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def serving(library: Path, *options: object) -> Iterator[Serving]:
    """Serve the newest test of a library in a process of its own; it is ended afterwards."""
    line = [sys.executable, "-c", "from flows.cli import main; main()", "listen", "serve", "--library", str(library)]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    process = subprocess.Popen(
        [*line, *map(str, options)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Serving(process, process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()

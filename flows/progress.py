"""Progress with an estimate of the time left on a terminal; nothing at all elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A bar that is told of finished steps; without a terminal it only listens."""

    def __init__(self, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int = 1) -> None:
        """Count steps as done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)

    def show(self, done: int, total: int) -> None:
        """Set what is done and what there is to do, for work that counts by itself."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def grow(self, steps: int) -> None:
        """Add steps that nobody knew of at the start."""
        if self._progress is not None and self._task is not None:
            total = self._progress.tasks[0].total or 0
            self._progress.update(self._task, total=total + steps)


@contextmanager
def progress(label: str, total: int = 0) -> Iterator[Bar]:
    """Show a bar for `total` steps on stderr while the block runs.

    The bar goes away when the work is done, and where stderr is no terminal (cron, a pipe, a log file)
    nothing is written.
    """
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bar(shown, shown.add_task(label, total=total))


def say(line: str) -> None:
    """One line of news on stderr, only where somebody watches."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)

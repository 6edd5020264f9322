"""Being told to stop: by Ctrl-C, by SIGTERM (systemd, a shutdown) and by SIGHUP (a closed terminal)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGHUP)


class _ToldToStopError(BaseException):
    """As KeyboardInterrupt: it passes every handler that is for errors, and lets each block clean up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Let the block clean up when it is told to stop, then end the program: one line, 128 and the signal's number.

    For the main thread. A signal that is ignored (nohup) stays so.
    """
    before = {number: signal.getsignal(number) for number in _STOPPING}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    except (_ToldToStopError, KeyboardInterrupt) as told:
        print("nightcrate: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(128 + (told.number if isinstance(told, _ToldToStopError) else signal.SIGINT))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # Once: a second signal would break off the cleaning up, and who is impatient has SIGKILL.
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise _ToldToStopError(number)

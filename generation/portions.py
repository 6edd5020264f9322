"""How many sounds go through a network at once: all that are asked for, until the memory says otherwise."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from typing import TypeVar

_log = logging.getLogger(__name__)

Made = TypeVar("Made")

_PATIENCE = 8  # portions
# What torch's allocator for the CPU says, CUDA itself, cuBLAS and cuDNN; cuFFT, cuDNN and cuSPARSE when they find no
# memory to work in.
_NO_ROOM = (
    "DefaultCPUAllocator: ", "out of memory", "ALLOC_FAILED",
    "CUFFT_INTERNAL_ERROR", "unable to find an engine", "insufficient resources",
)  # fmt: skip


class Portions:
    """Cuts a list of sounds into portions that fit into memory, and remembers what fitted.

    at_once: the largest portion that is tried; None for all that are asked for. It is halved where memory runs out, and
    doubled again after some portions that went well: another program may have had the memory for a moment.
    """

    def __init__(self, at_once: int | None = None) -> None:
        """Begin with a limit, or without one."""
        self.at_once = at_once
        self._most = at_once
        self._went_well, self._patience = 0, _PATIENCE
        self._has_grown = False

    def make(self, count: int, make: Callable[[int, int], list[Made]]) -> list[Made]:
        """Make `count` things; `make(first, end)` makes those from `first` to before `end`.

        A portion for which there is not enough memory is halved, and so are the next ones. What `make` raises
        comes through when it is another error, or when one thing alone does not fit.
        """
        made: list[Made] = []
        while len(made) < count:
            size = min(self.at_once or count, count - len(made))
            try:
                made += make(len(made), len(made) + size)
                self._fitted(size)
                continue
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            # Only here, with the error gone, does nothing hold the tensors of the failed portion any more.
            self._ran_out(size)
        return made

    def _fitted(self, size: int) -> None:
        if self.at_once in (None, self._most) or size != self.at_once:
            return
        self._went_well += 1
        if self._went_well >= self._patience:
            self.at_once = min(2 * size, self._most or 2 * size)
            self._went_well, self._has_grown = 0, True

    def _ran_out(self, size: int) -> None:
        self.at_once = (size + 1) // 2
        # What does not fit the second time is tried again later and later, so that it costs less and less.
        self._patience *= 2 if self._has_grown else 1
        self._went_well, self._has_grown = 0, False
        free_memory()
        _log.warning("not enough memory for %d sounds at once; going on with %d", size, self.at_once)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or on the machine.

    An error of another cause that sounds like it costs a few tries, and comes out of the last one, of one sound.
    """
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_ROOM)


def free_memory() -> None:
    """Give back what nobody uses any more, to the machine and to the GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

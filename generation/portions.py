"""How many sounds go through a model at once: all that are asked for, until the memory says otherwise."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable

from generation.audio import Clip

_log = logging.getLogger(__name__)


class Portions:
    """Cuts a list of sounds into portions that fit into memory, and remembers what fitted.

    at_once: the largest portion that is tried; None until memory ran out once.
    """

    def __init__(self) -> None:
        """Begin without a limit."""
        self.at_once: int | None = None

    def make(self, count: int, make: Callable[[int, int], list[Clip]]) -> list[Clip]:
        """Make `count` clips; `make(first, end)` makes those from `first` to before `end`.

        A portion for which there is not enough memory is halved, and so is every later one. What `make` raises
        comes through when it is another error, or when one clip alone does not fit.
        """
        clips: list[Clip] = []
        while len(clips) < count:
            size = min(self.at_once or count, count - len(clips))
            try:
                clips += make(len(clips), len(clips) + size)
                continue
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            # Only here, with the error gone, does nothing hold the tensors of the failed portion any more.
            self.at_once = (size + 1) // 2
            free_memory()
            _log.warning("not enough memory for %d sounds at once; going on with %d", size, self.at_once)
        return clips


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or on the machine."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # torch's allocator for the CPU knows no type of its own.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: " in str(error)


def free_memory() -> None:
    """Give back what nobody uses any more, to the machine and to the GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

"""float32 that is float32: without TF32, which GPUs take in its place where they may.

TF32 keeps three digits. With it the starter of Audio Latent Diffusion makes waves whose correlation with a CPU's is
0.94 (measured by rounding on a CPU).
"""

from __future__ import annotations

import threading
from typing import Any

import torch

_EXACT = "ieee"


class _ExactFloat32:
    """A context in which convolutions and products of float32 are computed in float32.

    The setting is the whole process': of threads that are inside at once the first one makes it, and the last one that
    leaves puts it back. Other settings, such as determinism, stay as they are.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._usual: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._usual = [kind.fp32_precision for kind in _kinds()]
                for kind in _kinds():
                    kind.fp32_precision = _EXACT

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for kind, usual in zip(_kinds(), self._usual, strict=True):
                    kind.fp32_precision = usual


def _kinds() -> tuple[Any, ...]:
    """What torch keeps a precision of, by the names that it has for that since 2.9."""
    backends: Any = torch.backends
    return backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul


exact_float32 = _ExactFloat32()

"""What a training would take, before it is begun: weights, memory, arithmetic and hours, measured on a few batches."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from generation.errors import TrainingError
from generation.training.ema import WeightAverage
from generation.training.settings import TrainSettings
from generation.training.trainer import Task

_TIMED = 5
_ENOUGH_S = 60.0


@dataclass(frozen=True)
class Part:
    """Parameters below one top-level name of the network, those that learn and those that do not."""

    name: str
    trained: int
    frozen: int


@dataclass(frozen=True)
class DryRun:
    """What one process of a run needs.

    parts: a parameter that two parts share counts in the first. weights_bytes: with buffers. average_bytes: 0
    without ema_decay. activations_bytes: of one micro-batch. micro_batch_s: making it, forward and backward;
    update_s: clipping, AdamW and average; step_s: accumulation times the first, plus the second; all medians.
    hours: of all steps at that pace, validations and checkpoints aside. tflop_a_step: 10^12 floating-point
    operations of the matrix products, convolutions and attention of a step, forward and backward. reached_tflops:
    10^12 operations a second on this device. hours_at_tflops: of all steps on a device that reaches at_tflops.
    """

    device: str
    steps: int
    batch_size: int
    accumulation: int
    precision: str
    parts: tuple[Part, ...]
    weights_bytes: int
    gradients_bytes: int
    adamw_bytes: int
    average_bytes: int
    activations_bytes: int
    micro_batch_s: float
    update_s: float
    step_s: float
    hours: float
    tflop_a_step: float
    reached_tflops: float
    at_tflops: float | None
    hours_at_tflops: float | None

    @property
    def memory_bytes(self) -> int:
        """All of it together: what the device must hold at least."""
        return (
            self.weights_bytes + self.gradients_bytes + self.adamw_bytes + self.average_bytes + self.activations_bytes
        )


def dry_run(task: Task, settings: TrainSettings, device: str, at_tflops: float | None = None) -> DryRun:
    """Measure a few micro-batches of a task as the loop would train it; its weights stay what they were.

    Args:
        task: built by a recipe; afterwards its statistics of batch norm have moved.
        settings: its settings.
        device: where it runs.
        at_tflops: what another device is believed to reach, 10^12 operations a second.

    Raises:
        TrainingError: nothing in the network learns, or one micro-batch does not fit into the device's memory.
    """
    bench = _Bench(task, settings, torch.device(device))
    try:
        flop = bench.flop()
        activations_bytes = bench.activations_bytes()
        micro_batch_s, update_s = bench.seconds()
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"one micro-batch of {settings.batch_size} does not fit into the memory of {device}; "
            "lower batch_size and raise accumulation as much"
        ) from error
    step_s = settings.accumulation * micro_batch_s + update_s
    tflop = settings.accumulation * flop / 1e12
    average = WeightAverage(task.module, 0.5).average if settings.ema_decay else {}
    return DryRun(
        device=device,
        steps=settings.steps,
        batch_size=settings.batch_size,
        accumulation=settings.accumulation,
        precision=settings.precision,
        parts=parameter_parts(task.module),
        weights_bytes=_held_bytes([*task.module.parameters(), *task.module.buffers()]),
        gradients_bytes=_held_bytes(bench.trained),
        adamw_bytes=2 * _held_bytes(bench.trained),
        average_bytes=_held_bytes(list(average.values())),
        activations_bytes=activations_bytes,
        micro_batch_s=micro_batch_s,
        update_s=update_s,
        step_s=step_s,
        hours=settings.steps * step_s / 3600,
        tflop_a_step=tflop,
        reached_tflops=tflop / step_s,
        at_tflops=at_tflops,
        hours_at_tflops=None if at_tflops is None else settings.steps * tflop / at_tflops / 3600,
    )


def parameter_parts(module: nn.Module) -> tuple[Part, ...]:
    """Count a network's parameters by its top-level parts; those of no part are of "(itself)"."""
    parts: dict[str, list[int]] = {}
    for name, parameter in module.named_parameters():
        top, _, below = name.partition(".")
        count = parts.setdefault(top if below else "(itself)", [0, 0])
        count[0 if parameter.requires_grad else 1] += parameter.numel()
    return tuple(Part(name, *count) for name, count in parts.items())


def dry_run_text(name: str, found: DryRun) -> str:
    """Say it in some lines for people."""
    wide = max(len(part.name) for part in found.parts)
    rows = [f"  {part.name:<{wide}s} {part.trained:>15,d} trained {part.frozen:>15,d} frozen" for part in found.parts]
    items = f"{found.batch_size} x {found.accumulation}" if found.accumulation > 1 else str(found.batch_size)
    lines = [
        f"{name} on {found.device}: {found.steps:,d} steps of {items} items in {found.precision}",
        "parameters",
        *rows,
        f"memory       {_size(found.memory_bytes)}: weights {_size(found.weights_bytes)}, gradients "
        f"{_size(found.gradients_bytes)}, AdamW {_size(found.adamw_bytes)}, average {_size(found.average_bytes)}, "
        f"activations {_size(found.activations_bytes)}",
        f"one step     {found.step_s:.3g} s (micro-batch {found.micro_batch_s:.3g} s, update {found.update_s:.3g} s), "
        f"{found.tflop_a_step:.3g} TFLOP, {found.reached_tflops:.3g} TFLOP/s reached",
        f"whole run    {_long(found.hours)} here, without validations and checkpoints",
    ]
    if found.at_tflops is not None and found.hours_at_tflops is not None:
        lines.append(f"             {_long(found.hours_at_tflops)} where {found.at_tflops:g} TFLOP/s are reached")
    return "\n".join(lines)


class _Bench:
    """A task ready to be measured: on its device, in training mode, with an optimiser that changes nothing."""

    def __init__(self, task: Task, settings: TrainSettings, device: torch.device) -> None:
        self.task, self.settings, self.device = task, settings, device
        task.module.to(device).train()
        self.trained = [parameter for parameter in task.module.parameters() if parameter.requires_grad]
        if not self.trained:
            raise TrainingError("the network has no parameter that learns; unfreeze one")
        self.optimiser = torch.optim.AdamW(self.trained, lr=0.0, weight_decay=0.0)
        self.average = WeightAverage(task.module, settings.ema_decay) if settings.ema_decay else None
        self.index = 0

    def flop(self) -> int:
        """Operations of one micro-batch, forward and backward."""
        # The counter does not know the CPU's own attention; written out, it is matrix products.
        written_out = sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()
        with written_out, FlopCounterMode(display=False) as counter:
            self._micro_batch()
        return counter.get_total_flops()

    def activations_bytes(self) -> int:
        """What one micro-batch holds between forward and backward; on CUDA at its peak, gradients aside."""
        if self.device.type == "cuda":
            self._update()  # makes the optimiser's state, and frees the gradients
            torch.cuda.reset_peak_memory_stats(self.device)
            before = torch.cuda.memory_allocated(self.device)
            self._micro_batch()
            peak = torch.cuda.max_memory_allocated(self.device) - before
            return max(0, peak - _held_bytes(self.trained))
        own = {_place(tensor) for tensor in (*self.task.module.parameters(), *self.task.module.buffers())}
        held: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            if _place(tensor) not in own:
                held[_place(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        self._micro_batch(saved_tensors_hooks(keep, lambda tensor: tensor))
        return sum(held.values())

    def seconds(self) -> tuple[float, float]:
        """Median seconds of a micro-batch and of an update; both have run before."""
        self._update()
        batches_s: list[float] = []
        updates_s: list[float] = []
        began = self._now()
        while len(batches_s) < _TIMED and (not batches_s or self._now() - began < _ENOUGH_S):
            start = self._now()
            self._micro_batch()
            middle = self._now()
            self._update()
            batches_s.append(middle - start)
            updates_s.append(self._now() - middle)
        return median(batches_s), median(updates_s)

    def _micro_batch(self, around_forward: AbstractContextManager[Any] | None = None) -> None:
        batch = self.task.batch(self.index)
        bf16 = torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")
        with around_forward or nullcontext(), bf16:
            loss, _ = self.task.loss(batch, 0)
        (loss / self.settings.accumulation).backward()
        self.index += 1

    def _update(self) -> None:
        limit = math.inf if self.settings.clip_norm is None else self.settings.clip_norm
        float(torch.nn.utils.clip_grad_norm_(self.trained, limit))
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(0)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _held_bytes(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    """Bytes of different storages, so that shared weights count once."""
    return sum({_place(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _long(hours: float) -> str:
    return f"{hours:.3g} h" if hours >= 1 else f"{60 * hours:.2g} min"

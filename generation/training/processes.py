"""Several processes that train one network together, as `torchrun` or `accelerate launch` starts them.

Gradients are averaged here by all_reduce over flattened buckets, after a step's last micro-batch, and not by
DistributedDataParallel: that one waits for its own `forward`, while recipes call parts of their module directly.
The averaging itself is the same (Li et al. 2020, arXiv 2006.15704, section 3). On one machine, or on several that
share the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from generation.errors import TrainingError
from generation.training.launched import process_count, was_launched_alone

_Result = TypeVar("_Result")
_BUCKET_BYTES = 64 * 2**20
# The others wait while the first validates or exports; a process that dies is noticed at once all the same.
_PATIENCE = timedelta(hours=6)


class Processes:
    """The processes of one training; each calls the same methods in the same order, and alone they do nothing.

    rank: number of this process, from 0. count: how many there are.
    """

    def __init__(self, rank: int, count: int, device: torch.device) -> None:
        self.rank, self.count, self.device = rank, count, device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def first_does(self, action: Callable[[], _Result]) -> _Result:
        """Run `action` in the first process and return its result in all.

        What it raises is raised there; the others raise TrainingError with the same text.
        """
        if self.count == 1:
            return action()
        told: list[Any] = [None, None]
        failure: Exception | None = None
        if self.first:
            try:
                told[0] = action()
            except Exception as error:
                failure, told[1] = error, str(error) or type(error).__name__
        with _heard():
            dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        if failure is not None:
            raise failure
        if told[1] is not None:
            raise TrainingError(told[1])
        result: _Result = told[0]
        return result

    def share(self, tensors: Sequence[torch.Tensor]) -> None:
        """Give the first process's values of these tensors to all."""
        if self.count == 1:
            return
        with torch.no_grad(), _heard():
            for bucket in _buckets(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                dist.broadcast(flat, src=0)
                _spread(flat, bucket)

    def share_buffers(self, module: torch.nn.Module) -> None:
        """Give the first process's buffers to all: batch norm's statistics, as DistributedDataParallel does.

        Parts in eval mode are left alone, theirs do not move.
        """
        if self.count > 1:
            parts = (part for part in module.modules() if part.training)
            self.share([buffer for part in parts for buffer in part.buffers(recurse=False)])

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Return the mean over processes of figures that all have under the same names."""
        if self.count == 1:
            return dict(figures)
        values = torch.tensor(list(figures.values()), dtype=torch.float64)
        with _heard():
            dist.all_reduce(values)
        return dict(zip(figures, (values / self.count).tolist(), strict=True))

    def average_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its mean over processes; where only some have one, the others count as 0."""
        if self.count == 1:
            return
        given = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        with _heard():
            dist.all_reduce(given, dist.ReduceOp.MAX)
        gradients = []
        for parameter, anywhere in zip(parameters, given.tolist(), strict=True):
            if anywhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                gradients.append(parameter.grad)
        with _heard():
            for bucket in _buckets(gradients):
                flat = torch.cat([gradient.reshape(-1) for gradient in bucket]).div_(self.count)
                dist.all_reduce(flat)
                _spread(flat, bucket)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that a launcher started with this one, by gloo on the CPU and NCCL between CUDA devices.

    Raises TrainingError where a launcher was asked for several processes and started one.
    """
    if was_launched_alone():
        raise TrainingError(
            "accelerate was asked for several processes and started one, as it does with --cpu; "
            "use accelerate launch --multi_gpu with --device cpu, or torchrun"
        )
    if process_count() == 1:
        yield Processes(0, 1, device)
        return
    ours = not dist.is_initialized()
    if ours:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with _heard():
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield Processes(dist.get_rank(), dist.get_world_size(), device)
    # Not after an exception: the group may wait for a process that is gone.
    if ours:
        dist.destroy_process_group()


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise TrainingError(
            f"another process of this training cannot be reached ({str(error).splitlines()[0][:120]}); "
            "start all of them again to resume"
        ) from error


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Cut a list, in order, into runs of one type and of some tens of megabytes."""
    bucket: list[torch.Tensor] = []
    held_bytes = 0
    for tensor in tensors:
        if bucket and (tensor.dtype != bucket[0].dtype or held_bytes + tensor.nbytes > _BUCKET_BYTES):
            yield bucket
            bucket, held_bytes = [], 0
        bucket.append(tensor)
        held_bytes += tensor.nbytes
    if bucket:
        yield bucket


def _spread(flat: torch.Tensor, bucket: Sequence[torch.Tensor]) -> None:
    for tensor, part in zip(bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True):
        tensor.copy_(part.view(tensor.shape))

"""The training loop: steps, validation and checkpoints on their beat, but no particular network."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from generation.errors import TrainingError
from generation.training.best_weights import BEST, BestWeights
from generation.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from generation.training.ema import WeightAverage, trained_state
from generation.training.export import export_model
from generation.training.launched import own_device
from generation.training.losses import LOSSES, last_figures
from generation.training.optimisers import Optimiser
from generation.training.processes import Processes, joined
from generation.training.progress import Progress, TrainResult
from generation.training.randomness import Purpose, seed_torch
from generation.training.run_folder import check_same_run, claimed
from generation.training.run_log import RunLog
from generation.training.schedules import learning_rate_factor
from generation.training.settings import TrainSettings
from generation.training.task import SampleWriter, Task

__all__ = ["CHECKPOINT", "SAMPLES", "Progress", "Task", "TrainResult", "TrainSettings", "train"]

CHECKPOINT = "last.ckpt"
SAMPLES = "samples"


def train(
    task: Task,
    settings: TrainSettings,
    out: Path,
    device: str | torch.device = "cpu",
    record: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train `task` to the end and export it to out/model; a run stopped at any instant goes on where it was.

    On a CPU a killed and resumed run ends with bit-equal weights. `record` goes into training.json; `progress` is
    called after every step; `tensorboard` also writes the figures into out/tensorboard. Where a launcher started
    several processes (generation.training.processes), each calls this with the same arguments: all share the steps,
    and the first one alone validates, writes and tells progress.
    Raises TrainingError when the loss or the gradients stop being finite (the last good checkpoint stays),
    when `out` holds a run with other settings, when it is in use or damaged, or when the disk is full.
    """
    where = torch.device(own_device(str(device)))
    try:
        with joined(where) as processes, ExitStack() as held:
            processes.first_does(lambda: held.enter_context(claimed(out)))
            run = _Run(task, settings, out, where, processes, tensorboard)
            with closing(run.log) if run.log else nullcontext():
                run.loop(progress)
            facts = {"trained_s": round(run.trained_s, 1), "device": where.type, "processes": processes.count}
            folder, figures = processes.first_does(lambda: run.export({**facts, **(record or {})}))
            return TrainResult(folder, figures, settings.steps, run.trained_s, run.resumed_from)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{out}: cannot be written ({error}); the last checkpoint stays: mend it and resume"
        ) from error


class _Run:
    """The state of one run: made new or taken from out/last.ckpt, advanced by `loop`."""

    def __init__(
        self,
        task: Task,
        settings: TrainSettings,
        out: Path,
        device: torch.device,
        processes: Processes,
        tensorboard: bool,
    ) -> None:
        self.task, self.settings, self.out, self.device, self.processes = task, settings, out, device, processes
        if settings.sample_every is not None and not isinstance(task, SampleWriter):
            raise TrainingError("sample_every is set, but this recipe writes no samples; leave it out")
        task.module.to(device)
        self.parameters = [parameter for parameter in task.module.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise TrainingError("the network has no parameter that learns; unfreeze one")
        self.optimiser = Optimiser(self.parameters, settings, device)
        self.step = 0
        self.trained_s = 0.0
        self.resumed_from: int | None = None
        checkpoint = None
        if processes.first_does((out / CHECKPOINT).exists):
            checkpoint = load_checkpoint(out / CHECKPOINT, device)
            self._resume(checkpoint)
        processes.share([*task.module.parameters(), *task.module.buffers()])
        # The first process alone validates and exports.
        averaged = settings.ema_decay if processes.first else None
        self.average = WeightAverage(task.module, averaged) if averaged else None
        if self.average and checkpoint and checkpoint.average:
            self.average.load(checkpoint.average)
        self.best = BestWeights(out / BEST, settings, checkpoint.best if checkpoint else None)
        losses_bytes = checkpoint.losses_bytes if checkpoint else None
        self.log = RunLog(out, self.step, losses_bytes, tensorboard) if processes.first else None

    def loop(self, progress: Callable[[Progress], None] | None) -> None:
        """Run the steps that are left, with validation, checkpoints and samples on their beat."""
        settings = self.settings
        first_validation = self.processes.first_does(self._validate) if self.step == 0 else {}
        began, first_step = time.monotonic() - self.trained_s, self.step
        _train_mode(self.task.module)
        for step in range(self.step, settings.steps):
            figures = self._advance(step)
            if step == 0 and self.log:
                self.log.start(figures, first_validation)
            self.step = step + 1
            validation = self.processes.first_does(self._validate) if self._due(settings.validate_every) else {}
            spent_s = time.monotonic() - began
            if self.log:
                self.log.row(self.step, {"seconds": spent_s, **figures}, validation)
            pace_s = (spent_s - self.trained_s) / (self.step - first_step)
            if self._due(settings.checkpoint_every):
                self.processes.first_does(partial(self._save, spent_s))
            if settings.sample_every is not None and self._due(settings.sample_every):
                self.processes.first_does(self._write_samples)
            if progress and self.processes.first:
                left_s = pace_s * (settings.steps - self.step)
                rate = figures["learning_rate"]
                progress(Progress(self.step, settings.steps, figures["loss"], rate, left_s, validation))
        self.trained_s = max(self.trained_s, time.monotonic() - began)
        if self.log:
            self.log.draw()

    def export(self, record: Mapping[str, Any]) -> tuple[Path, dict[str, float]]:
        """Write the asked-for weights to out/model; return the folder and the last figures of losses.csv."""
        exported: dict[str, Any] = {"step": self.settings.steps}
        if self.settings.export_weights == "best":
            exported = self.best.copy_to_module(self.task.module)
        elif self.average:
            self.average.copy_to_module()
        self.task.module.eval()
        seed_torch(self.settings.seed, Purpose.EXPORT)
        folder = export_model(self.task, self.settings, self.out, {**record, "exported": exported})
        return folder, last_figures(self.out / LOSSES)

    def _due(self, every: int) -> bool:
        return self.step == self.settings.steps or self.step % every == 0

    def _advance(self, step: int) -> dict[str, float]:
        """Take one optimiser step; return its figures, means over micro-batches and processes."""
        settings = self.settings
        factor = learning_rate_factor(step, settings.steps, settings.warmup_steps, settings.schedule)
        figures = self.processes.mean(self._gradients(step))
        if not math.isfinite(figures["loss"]):
            raise self._diverged(step, "loss", figures["loss"])
        self.processes.average_gradients(self.parameters)
        self.processes.share_buffers(self.task.module)
        norm = self.optimiser.step(settings.learning_rate * factor)
        if not math.isfinite(norm) and not self.optimiser.may_overflow():
            raise self._diverged(step, "gradient norm", norm)
        if self.average:
            self.average.update(step)
        return {**figures, "learning_rate": settings.learning_rate * factor, "grad_norm": norm}

    def _gradients(self, step: int) -> dict[str, float]:
        """Gather the gradients of this process's micro-batches; return the mean of their figures."""
        sums: dict[str, float] = {}
        count, ours = self.settings.accumulation, self.processes
        first = step * count * ours.count
        for index in range(first + ours.rank, first + count * ours.count, ours.count):
            seed_torch(self.settings.seed, Purpose.MICRO_BATCH, index)
            batch = self.task.batch(index)
            with self._autocast():
                loss, figures = self.task.loss(batch, step)
            value = float(loss.detach())
            for name, figure in {**figures, "loss": value}.items():
                sums[name] = sums.get(name, 0.0) + figure
            if not math.isfinite(value):
                break  # the mean tells every process
            self.optimiser.backward(loss / count)
        return {name: total / count for name, total in sums.items()}

    def _validate(self) -> dict[str, float]:
        with self._evaluation():
            figures = self.task.validate()
            self.best.offer(self.step, figures, self.task.module)
        return figures

    def _write_samples(self) -> None:
        final = self.out / SAMPLES / f"step_{self.step:06d}"
        building = final.with_name(f".{final.name}.tmp")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        assert isinstance(self.task, SampleWriter)
        with self._evaluation():
            self.task.write_samples(building)
        shutil.rmtree(final, ignore_errors=True)  # of steps that were lost
        building.rename(final)

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Lend the averaged weights, in eval mode; afterwards all is as if nothing had happened."""
        devices = [self.device] if self.device.type == "cuda" else []
        averaged = self.average.swapped_in() if self.average else nullcontext()
        self.task.module.eval()
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=devices), self._autocast(), averaged:
                seed_torch(self.settings.seed, Purpose.EVALUATION)
                yield
        finally:
            _train_mode(self.task.module)

    def _save(self, spent_s: float) -> None:
        assert self.log is not None
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters):
            raise self._diverged(self.step - 1, "weights", math.nan)
        save_checkpoint(
            self.out / CHECKPOINT,
            Checkpoint(
                step=self.step,
                module=trained_state(self.task.module),
                average=self.average.average if self.average else None,
                optimiser=self.optimiser.inner.state_dict(),
                scaler=self.optimiser.scaler.state_dict(),
                best=self.best.best,
                processes=self.processes.count,
                settings=self.settings.model_dump_json(),
                trained_s=spent_s,
                losses_bytes=self.log.sync(),
            ),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        check_same_run(self.out, checkpoint, self.settings, self.processes.count)
        state = trained_state(self.task.module)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in checkpoint.module.items()}:
            raise TrainingError(f"{self.out / CHECKPOINT}: holds another network; start in another folder")
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(checkpoint.module[name])
        self.optimiser.inner.load_state_dict(checkpoint.optimiser)
        self.optimiser.scaler.load_state_dict(checkpoint.scaler)
        self.step = self.resumed_from = checkpoint.step
        self.trained_s = checkpoint.trained_s

    def _autocast(self) -> torch.autocast:
        kinds = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
        kind = kinds[self.settings.precision]
        return torch.autocast(self.device.type, kind, enabled=kind is not None)

    def _diverged(self, step: int, what: str, value: float) -> TrainingError:
        saved = self.out / CHECKPOINT
        # The weights in memory are lost; the file still holds the last finite ones.
        kept = f"the last good checkpoint stays in {saved}" if saved.exists() else "no checkpoint was written yet"
        return TrainingError(
            f"step {step + 1}: the {what} became {value}; {kept}; "
            f"lower learning_rate (now {self.settings.learning_rate:g}) and start in another folder"
        )


def _train_mode(module: torch.nn.Module) -> None:
    """Put the network in training mode, but for parts frozen whole: their dropout and norms stay still."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()

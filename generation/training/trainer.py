"""The training loop: optimiser, schedule, average, checkpoints and losses, but no particular network."""

from __future__ import annotations

import fcntl
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError

from generation.errors import TrainingError
from generation.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from generation.training.ema import WeightAverage, trained_state
from generation.training.export import export_model
from generation.training.losses import LOSSES, LossLog, last_figures
from generation.training.schedules import learning_rate_factor
from generation.training.settings import TrainSettings

__all__ = ["CHECKPOINT", "Progress", "Task", "TrainResult", "TrainSettings", "train"]

CHECKPOINT = "last.ckpt"


class Task(Protocol):
    """What a recipe hands to the loop: a network, its data, its loss and its way to a folder of weights."""

    module: torch.nn.Module

    def batch(self, step: int) -> Any:
        """Return the batch of step `step` (from 0), on the run's device: the same one whenever asked."""

    def loss(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the scalar loss and further figures for losses.csv (the same names at every step).

        Randomness comes from torch's global generators, which the checkpoint keeps.
        """

    def validate(self) -> dict[str, float]:
        """Return figures on held-out data; called without gradients, in eval mode, with averaged weights."""

    def export(self, folder: Path, module: torch.nn.Module) -> None:
        """Write the finished weights (fp16 safetensors) and their card into an empty folder."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `steps`; eta_s is the time left at the pace so far."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    eta_s: float
    validation: Mapping[str, float]


@dataclass(frozen=True)
class TrainResult:
    """A finished run: exported folder, last figures of losses.csv, training time, step it resumed from."""

    folder: Path
    figures: Mapping[str, float]
    steps: int
    trained_s: float
    resumed_from: int | None


def train(
    task: Task,
    settings: TrainSettings,
    out: Path,
    device: str | torch.device = "cpu",
    record: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train `task` to the end and export it to out/model; a run stopped at any instant goes on where it was.

    AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), global-norm clipping (Pascanu, Mikolov and
    Bengio, arXiv 1211.5063, algorithm 1), averaged weights. On a CPU a killed and resumed run ends with
    bit-equal weights. `record` goes into training.json; `progress` is called after every step.
    Raises TrainingError when the loss or the gradients stop being finite (the last good checkpoint stays),
    when `out` holds a run with other settings, when it is in use or damaged, or when the disk is full.
    """
    with _claimed(out):
        try:
            run = _Run(task, settings, out, torch.device(device))
            with closing(run.log):
                run.loop(progress)
            if run.average:
                run.average.copy_to_module()
            task.module.eval()
            facts = {"trained_s": round(run.trained_s, 1), "device": torch.device(device).type}
            folder = export_model(task, settings, out, {**facts, **(record or {})})
            figures = last_figures(out / LOSSES)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"{out}: cannot be written ({error}); the last checkpoint stays: mend it and resume"
            ) from error
        return TrainResult(folder, figures, settings.steps, run.trained_s, run.resumed_from)


class _Run:
    """The state of one run: made new or taken from out/last.ckpt, advanced by `loop`."""

    def __init__(self, task: Task, settings: TrainSettings, out: Path, device: torch.device) -> None:
        self.task, self.settings, self.out, self.device = task, settings, out, device
        task.module.to(device)
        self.parameters = [parameter for parameter in task.module.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise TrainingError("the network has no parameter that learns; unfreeze one")
        self.optimiser = _adamw(self.parameters, settings)
        self.average = WeightAverage(task.module, settings.ema_decay) if settings.ema_decay else None
        self.step = 0
        self.trained_s = 0.0
        self.resumed_from: int | None = None
        if (out / CHECKPOINT).exists():
            self._resume(load_checkpoint(out / CHECKPOINT, device))
        else:
            torch.manual_seed(settings.seed)
            self.log = LossLog(out / LOSSES)

    def loop(self, progress: Callable[[Progress], None] | None) -> None:
        """Run the steps that are left, with validation and checkpoints on their beat."""
        settings = self.settings
        first_validation = self._validate() if self.step == 0 else {}
        began, first_step = time.monotonic() - self.trained_s, self.step
        _train_mode(self.task.module)
        for step in range(self.step, settings.steps):
            figures = self._advance(step)
            if step == 0:
                self.log.start(figures, first_validation)
                self.log.row({"step": 0}, first_validation)
            self.step = step + 1
            last = self.step == settings.steps
            validation: dict[str, float] = {}
            if last or self.step % settings.validate_every == 0:
                validation = self._validate()
                _train_mode(self.task.module)
            spent_s = time.monotonic() - began
            self.log.row({"step": self.step, "seconds": spent_s, **figures}, validation)
            pace_s = (spent_s - self.trained_s) / (self.step - first_step)
            if last or self.step % settings.checkpoint_every == 0:
                self._save(spent_s)
            if progress:
                left_s = pace_s * (settings.steps - self.step)
                progress(
                    Progress(
                        self.step,
                        settings.steps,
                        figures["loss"],
                        figures["learning_rate"],
                        left_s,
                        validation,
                    )
                )
        self.trained_s = max(self.trained_s, time.monotonic() - began)

    def _advance(self, step: int) -> dict[str, float]:
        settings = self.settings
        factor = learning_rate_factor(step, settings.steps, settings.warmup_steps, settings.schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * factor
        batch = self.task.batch(step)
        with self._autocast():
            loss, figures = self.task.loss(batch, step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(step, "loss", value)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = math.inf if settings.clip_norm is None else settings.clip_norm
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, limit))
        if not math.isfinite(norm):
            raise self._diverged(step, "gradient norm", norm)
        self.optimiser.step()
        if self.average:
            self.average.update(step)
        rate = settings.learning_rate * factor
        return {**figures, "learning_rate": rate, "grad_norm": norm, "loss": value}

    def _validate(self) -> dict[str, float]:
        devices = [self.device] if self.device.type == "cuda" else []
        self.task.module.eval()
        # Validation may draw noise; forking keeps the training stream as if it had never happened.
        with torch.no_grad(), torch.random.fork_rng(devices=devices), self._autocast():
            if self.average is None:
                return self.task.validate()
            with self.average.swapped_in():
                return self.task.validate()

    def _save(self, spent_s: float) -> None:
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters):
            raise self._diverged(self.step - 1, "weights", math.nan)
        rng = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        save_checkpoint(
            self.out / CHECKPOINT,
            Checkpoint(
                step=self.step,
                module=trained_state(self.task.module),
                average=self.average.average if self.average else None,
                optimiser=self.optimiser.state_dict(),
                rng=rng,
                settings=self.settings.model_dump_json(),
                trained_s=spent_s,
                losses_bytes=self.log.sync(),
            ),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        _same_settings(self.out, json.loads(checkpoint.settings), json.loads(self.settings.model_dump_json()))
        state = trained_state(self.task.module)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in checkpoint.module.items()}:
            raise TrainingError(f"{self.out / CHECKPOINT}: holds another network; start in another folder")
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(checkpoint.module[name])
        if self.average and checkpoint.average:
            self.average.load(checkpoint.average)
        self.optimiser.load_state_dict(checkpoint.optimiser)
        torch.set_rng_state(checkpoint.rng["cpu"])
        if self.device.type == "cuda" and "cuda" in checkpoint.rng:
            torch.cuda.set_rng_state(checkpoint.rng["cuda"], self.device)
        self.step = self.resumed_from = checkpoint.step
        self.trained_s = checkpoint.trained_s
        self.log = LossLog(self.out / LOSSES, checkpoint.losses_bytes)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def _diverged(self, step: int, what: str, value: float) -> TrainingError:
        saved = self.out / CHECKPOINT
        # The weights in memory are lost; the file still holds the last finite ones.
        kept = f"the last good checkpoint stays in {saved}" if saved.exists() else "no checkpoint was written yet"
        return TrainingError(
            f"step {step + 1}: the {what} became {value}; {kept}; "
            f"lower learning_rate (now {self.settings.learning_rate:g}) and start in another folder"
        )


def _adamw(parameters: list[torch.nn.Parameter], settings: TrainSettings) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas)


def _train_mode(module: torch.nn.Module) -> None:
    """Put the network in training mode, but for parts frozen whole: their dropout and norms stay still."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def _same_settings(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    # How often to save changes nothing in the run itself.
    changed = [key for key in now if key != "checkpoint_every" and before.get(key) != now[key]]
    if changed:
        key = changed[0]
        raise TrainingError(
            f"{out}: holds a run with {key}={before.get(key)}, not {now[key]}; "
            "ask for the same settings to resume it, or start in another folder"
        )


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """Hold `out` for this process alone; the lock dies with the process, so a kill leaves none behind."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("wb")
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"{out}: another training is writing there; wait for it or choose another folder"
            ) from None
        for leftover in out.glob(f".{CHECKPOINT}.*.tmp"):
            leftover.unlink(missing_ok=True)
        yield

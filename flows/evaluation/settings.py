"""What an evaluation is told: configs/evaluate/*.yaml, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from flows.place import SettingsError
from generation.shipped import config_names, config_path
from generation.strict_yaml import StrictModel, load_yaml, unknown_name

Experiment = Literal["rows", "table-6.1", "table-6.2", "table-6.3"]

MOST_PROMPTS = 2800


class RowChoice(StrictModel):
    """One line of a table: what the thesis calls it, and the model that stands for it (a shipped name or a folder,
    seen from where the command runs).
    """

    row: str = Field(min_length=1)
    model: str = Field(min_length=1)


class Evaluation(StrictModel):
    """configs/evaluate/*.yaml: which models, at which settings, on how many prompts, against which real notes.

    steps, guidance_scales: every pair of them is a setting; empty lets each model sample as its card says, as `rows`
    does. prompts_on_gpu, prompts_on_cpu: of each model in each setting. batch_size_on_gpu, batch_size_on_cpu: how many
    sounds are made at once, where memory allows. reference: folder of real notes for the figures of the library's
    embedder, of vggish and cnn14 (files of published weights), which hear length_s seconds of everything. real: folder
    of real recordings with labels. Folders and files lie beside the configuration.
    """

    experiment: Experiment
    models: tuple[RowChoice, ...] = Field(min_length=1)
    steps: tuple[int, ...] = ()
    guidance_scales: tuple[float, ...] = ()
    prompts_on_gpu: int = Field(default=1000, ge=1, le=MOST_PROMPTS)
    prompts_on_cpu: int = Field(default=56, ge=1, le=MOST_PROMPTS)
    batch_size_on_gpu: int = Field(default=64, ge=1, le=1024)
    batch_size_on_cpu: int = Field(default=8, ge=1, le=1024)
    seed: int = 1
    embedder: str = "starter"
    reference: Path | None = None
    vggish: Path | None = None
    cnn14: Path | None = None
    length_s: float = Field(default=4.0, ge=1.0, le=60.0, allow_inf_nan=False)
    real: Path | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Evaluation:
        rows = [choice.row for choice in self.models]
        if len(set(rows)) < len(rows):
            raise ValueError("a row stands twice; each row once")
        if self.experiment == "rows":
            if self.steps or self.guidance_scales:
                raise ValueError("rows has no steps and guidance_scales: every model samples as its card says")
        elif not (self.steps and self.guidance_scales):
            raise ValueError(f"{self.experiment} needs steps and guidance_scales, at least one of each")
        if any(len(set(values)) < len(values) for values in (self.steps, self.guidance_scales)):
            raise ValueError("a setting stands twice; each steps and guidance_scale once")
        if any(steps < 1 for steps in self.steps) or any(scale < 0 for scale in self.guidance_scales):
            raise ValueError("steps of at least 1 and guidance_scales of at least 0 are needed")
        return self

    def prompts_on(self, device: str) -> int:
        """How many prompts every model gets on this device."""
        return self.prompts_on_gpu if device.startswith("cuda") else self.prompts_on_cpu

    def batch_size_on(self, device: str) -> int:
        """How many sounds a model makes at once on this device."""
        return self.batch_size_on_gpu if device.startswith("cuda") else self.batch_size_on_cpu


def read_evaluation(name: str, file: Path | None = None) -> tuple[Evaluation, Path]:
    """Read the shipped configuration of an experiment, or a file for it; and the folder that its paths start from.

    Raises ConfigError, one line, for an unknown name, a file that is none, or one of another experiment.
    """
    known = config_names("evaluate")
    if name not in known:
        raise SettingsError(unknown_name("experiment", name, known))
    path = config_path("evaluate", str(file) if file is not None else name)
    evaluation = load_yaml(path, Evaluation)
    if evaluation.experiment != name:
        raise SettingsError(f"{path}: is of the experiment {evaluation.experiment}, {name} was asked for; name one")
    # Shipped configurations name folders of whoever runs them.
    return evaluation, path.parent if file is not None else Path()

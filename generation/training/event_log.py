"""The figures of a run for TensorBoard, the same as in losses.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from generation.errors import TrainingError

EVENTS = "tensorboard"


class EventLog:
    """Writes scalars into a folder of event files; a resumed run goes on in a new file beside the old ones."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Open a file for steps from `first_step`; TensorBoard drops what older files say of these steps.

        Raises TrainingError where the tensorboard package is missing.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError(
                "the package tensorboard is missing; pip install 'nightcrate[train]', or train without --tensorboard"
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def row(self, step: int, figures: Mapping[str, float]) -> None:
        """Write one step's figures under the names they have in losses.csv."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def sync(self) -> None:
        """Hand all to the disk; called with each checkpoint, so that no step before it is lost."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

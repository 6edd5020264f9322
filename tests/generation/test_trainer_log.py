"""What a run leaves to look at: curves, TensorBoard's events, samples."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from generation.errors import TrainingError
from generation.training.checkpoint import load_checkpoint
from generation.training.loss_curves import draw_curves, running_mean
from generation.training.trainer import CHECKPOINT, TrainSettings, train
from tests.generation.toy_training import Stop, StoppingTask, ToyTask, equal, exported, rows, run, toy_settings

# -------------------- curves


def test_the_curves_are_drawn_and_exported(tmp_path: Path) -> None:
    run(tmp_path)
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.format == "PNG" and picture.width > 2 * picture.height  # two panels: loss, mae
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    blue, red = pixels[..., 2] - pixels[..., 0], pixels[..., 0] - pixels[..., 2]
    middle = pixels.shape[1] // 2
    assert (blue[:, :middle] > 60).any() and (blue[:, middle:] > 60).any()  # training in both
    assert not (red[:, :middle] > 120).any() and (red[:, middle:] > 120).any()  # held out: mae alone
    assert (tmp_path / "model/losses.png").read_bytes() == (tmp_path / "losses.png").read_bytes()


def test_the_running_mean_by_hand() -> None:
    np.testing.assert_allclose(running_mean(np.array([1.0, 3.0, 5.0, 9.0]), 2), [1.0, 2.0, 4.0, 7.0])


def test_odd_figures_are_drawn_too(tmp_path: Path) -> None:
    lines = ["step,seconds,learning_rate,grad_norm,loss,valid_a,valid_loss", "0,,,,,nan,-1", "1,1,1,inf,-2,0,3"]
    for count in (1, 2, 3):
        (tmp_path / "losses.csv").write_text("\n".join(lines[:count]) + "\n")
        draw_curves(tmp_path / "losses.csv", tmp_path / f"{count}.png")
        with Image.open(tmp_path / f"{count}.png") as picture:
            picture.verify()


def test_without_matplotlib_a_run_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run(tmp_path / "a")
    run(tmp_path / "b")
    assert not (tmp_path / "a/losses.png").exists() and not (tmp_path / "a/model/losses.png").exists()
    assert [record.message for record in caplog.records] == [
        "losses.png is not drawn: the package matplotlib is missing"
    ]


# -------------------- TensorBoard


def events(out: Path) -> dict[str, dict[int, float]]:
    """Read scalars as TensorBoard does; each step must be there once."""
    accumulator = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0})
    accumulator.Reload()
    found = {name: accumulator.Scalars(name) for name in accumulator.Tags()["scalars"]}
    figures = {name: {each.step: each.value for each in scalars} for name, scalars in found.items()}
    assert {name: len(scalars) for name, scalars in found.items()} == {
        name: len(all_) for name, all_ in figures.items()
    }
    return figures


def logged(out: Path) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in rows(out):
        for name, cell in row.items():
            if cell and name != "step":
                found.setdefault(name, {})[int(row["step"])] = float(cell)
    return found


def test_tensorboard_shows_what_the_csv_says_after_a_stop_too(tmp_path: Path) -> None:
    settings = toy_settings(steps=30, validate_every=10)
    with pytest.raises(Stop):
        train(StoppingTask(settings, 12), settings, tmp_path, tensorboard=True)
    assert max(events(tmp_path)["loss"]) == 12
    assert train(ToyTask(settings), settings, tmp_path, tensorboard=True).resumed_from == 7
    seen, expected = events(tmp_path), logged(tmp_path)
    assert seen.keys() == expected.keys() and {"loss", "mae", "valid_mae", "learning_rate", "grad_norm"} <= seen.keys()
    for name, figures in expected.items():
        assert seen[name] == pytest.approx(figures, rel=1e-5), name


def test_no_events_unless_asked(tmp_path: Path) -> None:
    run(tmp_path)
    assert not (tmp_path / "tensorboard").exists()


def test_a_missing_tensorboard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    settings = toy_settings(steps=3)
    with pytest.raises(TrainingError, match=r"tensorboard is missing; pip install 'nightcrate\[train\]'"):
        train(ToyTask(settings), settings, tmp_path, tensorboard=True)


# -------------------- samples


class Sampling(ToyTask):
    """Writes what its network says of eight drawn numbers, and the averaged weights it has then."""

    def __init__(self, settings: TrainSettings, fail_at: int | None = None) -> None:
        super().__init__(settings)
        self.written, self.fail_at = 0, fail_at

    def write_samples(self, folder: Path) -> None:
        assert not self.module.training and not torch.is_grad_enabled() and not list(folder.iterdir())
        x = torch.randn(1, 8)
        torch.save({"x": x, "weights": self.module.state_dict()}, folder / "sample.pt")
        self.written += 1
        if self.written == self.fail_at:
            raise Stop


def test_samples_are_written_on_their_beat_with_averaged_weights(tmp_path: Path) -> None:
    run(tmp_path / "plain")
    run(tmp_path / "sampled", Sampling(toy_settings()), sample_every=12)
    folders = sorted(path.name for path in (tmp_path / "sampled/samples").iterdir())
    assert folders == ["step_000012", "step_000024", "step_000030"]
    samples = [torch.load(tmp_path / "sampled/samples" / name / "sample.pt") for name in folders]
    assert all(torch.equal(sample["x"], samples[0]["x"]) for sample in samples)
    average = load_checkpoint(tmp_path / "sampled" / CHECKPOINT).average
    assert average is not None and equal(samples[-1]["weights"], average)
    assert equal(exported(tmp_path / "sampled"), exported(tmp_path / "plain"))


def test_a_stop_while_sampling_leaves_no_half_folder(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run(tmp_path, Sampling(toy_settings(), fail_at=2), sample_every=12)
    assert not (tmp_path / "samples/step_000024").exists()
    run(tmp_path, Sampling(toy_settings()), sample_every=12)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "step_000012", "step_000024", "step_000030",
    ]  # fmt: skip


def test_a_recipe_that_writes_no_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="sample_every is set, but this recipe writes no samples"):
        run(tmp_path, sample_every=12)
    assert math.isfinite(run(tmp_path).figures["loss"])

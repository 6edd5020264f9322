"""The arrays on disk: made once, noticed when damaged, never half-made, shared by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from generation.training.picture_cache import KEPT, MANIFEST, cached_arrays

ROOT = Path(__file__).resolve().parents[2]
ROWS, CHUNK = 40, 8
# Makes the arrays in a process of its own, saying each chunk and waiting after it as long as asked.
MAKER = """
import sys, time
from pathlib import Path
import numpy as np
from generation.training.picture_cache import cached_arrays

def chunks():
    for start in range(0, 40, 8):
        yield {"numbers": np.arange(start, start + 8, dtype=np.float32)[:, None]}
        print("chunk", flush=True)
        time.sleep(float(sys.argv[2]))

made = cached_arrays([Path(sys.argv[1])], "toy", "a1", 40, chunks)["numbers"]
print("sum", float(made.sum()), flush=True)
"""


class Maker:
    """Counts how often it is asked to make the rows 0 to 39 times `factor`."""

    def __init__(self, factor: float = 1.0, fail_at: int | None = None) -> None:
        self.factor, self.fail_at, self.asked = factor, fail_at, 0

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        self.asked += 1
        for start in range(0, ROWS, CHUNK):
            if start == self.fail_at:
                raise RuntimeError("the sound is broken")
            rows = np.arange(start, start + CHUNK)
            yield {"numbers": (self.factor * rows[:, None]).astype(np.float32), "labels": rows.astype(np.uint8)}


def process(place: Path, wait_s: float) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", MAKER, str(place), str(wait_s)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_made_once_then_mapped_and_read_only(tmp_path: Path) -> None:
    maker = Maker()
    for _ in range(2):
        arrays = cached_arrays([tmp_path], "toy", "a1", ROWS, maker)
    assert maker.asked == 1
    assert isinstance(arrays["numbers"], np.memmap) and arrays["numbers"].shape == (ROWS, 1)
    np.testing.assert_array_equal(arrays["numbers"][:, 0], np.arange(ROWS, dtype=np.float32))
    np.testing.assert_array_equal(arrays["labels"], np.arange(ROWS, dtype=np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        arrays["numbers"][0] = 1


def test_another_key_or_count_is_made_anew(tmp_path: Path) -> None:
    cached_arrays([tmp_path], "toy", "a1", ROWS, Maker())
    assert cached_arrays([tmp_path], "toy", "b2", ROWS, Maker(2.0))["numbers"][3] == 6
    assert cached_arrays([tmp_path], "toy", "a1", ROWS, Maker(2.0))["numbers"][3] == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "numbers.npy", 200),
        lambda folder: (folder / "numbers.npy").unlink(),
        lambda folder: (folder / "numbers.npy").write_bytes(b"\0" * (folder / "numbers.npy").stat().st_size),
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: os.truncate(folder / MANIFEST, 20),
        lambda folder: (folder / MANIFEST).write_text("[]"),
    ],
    ids=["cut", "gone", "zeros", "no manifest", "cut manifest", "another manifest"],
)
def test_damage_is_noticed_and_mended(tmp_path: Path, damage) -> None:
    cached_arrays([tmp_path], "toy", "a1", ROWS, Maker())
    damage(tmp_path / "toy" / "a1")
    maker = Maker()
    for _ in range(2):
        arrays = cached_arrays([tmp_path], "toy", "a1", ROWS, maker)
    assert maker.asked == 1
    np.testing.assert_array_equal(arrays["numbers"][:, 0], np.arange(ROWS, dtype=np.float32))


def test_an_error_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        cached_arrays([tmp_path], "toy", "a1", ROWS, Maker(fail_at=16))
    assert [path.name for path in (tmp_path / "toy").iterdir()] == [".lock"]
    assert cached_arrays([tmp_path], "toy", "a1", ROWS, Maker())["numbers"][39] == 39


def test_killed_half_way_nothing_is_taken_and_the_rest_is_cleared(tmp_path: Path) -> None:
    killed = process(tmp_path, wait_s=60)
    assert killed.stdout is not None
    assert [killed.stdout.readline() for _ in range(1)] == ["chunk\n"]
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=20)
    assert list((tmp_path / "toy").glob(".*.tmp")), "the kill came too late to mean anything"
    maker = Maker()
    assert cached_arrays([tmp_path], "toy", "a1", ROWS, maker)["numbers"].sum() == sum(range(ROWS))
    assert maker.asked == 1 and not list((tmp_path / "toy").glob(".*.tmp"))


def test_of_two_processes_one_makes_them_and_both_read_them(tmp_path: Path) -> None:
    makers = [process(tmp_path, wait_s=0.2) for _ in range(2)]
    told = [maker.communicate(timeout=60) for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0], told
    assert all(out.splitlines()[-1] == f"sum {float(sum(range(ROWS)))}" for out, _ in told)
    assert sum(out.count("chunk") for out, _ in told) == ROWS // CHUNK
    assert sum("waiting for another process" in errors for _, errors in told) <= 1


def test_the_next_place_serves_where_the_first_cannot_be_written(tmp_path: Path) -> None:
    blocked, free, maker = tmp_path / "file", tmp_path / "free", Maker()
    blocked.write_text("no folder can be made here, whoever asks")
    for _ in range(2):
        assert cached_arrays([blocked, free], "toy", "a1", ROWS, maker)["labels"][7] == 7
    assert maker.asked == 1 and (free / "toy" / "a1" / MANIFEST).is_file()
    with pytest.raises(OSError):
        cached_arrays([blocked], "toy", "a1", ROWS, maker)


def test_the_last_used_keys_of_a_name_stay(tmp_path: Path) -> None:
    keys = [f"{number:02x}" for number in range(KEPT + 2)]
    for key in keys[:-1]:
        cached_arrays([tmp_path], "toy", key, ROWS, Maker())
        time.sleep(0.01)
    cached_arrays([tmp_path], "toy", keys[1], ROWS, Maker())  # used again: the last but one to go
    time.sleep(0.01)
    cached_arrays([tmp_path], "toy", keys[-1], ROWS, Maker())
    cached_arrays([tmp_path], "other", "00", ROWS, Maker())
    left = {path.name for path in (tmp_path / "toy").iterdir() if path.is_dir()}
    assert left == {keys[1], keys[-2], keys[-1]} and len(left) == KEPT


@pytest.mark.parametrize(
    "chunks",
    [
        [{"a": np.zeros(3)}],
        [{"a": np.zeros(2), "b": np.zeros(3)}],
        [{"a": np.zeros(2)}, {"b": np.zeros(2)}],
        [{"a": np.zeros((2, 3))}, {"a": np.zeros((2, 4))}],
        [{"a": np.zeros(2)}, {"a": np.zeros(2, np.float32)}],
    ],
)
def test_chunks_that_do_not_fit_together_are_refused(tmp_path: Path, chunks: list[dict[str, np.ndarray]]) -> None:
    with pytest.raises(ValueError):
        cached_arrays([tmp_path], "toy", "a1", 4, lambda: chunks)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == [".lock"]

"""The hub's lock file: what it must be, and that it can be written is known before anything is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.errors import ConfigError, HubError
from generation.hub import open_source
from generation.hub_fetch import fetch, plan_fetch
from tests.generation.fake_hub import FakeHub, serve_to_client

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_to_client(dict(FILES), tmp_path, monkeypatch) as running:
        yield running


def test_a_lock_that_is_none_is_one_line(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "hub.lock.yaml").write_text("repositories: 3")
    with pytest.raises(ConfigError, match=r"hub\.lock\.yaml: repositories is 3") as caught:
        open_source("someone/toy")
    assert "\n" not in str(caught.value)


def test_a_lock_that_cannot_be_written_is_named_before_the_first_byte(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    for place in (tmp_path / "taken" / "hub.lock.yaml", tmp_path):
        monkeypatch.setenv("NIGHTCRATE_HUB_LOCK", str(place))
        with pytest.raises(
            HubError, match=r"the lock file .* cannot be written \(.*\); name another place by"
        ) as caught:
            fetch(plan_fetch("someone/toy"))
        line = str(caught.value)
        assert str(place) in line and line.endswith("NIGHTCRATE_HUB_LOCK") and "\n" not in line
    assert not hub.sent


def test_a_lock_that_names_the_files_already_need_not_be_written(hub: FakeHub, tmp_path: Path) -> None:
    folder = open_source("someone/toy")
    shutil.rmtree(tmp_path / "cache")
    before = (tmp_path / "hub.lock.yaml").stat()
    assert open_source("someone/toy") == folder and (folder / "config.json").read_bytes() == b"{}"
    assert (tmp_path / "hub.lock.yaml").stat().st_mtime_ns == before.st_mtime_ns

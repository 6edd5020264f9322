"""nightcrate models fetch and verify: the price first, hashes always, one line and exit 1 for what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from flows.weights import check_weights
from generation import shipped
from tests.flows import command_line
from tests.flows.command_line import ROOT
from tests.generation.fake_hub import COMMIT, FakeHub, serve_to_client

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 300_000}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_to_client(dict(FILES), tmp_path, monkeypatch) as running:
        yield running


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command_line.run(capsys, "models", *arguments)


def test_fetch_names_the_price_then_the_place(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fetch", "someone/toy", "--json")
    assert code == 0 and "someone/toy: 2 files, 2.1 MB to fetch, 0.0 MB here already" in err
    told: list[dict[str, Any]] = json.loads(out)
    assert told[0]["revision"] == COMMIT and told[0]["bytes"] == 2_100_002
    assert (Path(told[0]["folder"]) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert "0.0 MB to fetch, 2.1 MB here already" in run(capsys, "fetch", "someone/toy")[2]


def test_what_is_named_twice_is_priced_and_fetched_once(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fetch", "someone/toy", "someone/toy", "--json")
    assert code == 0 and err.count("2.1 MB to fetch") == 1 and len(json.loads(out)) == 1


def test_a_lock_that_cannot_be_written_is_one_line_that_names_it(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("NIGHTCRATE_HUB_LOCK", str(tmp_path / "taken" / "hub.lock.yaml"))
    code, out, err = run(capsys, "fetch", "someone/toy")
    assert (code, out, hub.sent) == (1, "", [])
    assert "the lock file" in err and "NIGHTCRATE_HUB_LOCK" in err.splitlines()[-1]


def test_fetch_in_a_process_of_its_own_says_unpinned_once(hub: FakeHub, tmp_path: Path) -> None:
    settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_CACHE": str(tmp_path / "cache")}
    line = [sys.executable, "-c", "from flows.cli import main; main()", "models", "fetch", "someone/toy"]
    first, second = (
        subprocess.run(line, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stderr.count("\n") == 2 and f"unpinned: someone/toy, now locked at {COMMIT}" in first.stderr
    assert second.stderr.count("\n") == 1 and first.stdout == second.stdout


def test_no_room_ends_it_before_the_first_byte(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=1000))
    code, out, err = run(capsys, "fetch", "someone/toy")
    assert (code, out) == (1, "") and "2100002 bytes are needed, but only 1000 are free" in err
    assert not hub.sent


def test_verify_reads_every_byte(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "fetch", "someone/toy", "--json")
    file = Path(json.loads(out)[0]["folder"]) / "model.safetensors"
    assert run(capsys, "verify", "someone/toy")[:2] == (0, "someone/toy: 2 files as they should be\n")
    file.resolve().write_bytes(b"Weights" + FILES["model.safetensors"][7:])
    code, out, _ = run(capsys, "verify", "--json")
    assert code == 1
    found = {check["name"]: check["problems"] for check in json.loads(out)}
    assert found["chopan-starter"] == [] and "model.safetensors has sha256" in found["someone/toy"][0]
    run(capsys, "fetch", "someone/toy")
    assert run(capsys, "verify")[0] == 0
    file.resolve().unlink()
    assert "is not whole on this machine" in run(capsys, "verify", "someone/toy")[1]


def test_a_shipped_model_is_held_against_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shipped.starter_dir(), tmp_path / "starter")
    monkeypatch.setattr("flows.weights.starter_dir", lambda: tmp_path / "starter")
    assert check_weights(["chopan-starter"])[0].problems == ()
    (tmp_path / "starter/chopan-starter/tokenizer/tokenizer.json").unlink()
    assert check_weights(["chopan-starter"])[0].problems == ("chopan-starter/tokenizer/tokenizer.json is missing",)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fetch", "chopan-starter"), "its weights ship with nightcrate; there is nothing to fetch"),
        (("fetch", "chopan"), "no weights can be fetched; make them with: nightcrate train chopan"),
        (
            ("fetch", "tango"),
            "make them with: hf download declare-lab/tango --local-dir tango-original && hf download ",
        ),
        (
            ("verify", "tango"),
            'google/flan-t5-large --include "*.json" --local-dir flan-t5-large && nightcrate models ',
        ),
        (("fetch", "tango"), "convert tango-original --text-encoder flan-t5-large --out models/tango\n"),
        (("fetch", "chopn"), "did you mean 'chopan'?"),
        (("verify", "someone/toy"), "was not fetched yet; fetch it: nightcrate models fetch someone/toy"),
        (("fetch", "a/b/c"), "no model 'a/b/c'"),
        (("info", "chopn"), "did you mean 'chopan'?"),
    ],
)
def test_what_cannot_be_is_one_line(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "") and told in err and err.count("\n") == 1


def test_without_a_network_the_starters_are_named(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, _, err = run(capsys, "fetch", "someone/toy")
    assert code == 1 and err.count("\n") == 1 and "needs no network: audio-diffusion-starter, " in err


def test_the_list_stands_in_columns_and_a_card_says_where_its_weights_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, listed, _ = run(capsys, "list")
    names = [line.split()[0] for line in listed.splitlines()]
    assert code == 0 and {"audio-latent-diffusion-starter", "tango"} <= set(names)
    assert {line[: len(max(names, key=len)) + 1].rstrip() for line in listed.splitlines()} == set(names)
    assert (
        "riffusion/riffusion-model-v1 on the hub; fetch them: nightcrate models fetch riffusion"
        in (run(capsys, "info", "riffusion")[1])
    )
    assert "https://huggingface.co/declare-lab/tango" in run(capsys, "info", "tango")[1]


def test_what_is_here_and_whole_needs_no_hub(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, _ = run(capsys, "fetch", "someone/toy", "--json")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, out, err = run(capsys, "fetch", "someone/toy", "--json")
    assert code == 0 and json.loads(out) == json.loads(first) and "0.0 MB to fetch" in err
    (Path(json.loads(out)[0]["folder"]) / "config.json").resolve().write_bytes(b"[]")
    assert run(capsys, "fetch", "someone/toy")[0] == 1

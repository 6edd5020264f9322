"""The hub, through its own client against one on this machine: locking, resuming, checking, refusing."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, hf_hub_download

from generation import downloads, registry
from generation.cards import Weights
from generation.errors import CardError, HubError
from generation.file_list import differences
from generation.hub import open_source, used_files
from generation.hub_errors import one_line as told_in_one_line
from generation.hub_fetch import check_room, fetch, plan_fetch
from generation.hub_lock import locked, locked_repositories
from generation.registry import identify
from generation.strict_yaml import read_yaml
from tests.generation.fake_hub import COMMIT, FakeHub, serve_to_client
from tests.generation.toy_model import write_model

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
FILES = {
    # riffusion-model-v1's kind of layout, with what must not be fetched beside it.
    "README.md": b"a card",
    "model_index.json": b"{}",
    "toy.ckpt": b"code",
    "toy.safetensors": b"all over again",
    "unet_traced/unet_traced.pt": b"code",
    "seed_images/og_beat.png": b"picture",
    "safety_checker/config.json": b"{}",
    "safety_checker/pytorch_model.bin": b"code",
    "unet/config.json": b'{"a": 1}',
    "unet/diffusion_pytorch_model.bin": b"code",
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "tokenizer/merges.txt": b"words",
}
USED = {"model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt"}
LARGE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_to_client(dict(FILES), tmp_path, monkeypatch) as running:
        yield running


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# -------------------- one commit, for good


def test_the_first_fetch_locks_and_says_so_once(
    hub: FakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING, "generation"):
        folder = open_source("someone/toy")
    assert files_in(folder) == USED and (folder / LARGE).read_bytes() == WEIGHTS
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and said[0].startswith(f"unpinned: someone/toy, now locked at {COMMIT}")
    entry = read_yaml(tmp_path / "hub.lock.yaml")["repositories"][0]
    assert (entry["repo"], entry["revision"]) == ("someone/toy", COMMIT)
    known = {file["path"]: (file["bytes"], file["sha256"]) for file in entry["files"]}
    assert known == {path: (len(FILES[path]), hashlib.sha256(FILES[path]).hexdigest()) for path in USED}

    # From here on the branch may move and the network may go.
    hub.commit = "b" * 40
    hub.files[LARGE] = b"another"
    asked = len(hub.sent) + len(hub.api)
    caplog.clear()
    assert open_source("someone/toy") == folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert open_source("someone/toy") == folder
    assert len(hub.sent) + len(hub.api) == asked and not caplog.records


def test_a_pinned_commit_is_not_called_unpinned(hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "generation"):
        folder = open_source("someone/toy", COMMIT)
    assert files_in(folder) == USED and not caplog.records
    assert [(entry.asked, entry.revision) for entry in locked_repositories()] == [(COMMIT, COMMIT)]
    with pytest.raises(HubError, match="no such revision"):
        open_source("someone/toy", "c" * 40)


def test_what_another_program_began_to_fetch_is_made_whole(hub: FakeHub) -> None:
    begun = Path(hf_hub_download("someone/toy", "model_index.json", revision=COMMIT)).parent
    assert files_in(begun) == {"model_index.json"}
    assert files_in(open_source("someone/toy", COMMIT)) == USED


def test_without_a_network_it_is_used_as_it_is_and_a_warning_says_so(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun = Path(hf_hub_download("someone/toy", "model_index.json", revision=COMMIT)).parent
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with caplog.at_level(logging.WARNING):
        assert open_source("someone/toy", COMMIT) == begun
    assert "someone/toy: the hub cannot be reached to say whether" in caplog.text
    with pytest.raises(HubError, match="not on this machine"):
        open_source("someone/toy", "b" * 40)


def test_what_other_programs_fetched_is_used_by_the_same_rule(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halves beside the full weights, and what no loader opens, are no part of the model without a lock either."""
    monkeypatch.setitem(registry._TECHNIQUES, "toy", "tests.generation.toy_technique")
    model = write_model(tmp_path / "toy", weights=Weights(hub="someone/toy", revision=COMMIT))
    for path in FILES:
        hf_hub_download("someone/toy", path, revision=COMMIT)
    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        folder = open_source("someone/toy", COMMIT)
        used = used_files("someone/toy", COMMIT, folder)
        assert used is not None and {path.relative_to(folder).as_posix() for path in used} == USED
        assert locked("someone/toy", COMMIT) is None
        without = identify(model).fingerprint
    assert identify(model).fingerprint == without and locked("someone/toy", COMMIT) is not None


def test_a_fault_of_nightcrate_is_not_told_as_one_of_the_network() -> None:
    with pytest.raises(TypeError, match="a fault"), told_in_one_line("someone/toy"):
        raise TypeError("a fault")


def test_a_card_loads_from_the_hub(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._TECHNIQUES, "toy", "tests.generation.toy_technique")
    model = write_model(tmp_path / "toy", weights=Weights(hub="someone/toy"))
    first = identify(model)
    assert locked("someone/toy", None) is not None
    assert identify(model) == first
    # The hub's cache is shared: what another program fetches beside it is no part of the model.
    hf_hub_download("someone/toy", "seed_images/og_beat.png", revision=COMMIT)
    hf_hub_download("someone/toy", "toy.safetensors", revision=COMMIT)
    assert identify(model) == first
    with pytest.raises(CardError, match="toy-own: the hub has no repository someone/other"):
        identify(write_model(tmp_path / "other", weights=Weights(hub="someone/other")))


def test_a_folder_is_its_own_source(tmp_path: Path) -> None:
    assert open_source(str(tmp_path)) == tmp_path
    with pytest.raises(HubError, match="no such folder; a folder of weights or a hub id"):
        open_source(str(tmp_path / "gone"))


# -------------------- cut connections

CUT = 300_000


def test_a_cut_connection_is_taken_up_where_it_broke(hub: FakeHub) -> None:
    hub.cut[LARGE] = CUT
    came: list[int] = []
    folder = fetch(plan_fetch("someone/toy"), came.append)
    assert (folder / LARGE).read_bytes() == WEIGHTS
    assert sum(came) == sum(len(hub.files[path]) for path in USED)
    ranges = [asked for method, path, asked in hub.sent if (method, path) == ("GET", LARGE)]
    assert ranges == [None, f"bytes={CUT}-"]


def test_a_connection_that_always_breaks_gets_there_in_the_end(hub: FakeHub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.always_cut[LARGE] = CUT
    assert (fetch(plan_fetch("someone/toy")) / LARGE).read_bytes() == WEIGHTS
    assert ("GET", LARGE, f"bytes={len(WEIGHTS) // CUT * CUT}-") in hub.sent
    assert capfd.readouterr().err == ""


def test_a_server_without_ranges_and_lengths_gets_there_too(hub: FakeHub, tmp_path: Path) -> None:
    hub.plain, hub.cut[LARGE] = True, CUT
    came: list[int] = []
    url, place = f"{hub.url}/someone/toy/resolve/{COMMIT}/{LARGE}", tmp_path / "weights"
    downloads.download(LARGE, url, place, len(WEIGHTS), lambda path: path.read_bytes() == WEIGHTS, came.append)
    assert place.read_bytes() == WEIGHTS and sum(came) == len(WEIGHTS) and not hub.cut


def test_what_came_before_a_line_died_stays(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_WAITS_S", (0.01, 0.01))
    hub.cut[LARGE], hub.always_cut[LARGE] = CUT, 0
    with pytest.raises(HubError, match=f"breaks again and again .*; the {CUT} bytes that came stay") as caught:
        open_source("someone/toy")
    one_line(caught)
    hub.always_cut.clear()
    assert plan_fetch("someone/toy").bytes_missing == len(WEIGHTS) - CUT
    assert (open_source("someone/toy") / LARGE).read_bytes() == WEIGHTS


def test_a_killed_process_leaves_what_came_to_the_next(hub: FakeHub, tmp_path: Path) -> None:
    hub.stall[LARGE] = CUT
    settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_CACHE": str(tmp_path / "cache")}
    line = [sys.executable, "-c", "from generation.hub import open_source; open_source('someone/toy')"]
    with subprocess.Popen(line, cwd=ROOT, env={**os.environ, **settings}, start_new_session=True) as process:
        assert hub.stalled.wait(30)
        part = None
        for _ in range(200):
            part = next((tmp_path / "cache").rglob("*.nightcrate-part"), None)
            if part is not None and part.stat().st_size == CUT:
                break
            hub.released.wait(0.02)
        process.send_signal(signal.SIGKILL)
    assert part is not None and part.stat().st_size == CUT
    plan = plan_fetch("someone/toy")
    assert plan.bytes_missing < len(WEIGHTS) - CUT + 1000
    assert (fetch(plan) / LARGE).read_bytes() == WEIGHTS
    assert ("GET", LARGE, f"bytes={CUT}-") in hub.sent
    assert not list((tmp_path / "cache").rglob("*.nightcrate-part"))


# -------------------- what must not get in


def test_a_part_that_the_hub_cannot_go_on_with_is_removed(hub: FakeHub, tmp_path: Path) -> None:
    part = tmp_path / "cache/models--someone--toy/blobs" / f"{hub.etag(LARGE)}.nightcrate-part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:CUT])
    hub.lies[LARGE] = WEIGHTS[:300]
    with pytest.raises(HubError, match="came with a wrong size or hash and was removed; fetch it again") as caught:
        open_source("someone/toy")
    assert LARGE in one_line(caught) and not part.exists()
    assert ("GET", LARGE, f"bytes={CUT}-") in hub.sent
    hub.lies.clear()
    assert (open_source("someone/toy") / LARGE).read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", [LARGE, "unet/config.json"])
@pytest.mark.parametrize("cut", [0, 1])
def test_a_wrong_hash_is_removed(hub: FakeHub, tmp_path: Path, path: str, cut: int) -> None:
    right = FILES[path]
    hub.lies[path] = (bytes([right[0] ^ 1]) + right[1:])[cut:]
    with pytest.raises(HubError, match="came with a wrong size or hash and was removed; fetch it again") as caught:
        open_source("someone/toy")
    assert path in one_line(caught)
    assert not list((tmp_path / "cache").rglob("*-part")) and locked("someone/toy", None) is None
    hub.lies.clear()
    assert (open_source("someone/toy") / path).read_bytes() == right


def test_a_file_that_went_bad_is_found_and_fetched_again(hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    folder = open_source("someone/toy")
    entry = locked("someone/toy", None)
    assert entry is not None and differences(folder, entry.files) == []
    (folder / LARGE).resolve().write_bytes(WEIGHTS[:-1] + b"!")
    assert [line.split(" has ")[0] for line in differences(folder, entry.files)] == [LARGE]
    caplog.clear()
    plan = plan_fetch("someone/toy")
    assert plan.bytes_missing == len(WEIGHTS)
    assert "has a wrong hash and was removed" in caplog.text
    assert differences(fetch(plan), entry.files) == []
    assert locked("someone/toy", None) == entry


def test_weights_that_run_code_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.files = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/diffusion_pytorch_model.bin": b"code"}
    with pytest.raises(HubError, match="only as unet/diffusion_pytorch_model.bin, which can run code") as caught:
        open_source("someone/toy")
    assert "hf download someone/toy --local-dir FOLDER" in one_line(caught)
    assert one_line(caught).endswith("nightcrate models convert FOLDER --card MODEL_OR_FOLDER --out NEW_FOLDER")
    hub.files = {"pytorch_model_main.bin": b"code", "vae_config.json": b"{}"}
    with pytest.raises(HubError, match="convert FOLDER --text-encoder FLAN_T5_FOLDER --out NEW_FOLDER$"):
        open_source("someone/toy")
    hub.files = {"README.md": b"nothing"}
    with pytest.raises(HubError, match="holds no weights"):
        open_source("someone/toy")
    assert not (tmp_path / "cache").exists()


def test_half_precision_alone_is_taken(hub: FakeHub) -> None:
    hub.files = {"config.json": b"{}", "model.fp16.safetensors": b"half"}
    assert files_in(open_source("someone/toy")) == {"config.json", "model.fp16.safetensors"}


def test_no_room_is_known_before_the_first_byte(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_fetch("someone/toy")
    needed = sum(len(FILES[path]) for path in USED)
    assert (plan.bytes_missing, plan.bytes_total) == (needed, needed)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed - 1))
    with pytest.raises(HubError, match=f"{needed} bytes are needed, but only {needed - 1} are free") as caught:
        fetch(plan)
    one_line(caught)
    assert not [path for method, path, _ in hub.sent if method == "GET"]
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed))
    check_room([plan])


def test_without_a_network_the_line_names_the_starters(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    for offline in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(HubError, match="someone/toy is not on this machine and the hub cannot be") as caught:
            open_source("someone/toy")
        assert "use a starter model, which needs no network: audio-diffusion-starter, " in one_line(caught)

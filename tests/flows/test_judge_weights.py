"""nightcrate models fetch vggish: through the real client, from a server on this machine, and what lies here after."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from huggingface_hub import constants

from catalog.embedders import panns, vggish
from catalog.embedders.published_weights import PublishedFile, keep_as_safetensors, read_published_weights
from catalog.library import Library
from catalog.scores.extractors import published_file
from flows.judge_weights import FETCHED, fetch_judge, judge_place, judge_problems, judges_folder, plan_judge
from generation.audio import file_sha256
from generation.errors import HubError
from tests.flows.command_line import refused, run
from tests.generation.fake_hub import FakeHub, serve_to_client
from tests.toy_corpus import write_toy_corpus

NAME = "vggish-10086976.pth"
MEGABYTE = 10**6


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A file of weights, 2 MB of them, at an address that redirects as release pages do."""
    weights = tmp_path / "weights.pth"
    torch.save({"embeddings.4.bias": torch.arange(MEGABYTE // 2, dtype=torch.float32)}, weights)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with serve_to_client({NAME: weights.read_bytes()}, tmp_path, monkeypatch) as running:
        address = f"{running.url}/elsewhere/{NAME}"
        known = replace(vggish.PUBLISHED, address=address, sha256=file_sha256(weights))
        monkeypatch.setattr(vggish, "PUBLISHED", known)
        yield running


def one_line(error: pytest.ExceptionInfo[HubError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_fetch_tells_the_price_and_the_place(server: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "models", "fetch", "vggish", "--json")
    assert code == 0 and f"vggish: {NAME}, 2.0 MB to fetch, 0.0 MB here already" in err
    told = json.loads(out)[0]
    assert Path(told["file"]).read_bytes() == server.files[NAME] and Path(told["file"]).parent == judges_folder()
    assert (told["judge"], told["sha256"]) == ("vggish", published_file("vggish").sha256)
    asked = len(server.sent)
    assert "0.0 MB to fetch, 2.0 MB here already" in run(capsys, "models", "fetch", "vggish")[2]
    assert len(server.sent) == asked  # what is here and right asks nobody
    assert run(capsys, "models", "verify", "vggish")[:2] == (0, "vggish: 1 files as they should be\n")


def test_a_token_of_the_hub_is_sent_to_no_other_server(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch_judge(plan_judge("vggish"))
    assert server.tokens and set(server.tokens) == {None}


def test_a_cut_connection_is_taken_up_where_it_broke(server: FakeHub) -> None:
    plan = plan_judge("vggish")
    server.cut[NAME] = MEGABYTE
    came: list[int] = []
    fetch_judge(plan, came.append)
    ranges = [asked for _, _, asked in server.sent if asked != "bytes=0-0"]
    assert ranges == [None, f"bytes={MEGABYTE}-"]
    assert sum(came) == plan.bytes_total == len(server.files[NAME])


def test_what_an_earlier_process_fetched_stays(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    judges_folder().mkdir(parents=True)
    begun = judges_folder() / f"{NAME}.nightcrate-part"
    begun.write_bytes(server.files[NAME][:MEGABYTE])
    plan = plan_judge("vggish")
    assert plan.bytes_missing == plan.bytes_total - MEGABYTE
    assert fetch_judge(plan).read_bytes() == server.files[NAME]
    assert server.sent[-1][2] == f"bytes={MEGABYTE}-" and not begun.exists()


def test_another_file_is_refused_and_removed(server: FakeHub) -> None:
    server.lies[NAME] = server.files[NAME][:-1] + b"x"
    with pytest.raises(HubError, match="came with a wrong size or hash and was removed") as told:
        fetch_judge(plan_judge("vggish"))
    one_line(told)
    assert not [path for path in judges_folder().iterdir() if path.name.startswith(NAME)]
    server.lies.clear()
    assert fetch_judge(plan_judge("vggish")).is_file()


def test_damage_is_found_and_mended(server: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    path = fetch_judge(plan_judge("vggish"))
    published = published_file("vggish")
    keep_as_safetensors(path, read_published_weights(path, published, published.sha256))
    assert judge_problems("vggish") == ()
    beside = path.with_suffix(".safetensors")
    damaged = bytearray(beside.read_bytes())
    damaged[-1] ^= 1
    beside.write_bytes(damaged)
    assert judge_problems("vggish") == (
        f"{beside.name} holds other weights than {NAME}, from which it was made; remove it",
    )
    beside.unlink()
    path.write_bytes(b"x" + path.read_bytes()[1:])
    code, out, _ = run(capsys, "models", "verify", "--json")
    assert code == 1
    found = {check["name"]: check["problems"] for check in json.loads(out)}
    assert "has sha256" in found["vggish"][0] and found["chopan-starter"] == []
    assert run(capsys, "models", "fetch", "vggish")[0] == 0 and judge_problems("vggish") == ()


def test_a_server_that_has_it_no_more_is_named(server: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    server.files.clear()
    told = refused(capsys, "models", "fetch", "vggish")
    assert f"{NAME} cannot be fetched (127.0.0.1 answered 404)" in told and "league --vggish FILE" in told


def test_without_a_network_the_address_is_named(
    server: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told = refused(capsys, "models", "fetch", "vggish")
    assert "127.0.0.1 cannot be reached (OfflineModeIsEnabled); get http://" in told
    assert "was not fetched yet; fetch it: nightcrate models fetch vggish" in refused(
        capsys, "models", "verify", "vggish"
    )


def test_no_room_ends_it_before_the_first_byte(
    server: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(Path.cwd())
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=3 * MEGABYTE))
    code, _, err = run(capsys, "models", "fetch", "vggish")
    assert code == 1 and "bytes are needed, but only 3000000 are free" in err and "set XDG_CACHE_HOME" in err
    assert [asked for _, _, asked in server.sent] == ["bytes=0-0"]  # it takes 4 MB once it is first used


def test_fetched_is_the_folder_unless_there_is_one_of_that_name(
    server: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert judge_place(FETCHED) == judges_folder() and judge_place(None) is None
    Library.open(tmp_path / "library", create=True).close()
    notes = write_toy_corpus(tmp_path / "notes") / "valid"
    told = refused(capsys, "league", "--library", tmp_path / "library", "--reference", notes, "--vggish", "fetched")
    assert f"{judges_folder()}: there is no such file" in told and "nightcrate models fetch vggish" in told
    os.mkdir("fetched")
    assert judge_place(FETCHED) == FETCHED


@pytest.mark.parametrize("published", [vggish.PUBLISHED, panns.PUBLISHED], ids=["vggish", "cnn14"])
def test_addresses_name_the_files(published: PublishedFile) -> None:
    assert published.address.startswith("https://") and len(published.sha256) == 64
    assert unquote(published.address.rpartition("/")[2]) == published.name

"""A hub on this machine for tests: the routes that huggingface_hub's client asks, with cuts and lies on request."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

COMMIT = "a" * 40


class FakeHub:
    """One repository, "someone/toy", at one commit.

    files: path -> content. stored: the paths kept by sha256 as large files are (all *.safetensors). sent: path ->
    (method, Range, bytes sent) of every request for it. cut: path -> bytes after which the connection breaks, once;
    always_cut: the same for every request. plain: files come from the start and without a length, whatever is asked.
    stall: path -> bytes after which nothing comes any more, until `released`.
    lies: path -> what is sent in place of the content. tokens: what came as Authorization with each request for a file.
    The files are also at /elsewhere/PATH, which redirects to them.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.commit = files, COMMIT
        self.cut: dict[str, int] = {}
        self.always_cut: dict[str, int] = {}
        self.plain = False
        self.stall: dict[str, int] = {}
        self.lies: dict[str, bytes] = {}
        self.sent: list[tuple[str, str, str | None]] = []
        self.api: list[str] = []
        self.tokens: list[str | None] = []
        self.stalled, self.released = threading.Event(), threading.Event()
        self.url = ""

    def etag(self, path: str) -> str:
        content = self.files[path]
        if path.endswith(".safetensors"):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def sibling(self, path: str) -> dict[str, Any]:
        size = len(self.files[path])
        known: dict[str, Any] = {"rfilename": path, "size": size, "blobId": self.etag(path)}
        if path.endswith(".safetensors"):
            known |= {"blobId": "f" * 40, "lfs": {"sha256": self.etag(path), "size": size, "pointerSize": 128}}
        return known

    def leaf(self, path: str) -> dict[str, Any]:
        size = len(self.files[path])
        known: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": self.etag(path)}
        if path.endswith(".safetensors"):
            known["lfs"] = {"oid": self.etag(path), "size": size, "pointerSize": 128}
        return known


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[FakeHub]:
    """Run a hub on a free port of the loopback."""
    hub = FakeHub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/someone/toy"):
                hub.api.append(self.path)
                known = path.removeprefix("/api/models/someone/toy").strip("/").split("/")
                if known[0] == "tree":
                    self.answer([hub.leaf(each) for each in hub.files])
                elif known[0] in ("", "revision") and known[-1] in ("", "revision", "main", hub.commit):
                    siblings = [hub.sibling(each) for each in hub.files]
                    self.answer({"id": "someone/toy", "sha": hub.commit, "siblings": siblings})
                else:
                    self.refuse("RevisionNotFound")
            elif path.startswith("/elsewhere/"):
                self.send_response(302)
                self.send_header("Location", path.replace("elsewhere", f"someone/toy/resolve/{hub.commit}"))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path.removeprefix(f"/someone/toy/resolve/{hub.commit}/") in hub.files:
                self.file(path.removeprefix(f"/someone/toy/resolve/{hub.commit}/"))
            else:
                self.refuse("RepoNotFound")

        def answer(self, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def refuse(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def file(self, path: str) -> None:
            asked = self.headers.get("Range")
            hub.sent.append((self.command, path, asked))
            hub.tokens.append(self.headers.get("Authorization"))
            content = hub.lies.get(path, hub.files[path])
            if hub.plain:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content[: hub.cut.pop(path, len(content))])
                self.close_connection = True
                return
            first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
            start = int(first)
            if start >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            # Before the first byte goes out, since the test goes on when it comes in.
            cut = hub.cut.pop(path, hub.always_cut.get(path)) if self.command == "GET" else None
            body = content[start : int(last or len(content)) + 1]
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{hub.etag(path)}"')
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body)))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(content)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            if cut is not None:
                self.wfile.write(body[:cut])
                self.close_connection = True
                return
            if path in hub.stall:
                self.wfile.write(body[: hub.stall.pop(path)])
                self.wfile.flush()
                hub.stalled.set()
                hub.released.wait(60)
                self.close_connection = True
                return
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()


@contextmanager
def serve_to_client(files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run a hub, with the client's settings pointed at it and at a cache and a lock file in `folder`.

    The client reads its settings from the environment only once, so its constants are set.
    """
    with serve(files) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("NIGHTCRATE_HUB_LOCK", str(folder / "hub.lock.yaml"))
        yield running
        close_session()

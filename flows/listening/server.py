"""The page's server: this machine alone, one test, and every answer in the catalogue before it is acknowledged.

Whoever asks must call the server by this machine's own name and, to write, come from its own page: so no other web
page that is open in the same browser can read or answer (DNS rebinding, cross-site requests). Nothing that it sends
names a model, and all sounds are of one size.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from catalog.errors import CatalogError, ListeningError
from catalog.library import Library
from catalog.listening.book import ListeningBook, listening_order
from catalog.listening.records import Listener, ListeningTest
from generation.errors import ConfigError
from generation.strict_yaml import StrictModel, validate

HOST = "127.0.0.1"
LONGEST_BODY = 4_096
_WEB = Path(__file__).parent / "web"
_PAGES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Body = TypeVar("Body", bound=StrictModel)


class Beginning(StrictModel):
    """What begins a test: a name, or null for a name that says nothing."""

    name: str | None


class Given(StrictModel):
    """One answer; plays counts how often the sound was heard to its end."""

    token: str
    cag: int = Field(ge=0, le=100)
    rel: int = Field(ge=0, le=100)
    plays: int = Field(ge=1, le=10_000)


class Refusal(Exception):
    """A request that is refused, with its status and one line."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        super().__init__(line)
        self.status = status


def listening_server(library: Library, test: ListeningTest, port: int, rehearsal: bool) -> ThreadingHTTPServer:
    """A server bound to this machine's loopback (port 0: a free one), not yet serving.

    Raises ListeningError when the port cannot be had.
    """
    handler = partial(_Handler, library.listening, test, rehearsal)
    try:
        return _Server((HOST, port), handler)
    except (OSError, OverflowError) as error:
        raise ListeningError(f"port {port} cannot be used ({error}); leave --port out for a free one") from error


class _Server(ThreadingHTTPServer):
    """One thread for each connection; a browser that is closed is no trouble worth a word."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of everything but a connection that broke."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection, each request in a few lines below."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nightcrate", ""
    error_message_format, error_content_type = "%(message)s\n", "text/plain; charset=utf-8"
    timeout = 30.0  # seconds; a connection that says nothing is closed
    disable_nagle_algorithm = True

    def __init__(self, book: ListeningBook, test: ListeningTest, rehearsal: bool, *rest: Any) -> None:
        self._book = book
        self._test = test
        self._rehearsal = rehearsal
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Pages, sounds, and where a listener stands."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """A beginning or an answer."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the address alone."""

    def _answer(self, work: Any) -> None:
        try:
            self._check_host()
            status, kind, body = work()
        except Refusal as refusal:
            self.close_connection = True  # what it wanted to send may be unread
            status, kind, body = refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode()
        except (CatalogError, ConfigError) as error:
            asked_wrong = isinstance(error, (ListeningError, ConfigError))
            status = HTTPStatus.BAD_REQUEST if asked_wrong else HTTPStatus.INTERNAL_SERVER_ERROR
            kind, body = "text/plain; charset=utf-8", f"{' '.join(str(error).split())}\n".encode()
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _check_host(self) -> None:
        host = self.headers.get("Host", "")
        # Any port: whoever listens through an SSH tunnel may have another one at that end.
        if host.rpartition(":")[0] not in (HOST, "localhost") and host not in (HOST, "localhost"):
            raise Refusal(HTTPStatus.FORBIDDEN, f"call this server {HOST}, not by another name")

    def _get(self) -> tuple[HTTPStatus, str, bytes]:
        parts = self.path.split("/")
        page = _PAGES.get("/" if len(parts) == 3 and parts[1] == "listen" else self.path)
        if page is not None:
            return HTTPStatus.OK, page[1], (_WEB / page[0]).read_bytes()
        if len(parts) == 3 and parts[1] == "sounds":
            return HTTPStatus.OK, "audio/wav", self._sound(parts[2].removesuffix(".wav"))
        if len(parts) == 4 and parts[1:3] == ["api", "listeners"]:
            return _json(self._standing(self._listener(parts[3])))
        raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def _post(self) -> tuple[HTTPStatus, str, bytes]:
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            raise Refusal(HTTPStatus.FORBIDDEN, "only this server's own page may write")
        parts = self.path.split("/")
        if self.path == "/api/listeners":
            began = self._book.start(self._test, self._body(Beginning).name, self._rehearsal)
            return _json({"code": began.code})
        if len(parts) == 5 and parts[1:3] == ["api", "listeners"] and parts[4] == "answers":
            who, given = self._listener(parts[3]), self._body(Given)
            self._book.keep(self._test, who, given.token, given.cag, given.rel, given.plays)
            return _json({"kept": given.token})
        raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def _listener(self, code: str) -> Listener:
        try:
            return self._book.listener(self._test, code, self._rehearsal)
        except ListeningError as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error

    def _standing(self, who: Listener) -> dict[str, Any]:
        """Who listens, to what, in this listener's own order, and what is answered already."""
        answered = self._book.answered(who)
        return {
            "test": self._test.name,
            "name": who.name,
            "rehearsal": who.rehearsal,
            "sounds": [
                {"token": sound.token, "prompt": sound.candidate.prompt, "answered": sound.id in answered}
                for sound in listening_order(self._test, who)
            ],
        }

    def _sound(self, token: str) -> bytes:
        for sound in self._test.sounds:
            if sound.token == token:
                try:
                    return self._book.audio_path(self._test, sound).read_bytes()
                except OSError as error:
                    raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "this sound cannot be read any more") from error
        raise Refusal(HTTPStatus.NOT_FOUND, "this test has no such sound")

    def _body(self, model: type[Body]) -> Body:
        """Read the JSON of a request; Refusal for anything else."""
        if self.headers.get_content_type() != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal():
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "say how long the request is (Content-Length)")
        if len(length) > 9 or int(length) > LONGEST_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LONGEST_BODY} bytes are read")
        raw = self.rfile.read(int(length))
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the request is not JSON") from error
        if not isinstance(content, dict):
            raise Refusal(HTTPStatus.BAD_REQUEST, "a JSON object is needed")
        return validate(content, model, "request")


def _json(content: dict[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    return HTTPStatus.OK, "application/json", json.dumps(content).encode()

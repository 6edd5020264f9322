"""`nightcrate listen`: a set of every maker, a server that only its own page may use, a report that says enough."""

from __future__ import annotations

import csv
import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import ListeningError
from catalog.library import Library
from catalog.records import ScoreRecord
from flows.listening.real_notes import real_notes
from generation.prompts.captions import tag_caption
from tests.catalog.toy_library import make, toy_job
from tests.flows.command_line import refused, run
from tests.flows.listening_kit import serving, serving_here, write_library, write_real_notes
from tests.toy_corpus import write_toy_corpus

MAKERS = ("alpha-net", "beta-net", "real notes")


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A library with a test of six sounds."""
    library = write_library(tmp_path / "library")
    code, _, err = run(
        capsys, "listen", "make", "--real", write_real_notes(tmp_path / "real"), "--count", 6, "--library", library
    )
    assert code == 0, err
    return library


def test_make_says_how_many_of_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    library = write_library(tmp_path / "library", seeds=4)
    corpus = write_toy_corpus(tmp_path / "corpus", notes_per_instrument=6) / "valid"
    options = ("--real", corpus, "--library", library)
    code, out, err = run(capsys, "listen", "make", *options, "--json")
    assert code == 0, err
    assert json.loads(out)["sounds"] == {"alpha-net": 12, "beta-net": 12, "real notes": 6}  # there are no more
    code, out, _ = run(capsys, "listen", "make", *options, "--seed", 7, "--count", 9)
    assert out.startswith("listening-2: 9 sounds at ") and out.endswith("nightcrate listen serve\n")
    with Library.open(library) as opened:
        first, second = (opened.listening.test(name) for name in ("listening-1", "listening-2"))
        assert first.seed == 1 and second.seed == 7
        # Real notes are asked for in words like those of the models: a source, one quality, no pitch.
        words = {sound.candidate.prompt for sound in first.sounds if sound.candidate.model is None}
        # No flute, whose notes have no quality word, and no mallet, which no model made.
        assert words == {"synthetic dark bass"}


def test_the_words_of_real_notes_follow_from_the_seed_and_not_from_where_they_lie(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", create=True) as library:
        notes = [None if seed % 2 else 40 + seed for seed in range(8)]
        prompts = [tag_caption("acoustic", ("dark",), "bass", note) for note in notes]
        make(library, [toy_job(row, note=note, prompt=prompts[row]) for row, note in enumerate(notes)])
        made = library.samples()
    words = []
    for place in ("here", "elsewhere"):
        folder = write_toy_corpus(tmp_path / place, notes_per_instrument=8) / "valid"
        words.append({note.candidate.origin: note.candidate.prompt for note in real_notes(folder, made, seed=1)})
    assert words[0] == words[1] and len({"," in told for told in words[0].values()}) == 2


def test_no_real_note_is_asked_for_in_fewer_or_other_words_than_a_made_sound(tmp_path: Path) -> None:
    """Made sounds all have a quality word: a note without one would be known for real by its words."""
    corpus = write_toy_corpus(tmp_path / "corpus") / "valid"
    with Library.open(tmp_path / "library", create=True) as library:
        make(library, [toy_job(seed, family) for family in ("bass", "flute") for seed in range(2)])
        notes = real_notes(corpus, library.samples(), seed=1)
        assert {len(note.candidate.prompt.split()) for note in notes} == {3}
        assert "flute" not in {note.candidate.family for note in notes}
    with Library.open(tmp_path / "free words", create=True) as library:
        make(library, [toy_job(0, prompt="something like a warm bass")])
        with pytest.raises(ListeningError, match="no sound was asked for in tags"):
            real_notes(corpus, library.samples(), seed=1)
    with Library.open(tmp_path / "many words", create=True) as library:
        every = ("bright", "dark", "percussive")
        make(library, [toy_job(0, prompt=tag_caption("acoustic", every, "bass"), qualities=every)])
        with pytest.raises(ListeningError, match="no real note has as many quality words"):
            real_notes(corpus, library.samples(), seed=1)


def test_what_cannot_make_a_test_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    library = write_library(tmp_path / "library")
    real = write_real_notes(tmp_path / "real")
    make = ("listen", "make", "--library", library, "--real")
    assert "holds no real notes" in refused(capsys, *make, tmp_path)
    (tmp_path / "captions.csv").write_text("file,caption,family\nreal/recording_0.wav,a harp,harp\n")
    assert "no real note is of a family" in refused(capsys, *make, tmp_path)
    assert "18 sounds are there, 30 are wanted" in refused(capsys, *make, real)
    (real / "captions.csv").write_text("file,caption\nrecording_0.wav,\n")
    assert "captions.csv, line 2: the columns file and caption" in refused(capsys, *make, real)
    (real / "captions.csv").write_text("file,caption\nnothing.wav,a bass\n")
    assert "line 2: there is no file" in refused(capsys, *make, real)
    assert "no listening test (known: none" in refused(capsys, "listen", "serve", "--library", library)
    assert "no listening test" in refused(capsys, "listen", "report", "--library", library)


# -------------------- the server


class Page:
    """What the page does, without a browser."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.own = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        own = self.own if method == "POST" else {}
        connection.request(method, path, data, {**own, **{k.replace("_", "-"): v for k, v in headers.items()}})
        response = connection.getresponse()
        told = response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        return told

    def json(self, method: str, path: str, body: object = None) -> Any:
        status, data, _ = self.ask(method, path, body)
        assert status == 200, data
        return json.loads(data)


def test_the_server_gives_and_keeps_and_tells_nothing(made: Path) -> None:
    with serving_here(made) as port:
        page = Page(port)
        code = page.json("POST", "/api/listeners", {"name": "<b>ana</b>"})["code"]
        standing = page.json("GET", f"/api/listeners/{code}")
        assert standing["name"] == "<b>ana</b>" and standing["rehearsal"] is False
        assert [sound["answered"] for sound in standing["sounds"]] == [False] * 6
        told = [page.ask("GET", path) for path in ("/", "/page.js", "/page.css", f"/listen/{code}")]
        sounds = [page.ask("GET", f"/sounds/{sound['token']}.wav") for sound in standing["sounds"]]
        assert len({len(body) for _, body, _ in sounds}) == 1 and sounds[0][1].startswith(b"RIFF")
        assert len({tuple(sorted((set(headers.items())) - {("date", headers["date"])})) for *_, headers in sounds}) == 1
        for status, body, headers in [*told, *sounds]:
            assert status == 200
            assert "access-control-allow-origin" not in headers
            assert (
                headers["x-content-type-options"] == "nosniff"
                and "default-src 'none'" in headers["content-security-policy"]
            )
            for word in ("alpha-net", "beta-net", "recording_", "real notes"):
                assert word.encode() not in body and word not in str(headers)
        assert not any(
            word in json.dumps(standing) for word in ("alpha", "beta", "recording", "real", "origin", "family")
        )
        first = standing["sounds"][0]["token"]
        answers = f"/api/listeners/{code}/answers"
        page.json("POST", answers, {"token": first, "cag": 71, "rel": 3, "plays": 1})
        again = page.json(
            "GET", f"/api/listeners/{page.json('POST', '/api/listeners', {'name': '<b>ana</b>'})['code']}"
        )
        assert [sound["token"] for sound in again["sounds"] if sound["answered"]] == [first]
        assert [sound["token"] for sound in again["sounds"]] == [sound["token"] for sound in standing["sounds"]]
    with Library.open(made) as library:
        (kept,) = library.listening.answers(library.listening.test(), rehearsal=False)
        assert (kept.cag, kept.rel, kept.plays) == (71, 3, 1)


def test_bad_requests_get_one_line_and_change_nothing(made: Path) -> None:
    with serving_here(made) as port:
        page = Page(port)
        code = page.json("POST", "/api/listeners", {"name": None})["code"]
        answers = f"/api/listeners/{code}/answers"
        token = page.json("GET", f"/api/listeners/{code}")["sounds"][0]["token"]
        good = {"token": token, "cag": 50, "rel": 50, "plays": 1}
        bad: list[tuple[int, str, str, object, dict[str, str]]] = [
            (403, "GET", "/", None, {"Host": "evil.example"}),
            (403, "GET", "/", None, {"Host": f"evil.example:{port}"}),
            (403, "POST", answers, good, {"Origin": "http://evil.example"}),
            (403, "POST", answers, good, {"Origin": "null"}),
            (403, "POST", answers, good, {"Host": "evil.example", "Origin": "http://evil.example"}),
            (415, "POST", answers, good, {"Content_Type": "text/plain"}),
            (400, "POST", answers, b"{not json", {}),
            (400, "POST", answers, b"[1]", {}),
            (400, "POST", answers, b"[" * 4_000, {}),
            (413, "POST", answers, b" " * 5_000, {}),
            (400, "POST", answers, good | {"cag": 101}, {}),
            (400, "POST", answers, good | {"cag": "50"}, {}),
            (400, "POST", answers, good | {"cag": True}, {}),
            (400, "POST", answers, good | {"cag": 50.5}, {}),
            (400, "POST", answers, good | {"plays": 0}, {}),
            (400, "POST", answers, good | {"model": "x"}, {}),
            (400, "POST", answers, {"token": token}, {}),
            (400, "POST", answers, good | {"token": "../../catalog.sqlite"}, {}),
            (400, "POST", "/api/listeners", {"name": "x" * 61}, {}),
            (400, "POST", "/api/listeners", {"name": "\u0000"}, {}),
            (404, "POST", "/api/listeners/nobody/answers", good, {}),
            (404, "GET", "/api/listeners/nobody", None, {}),
            (404, "GET", "/sounds/../../catalog.sqlite", None, {}),
            (404, "GET", "/sounds/nothing.wav", None, {}),
            (404, "GET", "/catalog.sqlite", None, {}),
            (404, "POST", "/", {}, {}),
        ]  # fmt: skip
        for status, method, path, body, headers in bad:
            came, told, came_headers = page.ask(method, path, body, **headers)
            assert came == status, (path, body, headers, told)
            assert told.count(b"\n") == 1 and b"Traceback" not in told
            assert came_headers["content-type"].startswith("text/plain")
        assert page.ask("OPTIONS", answers)[0] == 501  # no preflight is ever granted
        assert not any(sound["answered"] for sound in page.json("GET", f"/api/listeners/{code}")["sounds"])


def test_only_this_machine_is_served_and_a_taken_port_is_refused(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(made, "--rehearsal") as server:
        assert server.said.startswith("listening-1 in REHEARSAL, not counted: http://127.0.0.1:")
        bound = Path("/proc/net/tcp").read_text().split()
        assert f"0100007F:{server.port:04X}" in bound and f"00000000:{server.port:04X}" not in bound
        line = refused(capsys, "listen", "serve", "--port", server.port, "--library", made)
        assert f"port {server.port} cannot be used" in line
        server.process.terminate()
        assert server.process.stdout is not None
        # Pages that are still open, and what is set in them, belong to this very address.
        assert f"go on with --port {server.port}\n" in server.process.stdout.read()


# -------------------- the report


def answer_all(library: Path, names: tuple[str, ...], rehearsal: bool = False) -> None:
    with Library.open(library) as opened:
        book, test = opened.listening, opened.listening.test()
        for place, name in enumerate(names):
            who = book.start(test, name, rehearsal)
            for row, sound in enumerate(test.sounds):
                high = 60 if sound.candidate.model is None else 10
                book.keep(test, who, sound.token, high + row + place, 40 + row * place, 1)


def test_a_report_has_means_agreement_and_correlations(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer_all(made, ("ana", "ben", "eva"))
    with Library.open(made) as library:
        library.add_scores([ScoreRecord("model", "alpha-net", "FAD [starter]", 2.0, None, "j@1", "held-out", 60)])
    code, out, _ = run(capsys, "listen", "report", "--library", made)
    assert code == 0 and out.startswith("Listening test listening-1: 6 sounds, 3 listeners (3 to the end), 18 answers")
    assert "REHEARSAL" not in out
    assert "CAG with FAD [starter] over models: unscored: 1 models have both, at least 5 are needed" in out
    assert "CAG with CLAP score over sounds: unscored: 4 sounds have both" in out
    code, out, _ = run(capsys, "listen", "report", "--json", "--csv", tmp_path / "out.csv", "--library", made)
    told = json.loads(out)
    best = told["means"][0]
    assert (best["scale"], best["maker"], best["rank"]) == ("CAG", "real notes", 1)
    assert best["low"] < best["value"] < best["high"]
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["kind"] for row in rows] == ["mean"] * 6 + ["agreement"] * 2 + ["correlation"] * 4
    assert float(rows[0]["value"]) == best["value"] and rows[0]["rehearsal"] == "False"


def test_rehearsals_are_never_counted_and_say_so(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer_all(made, ("ana", "ben"), rehearsal=True)
    code, out, _ = run(capsys, "listen", "report", "--library", made)
    assert "0 listeners (0 to the end), 0 answers" in out and "unscored" in out and "(60" not in out
    code, out, _ = run(capsys, "listen", "report", "--rehearsal", "--library", made)
    assert out.startswith("REHEARSAL: answers that tried the test out, no result\n") and "12 answers" in out
    code, out, _ = run(capsys, "listen", "report", "--rehearsal", "--json", "--library", made)
    assert json.loads(out)["rehearsal"] is True
    with serving_here(made, rehearsal=True) as port:
        page = Page(port)
        code_of_ana = page.json("POST", "/api/listeners", {"name": "ana"})["code"]
        standing = page.json("GET", f"/api/listeners/{code_of_ana}")
        assert standing["rehearsal"] is True and all(sound["answered"] for sound in standing["sounds"])

"""Listening tests in rows, and the copies that are heard in files: what was made, who listened, what was answered."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Row, delete, insert, select

from catalog.errors import LibraryError, ListeningError
from catalog.listening.choice import shuffled
from catalog.listening.copies import level_copies, new_token
from catalog.listening.records import Answer, Candidate, ChosenSound, HeardSound, Listener, ListeningTest
from catalog.store import Store, utc_now
from catalog.tables import listener, listening_answer, listening_sound, listening_test
from generation.audio import AudioError, write_clip

FOLDER = "listening"
_TEST_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
LONGEST_NAME = 60


class ListeningBook:
    """The listening tests of one library (Library.listening).

    Every method raises ListeningError or LibraryError, one line; then nothing of that call is kept.
    """

    def __init__(self, store: Store, root: Path) -> None:
        """Use Library.listening instead."""
        self._store = store
        self._root = root

    def add(self, name: str, seed: int, sounds: Sequence[ChosenSound]) -> ListeningTest:
        """Keep a new test: copies of its sounds as files, then all rows in one transaction."""
        if self._store.read_only:
            raise LibraryError(f"{self._root}: opened for reading only; nothing was written")
        if not _TEST_NAME.fullmatch(name):
            raise ListeningError(f"{name!r} is no name for a test; small letters, digits, - and _ are needed")
        if name in self.tests():
            raise ListeningError(f"there is a listening test {name!r} already; give another --name")
        clips, lufs = level_copies(sounds)
        folder = self._root / FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)  # a kill left it: no row knows this name
        # Written and entered by token, so that neither times nor numbers tell in which order they were chosen.
        copies = sorted(
            ((new_token(), sound, clip) for sound, clip in zip(sounds, clips, strict=True)), key=lambda copy: copy[0]
        )
        try:
            sums = [write_clip(self._root / copy_file(name, token), clip) for token, _, clip in copies]
            with self._store.write() as connection:
                made = connection.execute(
                    insert(listening_test).values(name=name, seed=seed, lufs=lufs, made_at=utc_now())
                )
                test_id = int(made.inserted_primary_key[0])  # type: ignore[index]
                rows = [
                    {"test_id": test_id, "token": token, "sha256": sha256, **vars(sound.candidate)}
                    for (token, sound, _), sha256 in zip(copies, sums, strict=True)
                ]
                connection.execute(insert(listening_sound), rows)
        except Exception as error:
            with suppress(OSError):
                shutil.rmtree(folder)
            if isinstance(error, AudioError):
                raise LibraryError(f"{error}; no test was made, see to the disk and start again") from error
            raise
        return self.test(name)

    def tests(self) -> list[str]:
        """The names of all tests, oldest first."""
        with self._store.read() as connection:
            return list(connection.scalars(select(listening_test.c.name).order_by(listening_test.c.id)))

    def test(self, name: str | None = None) -> ListeningTest:
        """One test by name; the newest when none is given."""
        query = select(listening_test).order_by(listening_test.c.id.desc()).limit(1)
        if name is not None:
            query = query.where(listening_test.c.name == name)
        with self._store.read() as connection:
            row = connection.execute(query).first()
            if row is None:
                known = ", ".join(self.tests()) or "none; nightcrate listen make"
                raise ListeningError(
                    f"there is no listening test{'' if name is None else f' {name!r}'} (known: {known})"
                )
            sounds = connection.execute(
                select(listening_sound).where(listening_sound.c.test_id == row.id).order_by(listening_sound.c.token)
            )
            return ListeningTest(row.id, row.name, row.seed, row.lufs, row.made_at, tuple(map(_sound, sounds)))

    def audio_path(self, test: ListeningTest, sound: HeardSound) -> Path:
        """Where the copy that is heard lies."""
        return self._root / copy_file(test.name, sound.token)

    def start(self, test: ListeningTest, name: str | None, rehearsal: bool) -> Listener:
        """Let somebody begin, or go on under the same name; without a name under one that says nothing."""
        name = f"anonymous-{secrets.token_hex(3)}" if name is None else " ".join(name.split())
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise ListeningError(f"a name has 1 to {LONGEST_NAME} characters that can be printed")
        with self._store.write() as connection:
            there = connection.execute(
                select(listener).where(
                    listener.c.test_id == test.id, listener.c.name == name, listener.c.rehearsal == rehearsal
                )
            ).first()
            if there is not None:
                return _listener(there)
            values = {"test_id": test.id, "code": secrets.token_hex(8), "name": name, "rehearsal": rehearsal}
            made = connection.execute(insert(listener).values(**values, started_at=utc_now()))
            return Listener(id=int(made.inserted_primary_key[0]), **values)  # type: ignore[index, arg-type]

    def listener(self, test: ListeningTest, code: str, rehearsal: bool) -> Listener:
        """Who has this code; ListeningError for a code of another test, or of a rehearsal where none is held."""
        with self._store.read() as connection:
            row = connection.execute(
                select(listener).where(
                    listener.c.test_id == test.id, listener.c.code == code, listener.c.rehearsal == rehearsal
                )
            ).first()
        if row is None:
            raise ListeningError("nobody has this code here; begin again with your name")
        return _listener(row)

    def listeners(self, test: ListeningTest, rehearsal: bool) -> list[Listener]:
        """Everybody who began the test, or its rehearsal, in that order."""
        query = select(listener).where(listener.c.test_id == test.id, listener.c.rehearsal == rehearsal)
        with self._store.read() as connection:
            return [_listener(row) for row in connection.execute(query.order_by(listener.c.id))]

    def keep(self, test: ListeningTest, who: Listener, token: str, cag: int, rel: int, plays: int) -> None:
        """Keep an answer; the same sound answered again replaces it, so sending twice is safe."""
        sound = next((one for one in test.sounds if one.token == token), None)
        if sound is None:
            raise ListeningError(f"this test has no sound {token[:40]!r}")
        if not (0 <= cag <= 100 and 0 <= rel <= 100):
            raise ListeningError(f"CAG and REL are 0 to 100, not {cag} and {rel}")
        if plays < 1:
            raise ListeningError("a sound is answered after it was heard to its end, not before")
        with self._store.write() as connection:
            one = (listening_answer.c.listener_id == who.id, listening_answer.c.sound_id == sound.id)
            connection.execute(delete(listening_answer).where(*one))
            values = {"listener_id": who.id, "sound_id": sound.id, "cag": cag, "rel": rel, "plays": plays}
            connection.execute(insert(listening_answer).values(**values, at=utc_now()))

    def answers(self, test: ListeningTest, rehearsal: bool) -> list[Answer]:
        """Every answer to a test, or to its rehearsal: never both together."""
        with self._store.read() as connection:
            return _answers(connection, listener.c.test_id == test.id, listener.c.rehearsal == rehearsal)

    def answered(self, who: Listener) -> set[int]:
        """Ids of the sounds that a listener has answered."""
        with self._store.read() as connection:
            return {answer.sound_id for answer in _answers(connection, listener.c.id == who.id)}


def copy_file(test_name: str, token: str) -> str:
    """Where the copy of a sound lies, relative to the library."""
    return f"{FOLDER}/{test_name}/{token}.wav"


def listening_order(test: ListeningTest, who: Listener) -> list[HeardSound]:
    """The sounds in the order in which a listener hears them: another for everybody, the same each time."""
    by_token = {sound.token: sound for sound in test.sounds}
    return [by_token[token] for token in shuffled(by_token, test.seed, who.code)]


def _answers(connection: Connection, *where: object) -> list[Answer]:
    query = select(listening_answer).join(listener, listener.c.id == listening_answer.c.listener_id)
    rows = connection.execute(query.where(*where).order_by(listener.c.id, listening_answer.c.sound_id))  # type: ignore[arg-type]
    return [Answer(row.listener_id, row.sound_id, row.cag, row.rel, row.plays) for row in rows]


def _listener(row: Row) -> Listener:
    return Listener(row.id, row.test_id, row.code, row.name, row.rehearsal)


def _sound(row: Row) -> HeardSound:
    candidate = Candidate(row.origin, row.sample_id, row.model, row.family, row.prompt)
    return HeardSound(row.id, row.token, candidate, row.sha256)

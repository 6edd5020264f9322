"""The listening test as people take it: in Chromium, by keyboard, with browsers that close and servers that die."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from catalog.library import Library
from catalog.listening.records import Answer
from flows.listening.making import make_test
from tests.flows.listening_kit import serving, serving_here, write_library, write_real_notes

SOUNDS = 4
SECRETS = ("alpha-net", "beta-net", "recording_", "real notes")
OpenBrowser = Callable[[str], Chrome]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with a listening test of four short sounds."""
    path = write_library(tmp_path / "library")
    with Library.open(path) as opened:
        make_test(opened, write_real_notes(tmp_path / "real"), None, 1, SOUNDS)
    return path


def answers(library: Path) -> list[Answer]:
    with Library.open(library, read_only=True) as opened:
        return opened.listening.answers(opened.listening.test(), rehearsal=True)


class Person:
    """Somebody at the keyboard, who sees the page and touches nothing else."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def types(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def sees(self, what: str) -> str:
        return self.browser.find_element("id", what).text

    def focus(self) -> str:
        return str(self.browser.switch_to.active_element.get_attribute("id"))

    def waits(self, until: Callable[[], object], seconds: float = 20) -> None:
        WebDriverWait(self.browser, seconds, 0.03).until(lambda _: until())

    def begins(self, address: str, name: str) -> None:
        self.browser.get(address)
        self.waits(lambda: self.focus() == "typed")
        self.types(name + Keys.ENTER)
        self.waits(lambda: self.sees("place"))

    def locked(self) -> bool:
        return not self.browser.find_element("id", "cag").is_enabled()

    def listens(self) -> None:
        self.types(" ")
        self.waits(lambda: self.focus() == "cag")

    def answers(self, cag: str, rel: str) -> None:
        """Hear the sound, set both scales, go on, and wait for the next sound or the end."""
        before = self.sees("place")
        self.listens()
        self.types(cag, Keys.TAB, rel, Keys.ENTER)
        self.waits(lambda: self.sees("place") != before)


def test_a_person_goes_through_it_by_keyboard_and_learns_nothing(library: Path, open_browser: OpenBrowser) -> None:
    with serving_here(library, rehearsal=True) as port:
        ana = Person(open_browser("ana"))
        ana.begins(f"http://127.0.0.1:{port}/", "<i>ana</i>")
        assert ana.sees("name") == "<i>ana</i>"
        assert ana.sees("rehearsal").startswith("Rehearsal")
        shown: list[str] = []
        for number in range(1, SOUNDS + 1):
            assert ana.sees("place") == f"Sound {number} of {SOUNDS}"
            assert ana.locked() and ana.focus() == "play"
            ana.types("7", Keys.ARROW_RIGHT, Keys.ENTER)  # before it was heard: nothing moves, nothing is sent
            assert ana.sees("cag-value") == "–" and "listen to the sound first" in ana.sees("told")
            ana.listens()
            assert not ana.locked()
            ana.types(Keys.ENTER)
            assert "set both scales" in ana.sees("told")
            assert len(answers(library)) == number - 1
            shown.append(ana.browser.page_source)
            ana.types("7", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.TAB, "0", Keys.ARROW_LEFT, " ")
            assert (ana.sees("cag-value"), ana.sees("rel-value")) == ("72", "99")
            ana.types(Keys.ENTER)
            ana.waits(lambda done=number: len(answers(library)) == done)
            ana.waits(lambda done=number: ana.sees("place") != f"Sound {done} of {SOUNDS}")
        assert "Every answer is kept" in ana.sees("end")
        assert {(one.cag, one.rel) for one in answers(library)} == {(72, 99)}
        asked = ana.browser.execute_script(
            "return performance.getEntriesByType('resource').map((one) => [one.name, one.decodedBodySize])"
        )
        sounds = {size for name, size in asked if "/sounds/" in name}
        assert len(sounds) == 1 and sounds != {0}, "the size of a sound tells it apart"
        for word in SECRETS:
            assert not any(word in text for text in [*shown, *(name for name, _ in asked)])
        assert ana.browser.get_log("browser") == []


def test_the_middle_of_a_scale_can_be_chosen_with_the_mouse(library: Path, open_browser: OpenBrowser) -> None:
    """The thumb lies there from the start, so a press on it changes no value."""
    with serving_here(library, rehearsal=True) as port:
        ana = Person(open_browser("ana"))
        ana.begins(f"http://127.0.0.1:{port}/", "ana")
        ana.listens()
        for scale in ("cag", "rel"):
            assert ana.sees(f"{scale}-value") == "–"
            ana.browser.find_element("id", scale).click()
            assert ana.sees(f"{scale}-value") == "50"
        ana.types(Keys.ENTER)
        ana.waits(lambda: ana.sees("place") == f"Sound 2 of {SOUNDS}")
    assert [(one.cag, one.rel) for one in answers(library)] == [(50, 50)]


def test_a_closed_browser_loses_nothing(library: Path, open_browser: OpenBrowser) -> None:
    with serving_here(library, rehearsal=True) as port:
        address = f"http://127.0.0.1:{port}/"
        ana = Person(open_browser("ana"))
        ana.begins(address, "ana")
        ana.answers("3", "4")
        ana.answers("5", "6")
        prompt = ana.sees("prompt")
        ana.listens()
        ana.types("8", Keys.TAB, "9")  # set, and not sent
        ana.browser.quit()
        assert len(answers(library)) == 2

        ana = Person(open_browser("ana"))
        ana.browser.get(address)
        ana.waits(lambda: ana.sees("place") == f"Sound 3 of {SOUNDS}")
        assert (ana.sees("prompt"), ana.sees("cag-value"), ana.sees("rel-value")) == (prompt, "80", "90")
        ana.types(Keys.ENTER)
        ana.waits(lambda: ana.sees("place") == f"Sound 4 of {SOUNDS}")

        ana.browser.execute_script("localStorage.clear()")  # as in another browser: the name alone goes on
        ana.begins(address, "ana")
        assert ana.sees("place") == f"Sound 4 of {SOUNDS}" and ana.locked()
    assert sorted((one.cag, one.rel) for one in answers(library)) == [(30, 40), (50, 60), (80, 90)]


def test_two_people_listen_at_once(library: Path, open_browser: OpenBrowser) -> None:
    with serving_here(library, rehearsal=True) as port:
        ana, ben = Person(open_browser("ana")), Person(open_browser("ben"))
        ana.begins(f"http://127.0.0.1:{port}/", "ana")
        ben.begins(f"http://127.0.0.1:{port}/", "ben")
        for _ in range(2):
            ana.answers("1", "2")
            ben.answers("8", "9")
        assert ana.sees("place") == ben.sees("place") == f"Sound 3 of {SOUNDS}"
    found: dict[int, set[tuple[int, int]]] = {}
    for one in answers(library):
        found.setdefault(one.listener_id, set()).add((one.cag, one.rel))
    assert len(answers(library)) == 4
    assert sorted(found.values(), key=str) == [{(10, 20)}, {(80, 90)}]


def test_a_killed_server_loses_no_answer_and_the_page_goes_on_with_the_next(
    library: Path, open_browser: OpenBrowser
) -> None:
    ana = Person(open_browser("ana"))
    with serving(library, "--rehearsal") as server:
        ana.begins(server.address, "ana")
        ana.answers("1", "2")
        ana.answers("3", "4")
        ana.listens()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
        assert sorted(one.cag for one in answers(library)) == [10, 30]
        ana.types("5", Keys.TAB, "6", Keys.ENTER)
        ana.waits(lambda: "does not answer; trying again" in ana.sees("told"))
        assert ana.locked(), "what is on its way can be changed no more, or the change would be lost"
    with serving(library, "--rehearsal", "--port", server.port):
        ana.waits(lambda: ana.sees("place") == f"Sound 4 of {SOUNDS}")
        assert ana.sees("told") == ""
    assert sorted((one.cag, one.rel) for one in answers(library)) == [(10, 20), (30, 40), (50, 60)]

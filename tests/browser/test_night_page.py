"""The morning page in Chromium: its sounds play, nothing runs out of a narrow window, nothing is complained of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.support.ui import WebDriverWait

from catalog.library import Library
from flows.page import write_morning
from flows.summary import look_back
from tests.flows.toy_night import write_toy_library

LISTEN = """
window.played = null;
for (const player of document.querySelectorAll("audio")) {
  player.addEventListener("ended", () => { window.played = player.duration; });
  player.addEventListener("error", () => { window.played = player.error.message; });
}
"""


def test_a_morning_is_heard_and_fits_a_narrow_window(tmp_path: Path, open_browser: Callable[[str], Chrome]) -> None:
    night = write_toy_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        page = write_morning(look_back(library, night, 1, {"tango": "<b>no weights</b>"}, None))
    browser = open_browser("ana")
    browser.get(page.as_uri())
    browser.execute_script(LISTEN)
    players = browser.find_elements("css selector", "audio")
    assert len(players) == 5 and all(player.size["height"] >= 30 for player in players)
    ActionChains(browser).move_to_element_with_offset(
        players[0], -players[0].size["width"] // 2 + 25, 0
    ).click().perform()
    WebDriverWait(browser, 20, 0.05).until(lambda one: one.execute_script("return window.played") is not None)
    assert abs(browser.execute_script("return window.played") - 0.5) < 0.01
    assert "<b>no weights</b>" in browser.find_element("css selector", "body").text
    browser.set_window_size(500, 800)
    wide, window = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window
    assert browser.get_log("browser") == []

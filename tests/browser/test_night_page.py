"""The morning page in Chromium: its sounds play, nothing runs out of a narrow window, nothing is complained of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.support.ui import WebDriverWait

from catalog.library import Library
from flows.page import write_morning
from flows.summary import look_back
from tests.flows.toy_night import write_toy_library

LONG_NAME = "tango-ft_of_somebody_with_a_name_that_nobody_would_want_to_read_twice.on.any.morning" * 2
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


def test_a_long_model_name_and_its_terms_wrap_in_a_narrow_window(
    tmp_path: Path, open_browser: Callable[[str], Chrome]
) -> None:
    night = write_toy_library(tmp_path / "library", commercial="no")
    with Library.open(tmp_path / "library") as library:
        (record,) = library.models().values()
        named = replace(look_back(library, night, 1, {}, None), models={1: replace(record, name=LONG_NAME)})
        sounds = tuple(replace(sound, model=LONG_NAME) for sound in named.sounds)
        cells = tuple(replace(cell, model=LONG_NAME) for cell in named.night.cells)
        page = write_morning(replace(named, sounds=sounds, night=replace(named.night, cells=cells)))
    browser = open_browser("ana")
    browser.set_window_size(500, 800)
    browser.get(page.as_uri())
    assert LONG_NAME in browser.find_element("css selector", "figcaption").text
    assert browser.find_element("css selector", "figcaption abbr").is_displayed()
    wide, window = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window
    overflowing = "return [...document.querySelectorAll('figure')].filter(f => f.scrollWidth > f.clientWidth).length"
    assert browser.execute_script(overflowing) == 0

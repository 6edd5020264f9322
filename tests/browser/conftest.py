"""Chromium without a window, as many of them as a test wants; all are closed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

OpenBrowser = Callable[[str], Chrome]
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--window-size=1100,850",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # this machine alone
)


@pytest.fixture
def open_browser(chromium: tuple[Path, Path], tmp_path: Path) -> Iterator[OpenBrowser]:
    """Open a browser with the profile of that name: what was stored under it before is there again."""
    opened: list[Chrome] = []

    def open_one(profile: str) -> Chrome:
        options = Options()
        options.binary_location = str(chromium[0])
        for switch in (*_SWITCHES, f"--user-data-dir={tmp_path / profile}"):
            options.add_argument(switch)
        opened.append(Chrome(options=options, service=Service(str(chromium[1]))))
        return opened[-1]

    yield open_one
    for browser in opened:
        browser.quit()

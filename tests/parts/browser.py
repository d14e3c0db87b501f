"""A real browser: Chromium as the system has it, driven by playwright, that may talk to loopback only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.parts.base import missing, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: root may not have one, and the pages are our own. No name but loopback resolves: a page that needs the
# outside fails here instead of at a customer's without Internet.
SWITCHES: Final = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    where = next((path for name in PROGRAMS if (path := program(name))), None)
    if where is None:
        missing("Chromium", "`make parts` as root on Debian, or install Chromium or Chrome")
    from playwright.sync_api import sync_playwright  # here, because unit tests load the fixtures too

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=where, args=list(SWITCHES))
        try:
            yield browser
        finally:
            browser.close()

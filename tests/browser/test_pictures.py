"""The pictures of the README, taken from a night of the demo; they are written to docs/pictures when VORAB_TEST_PICTURES is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from desk.service import Desk, wait_until_up
from tests.parts.base import REPOSITORY
from vorab import provision, settings
from vorab.clock import ManualClock, parse_iso
from vorab.log.sqlite import SqliteLog

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = REPOSITORY / "docs" / "pictures"
MORNING = parse_iso("2026-11-24T07:25:00+01:00")


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_pictures_of_a_night(tmp_path: Path, browser: Browser, demo_night: dict[str, Any]) -> None:
    """A night, looked at the morning after: the console in light and dark, a case, and the live page."""
    night = Path(demo_night["folder"])
    found = settings.load(night / "vorab.toml", {}, {"clock": "", "desk.port": 0})
    found = found.model_copy(update={"link_secret": provision.link_secret(found)})
    target = PICTURES if os.environ.get("VORAB_TEST_PICTURES") else tmp_path
    with SqliteLog(night / "log.db") as log:
        running = Desk(log, found, ManualClock(MORNING))
        running.start()
        try:
            assert wait_until_up(running)
            take(browser, f"http://127.0.0.1:{running.port}", target)
        finally:
            running.stop()
    for name in ("console-light", "console-dark", "case-light", "live-dark"):
        assert (target / f"{name}.png").stat().st_size > 20_000


def take(browser: Browser, url: str, target: Path) -> None:
    """Write the pictures."""
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1440, "height": 960}, color_scheme="dark" if scheme == "dark" else "light", timezone_id="Europe/Berlin"
        )
        page = context.new_page()
        page.goto(url)
        page.get_by_role("heading", name="need a person").or_(page.get_by_role("heading", name="No")).first.wait_for()
        page.screenshot(path=target / f"console-{scheme}.png")
        if scheme == "light":
            page.locator(".group.over [data-row]", has_text="healed").first.click()
            page.locator(".uplot-box").wait_for()
            page.screenshot(path=target / "case-light.png")
        else:
            page.goto(f"{url}/demo")
            page.locator("#track path").first.wait_for()
            page.wait_for_timeout(1500)  # what appears slowly has appeared
            page.screenshot(path=target / "live-dark.png")
        context.close()

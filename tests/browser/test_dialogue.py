"""A customer's dialogue in a real browser: with the keyboard alone, light and dark, wide and narrow, without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from desk.service import Desk, wait_until_up
from tests.browser.test_pages import CONTRAST, WIDTHS, listening
from tests.parts.base import wait_until
from tests.unit.desk.house import MORNING, House, customer, device
from tests.unit.desk.talking import Keys, heard, history
from vorab import topics
from vorab.clock import HOUR
from vorab.people import PeopleClient
from vorab.records import Corrected

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, str]]:
    """A desk with one long history, one customer without any, and a reply nobody understood."""
    monkeypatch.setattr(PeopleClient, "announced", lambda _folder: Keys())
    house = House(tmp_path)
    unclear = heard("r-4", MORNING + HOUR, "dös hod koan Wert ned", person=True, doubts=("not_understood",))
    house.write([customer(), customer("c-9"), device("heat-pump-001"), device("heat-pump-002"), *history()[1], unclear])
    running = Desk(house.log, house.settings, house.clock)
    running.start()
    try:
        assert wait_until_up(running)
        wait_until(lambda: house.queries.find("r-4") is not None, "all is folded")
        yield house, f"http://127.0.0.1:{running.port}"
    finally:
        running.stop()
        house.close()


def test_a_reply_is_corrected_with_the_keyboard_alone(desk: tuple[House, str], page: Page) -> None:
    """From the case to the customer, j and k through the entries, c to what it meant, Enter: a record on the log, and thanks."""
    house, url = desk
    story, _ = history()
    with listening(page):
        page.goto(f"{url}/cases/{story.case}")
        page.get_by_role("link", name="c-1", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/customers/c-1")
        page.wait_for_load_state()
        page.keyboard.press("j")
        first = page.locator("[data-row]:focus")
        assert first.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.locator("[data-row]:focus time").get_attribute("datetime") == page.locator("[data-row] time").first.get_attribute(
            "datetime"
        )
        page.keyboard.press("c")
        assert page.locator("#r-4 .meant button").first.evaluate("button => button === document.activeElement")
        while page.evaluate("document.activeElement.value") != "still_broken":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**done=corrected#r-4")
        assert page.get_by_role("status").is_visible()
        meant = page.locator("#r-4").get_by_text("Meant was:")
        wait_until(lambda: meant.is_visible() or bool(page.reload() and meant.is_visible()), "what it meant being shown")
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
    said = [record for record in house.told(topics.DIALOGUE) if isinstance(record, Corrected) and record.heard == "r-4"]
    assert [(record.intent, record.before) for record in said] == [("still_broken", "")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_dialogue_can_be_read_everywhere(
    desk: tuple[House, str], browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Both languages, full and empty: nothing wider than the window, contrast AA, no complaint; looking writes nothing."""
    house, url = desk
    before = house.ends()
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for path in ("/customers/c-1?lang=de", "/customers/c-1?lang=en", "/customers/c-9?lang=de", "/customers/nobody?lang=en"):
        if "nobody" in path:  # a browser complains of a 404 by itself
            page.goto(url + path)
        else:
            with listening(page):
                page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
    context.close()
    assert house.ends() == before


def test_it_works_without_a_script(desk: tuple[House, str], browser: Browser) -> None:
    """A reply nobody understood is corrected with one click, and a word of a customer is never markup."""
    house, url = desk
    house.write([heard("evil", MORNING + 2 * HOUR, "<img src=x onerror=\"document.title='owned'\">", "question")])
    wait_until(lambda: house.queries.find("evil") is not None, "it is folded")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/customers/c-1?lang=de")
    assert page.locator("#evil").get_by_text("<img src=x").is_visible()
    page.locator("#r-4").get_by_role("button", name="geht immer noch nicht").click()
    assert page.get_by_role("status").inner_text() == "Danke. Diese Worte sind jetzt ein Beispiel dafür."
    context.close()

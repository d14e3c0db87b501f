"""The desk in a real browser: keyboard only, without a script, without a word to anybody outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from desk.service import Desk, wait_until_up
from tests.parts.base import wait_until
from tests.unit.desk.house import House, Story, device, doubted, furnish
from tests.unit.desk.test_care import gifted, held
from vorab import topics
from vorab.records import Command, CommandKind, Request, RequestKind, Stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1440, 390)


@dataclass
class Open:
    """A desk that is open."""

    house: House
    stories: dict[str, Story]
    desk: Desk

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.desk.port}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Open]:
    """A desk with three homes, served to a browser."""
    house = House(tmp_path)
    stories = furnish(house)
    running = Desk(house.log, house.settings, house.clock)
    running.start()
    try:
        assert wait_until_up(running)
        yield Open(house, stories, running)
    finally:
        running.stop()
        house.close()


@contextmanager
def listening(page: Page) -> Iterator[None]:
    """Fails on a message in the browser's console, and on a request to anywhere but loopback."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: asked.append(request.url))
    yield
    assert said == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))] == []


def paths(stories: dict[str, Story]) -> list[str]:
    """Every page."""
    consent, sent = stories["asked"].token(Stage.CONSENT), stories["doubted"].token()
    cases = [f"/cases/{story.case}" for story in stories.values()]
    return ["/", "/?q=nothing", "/demo", *cases, f"/c/{consent}", f"/c/{sent}"]


def test_the_queue_is_worked_with_the_keyboard_alone(desk: Open, page: Page) -> None:
    """Keys: j and k move, Enter opens, a takes, / searches, ? shows the keys; focus can always be seen."""
    with listening(page):
        page.goto(desk.url)
        page.keyboard.press("j")
        focused = page.locator("[data-row]:focus")
        assert focused.get_attribute("data-case") == desk.stories["doubted"].case
        assert focused.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
        page.keyboard.press("j")
        assert page.locator("[data-row]:focus").get_attribute("data-case") == desk.stories["asked"].case
        page.keyboard.press("k")
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("jkl?")
        assert page.locator("#search").input_value() == "jkl?"
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/cases/{desk.stories['doubted'].case}")
        page.wait_for_load_state()
        page.keyboard.press("a")
        page.wait_for_url("**?done=take")
        assert page.get_by_role("status").inner_text().startswith("You have it.")
    commands = [record for record in desk.house.told(topics.COMMANDS) if isinstance(record, Command)]
    assert [(command.kind, command.case) for command in commands] == [(CommandKind.TAKE, desk.stories["doubted"].case)]


def test_new_cases_wait_until_they_are_wanted(desk: Open, page: Page) -> None:
    """The page tells of a new case without moving a row; the key n shows it."""
    with listening(page):
        page.goto(desk.url)
        before = page.locator("[data-row]").first.bounding_box()
        desk.house.write([device("heat-pump-009"), *doubted("heat-pump-009").records])
        page.get_by_role("button", name="1 new").wait_for()
        assert page.locator("#answer").inner_text().startswith("2 cases need a person")
        assert page.locator("[data-row]").first.bounding_box() == before
        rows = page.locator("[data-row]").count()
        page.keyboard.press("n")
        page.wait_for_function("n => document.querySelectorAll('[data-row]').length > n", arg=rows)
        page.get_by_role("button", name="1 new").wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_case_is_found_in_its_queue_and_approved(desk: Open, browser: Browser, width: int, scheme: Literal["light", "dark"]) -> None:
    """From the queue to the case, an id typed, Approve pressed; wide and narrow, light and dark, without a complaint."""
    story = held(so_far=("agent-anna",))
    desk.house.write([device(story.device), *story.records, device("heat-pump-008"), *gifted().records])
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    with listening(page):
        wait_until(
            lambda: all(page.request.get(f"{desk.url}/cases/{other.case}").ok for other in (story, gifted())), "both cases are shown"
        )
        page.goto(desk.url)
        page.get_by_role("link", name="heating 1").click()
        page.get_by_role("link", name="Heat Pump 007").and_(page.locator("[data-row]")).click()
        page.get_by_label("Who decides").fill("ben")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Approve").click()
        page.wait_for_url("**?done=approve")
        page.goto(f"{desk.url}/cases/{gifted().case}")
        assert page.get_by_role("heading", name="Goodwill: a voucher, 20.00 EUR, proposed").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    commands = [record for record in desk.house.told(topics.COMMANDS) if isinstance(record, Command)]
    assert [(command.kind, command.by) for command in commands] == [(CommandKind.APPROVE, "agent-ben")]


def test_a_plot_can_be_read_point_by_point(desk: Open, page: Page) -> None:
    """With a script the drawing becomes a plot with a cursor, described in words as before."""
    with listening(page):
        page.goto(f"{desk.url}/cases/{desk.stories['healed'].case}")
        box = page.locator(".uplot-box")
        box.wait_for()
        assert "limit 1 bar" in (box.get_attribute("aria-label") or "")
        page.locator(".u-over").hover(position={"x": 300, "y": 60})
        page.wait_for_function("document.querySelector('.readout').textContent.includes('bar')")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways_or_complains(desk: Open, browser: Browser, width: int) -> None:
    """Wide and narrow: nothing in the console, nothing asked outside, nothing wider than the window; looking writes nothing."""
    before = desk.house.ends()
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in paths(desk.stories):
        with listening(page):
            page.goto(desk.url + path)
            page.wait_for_timeout(50)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()
    assert desk.house.ends() == before


@pytest.mark.parametrize("path", ["queue", "case", "live"])
def test_pages_work_without_a_script(desk: Open, browser: Browser, path: str) -> None:
    """Links, plot, chain and forms are there without JavaScript."""
    case = desk.stories["doubted"].case
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk.url + {"queue": "/", "case": f"/cases/{case}", "live": "/demo"}[path])
    if path == "queue":
        page.locator("[data-row]").first.click()
        assert page.url.endswith(f"/cases/{case}")
    if path == "case":
        assert page.locator("svg.plot").is_visible()
        page.locator(".chain summary").first.click()
        assert page.locator(".chain").get_by_text("pressure-low@abc123").is_visible()
        page.get_by_role("button", name="Take it").click()
        assert "done=take" in page.url
    if path == "live":
        assert page.locator("h1").inner_text()
    context.close()


def test_a_customer_answers_without_a_script_on_a_small_phone(desk: Open, browser: Browser) -> None:
    """One press on a big button, a thank-you, and a request on the log."""
    story = desk.stories["asked"]
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 480})
    page = context.new_page()
    with listening(page):
        page.goto(f"{desk.url}/c/{story.token(Stage.CONSENT)}")
        button = page.get_by_role("button", name="Yes, restart it remotely")
        size = button.bounding_box()
        assert size is not None
        assert size["height"] >= 48
        button.click()
        assert page.get_by_role("status").inner_text() == "Thank you. We will restart it."
    context.close()
    requests = [record for record in desk.house.told(topics.REQUESTS) if isinstance(record, Request)]
    assert [(request.kind, request.case) for request in requests] == [(RequestKind.CONSENT, story.case)]


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (node) => { for (; node; node = node.parentElement) { const c = rgb(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] > .9) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".phone, svg, .skip, .hidden")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgb(style.color)), light(ground(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + .05) / (b + .05);
    const text = node.textContent.trim().slice(0, 30);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${node.className || node.tagName} ${ratio.toFixed(2)} ${text}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(desk: Open, browser: Browser, scheme: str) -> None:
    """Contrast AA in both schemes, measured on every text of every page."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    for path in paths(desk.stories):
        page.goto(desk.url + path)
        assert page.evaluate(CONTRAST) == [], path
    context.close()


def test_the_contrast_test_sees_grey_on_grey(page: Page) -> None:
    """The measure itself can fail."""
    page.set_content('<body style="background:#fff"><p style="color:#aaa">hardly</p></body>')
    assert len(page.evaluate(CONTRAST)) == 1


def test_hostile_names_run_nothing(desk: Open, page: Page) -> None:
    """A device that calls itself a script stays a name, in every view."""
    text = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    evil = Story("evil", name=text).opened().restarted().doubted()
    desk.house.write([device("evil", name=text), *evil.records])
    while page.request.get(f"{desk.url}/api/cases/{evil.case}").status != 200:
        page.wait_for_timeout(50)
    with listening(page):
        for path in ("/", f"/cases/{evil.case}", "/demo", f"/c/{evil.token()}"):
            page.goto(desk.url + path)
            page.wait_for_timeout(300)
            assert page.title() != "owned"
            assert page.locator("img").count() == 0

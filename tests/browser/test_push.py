"""Web Push in a real browser: the worker of the customer page shows what a push brings, and one press on it is one request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from desk.service import Desk, wait_until_up
from notifier.channels import Message
from notifier.database import Database
from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore
from notifier.vapid import keys_in
from notifier.web_push_words import payload
from tests.browser.test_pages import CONTRAST, Open, listening
from tests.parts.base import wait_until
from tests.unit.desk.house import MORNING, House, Story, furnish
from tests.unit.notifier.browser import Device
from vorab import topics
from vorab.links import LinkFor
from vorab.people import Person
from vorab.records import Request, RequestKind

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"

# The browser asks Google's push service for an address, and there is no way out here: so it is handed one. All else is the browser's own.
PUSH_SERVICE = """([endpoint, p256dh, auth]) => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
  let made = null;
  PushManager.prototype.getSubscription = async () => made;
  PushManager.prototype.subscribe = async (options) => made = {
    endpoint, options: { applicationServerKey: bytes(options.applicationServerKey) },
    getKey: (name) => bytes(name === "auth" ? auth : p256dh), unsubscribe: async () => { made = null; return true; },
  };
}"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The log and the tables."""
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def people(tmp_path: Path, house: House) -> Iterator[PeopleStore]:
    """A notifier's people, reached by the desk as in an installation, and its key; announced in place of the one of the house."""
    assert house.people.all() == []
    database = Database(f"sqlite:///{tmp_path / 'notifier.db'}")
    store = PeopleStore(database)
    server = PeopleServer(store, lambda _entries, _gone: None, tmp_path / "notifier.json", keys_in(tmp_path / "vapid.pem").browsers)
    server.start()
    yield store
    server.stop()
    database.close()


@pytest.fixture
def desk(house: House, people: PeopleStore) -> Iterator[Open]:
    """A desk beside it."""
    assert people.all() == []
    stories = furnish(house)
    running = Desk(house.log, house.settings, house.clock)
    running.start()
    try:
        assert wait_until_up(running)
        yield Open(house, stories, running)
    finally:
        running.stop()


@pytest.fixture
def context(desk: Open, browser: Browser) -> Iterator[BrowserContext]:
    """A browser whose owner lets this page show notifications."""
    made = browser.new_context(viewport={"width": 390, "height": 800})
    made.grant_permissions(["notifications"], origin=desk.url)
    device = Device().subscription(ENDPOINT)
    made.add_init_script(f"({PUSH_SERVICE})({json.dumps([ENDPOINT, device.p256dh, device.auth])})")
    yield made
    made.close()


def asked_for(page: Page, desk: Open, story: Story) -> None:
    """The button on the page was pressed."""
    page.goto(f"{desk.url}/c/{story.token()}")
    page.get_by_role("button", name="Auf diesem Gerät Bescheid geben").click()
    page.get_by_text("Dieses Gerät gibt Ihnen Bescheid.").wait_for()


def pushed(session: CDPSession, page: Page, desk: Open, data: bytes) -> list[dict[str, Any]]:
    """What the device shows after a push."""
    found: list[str] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(r["registrationId"] for r in event["registrations"]))
    session.send("ServiceWorker.enable")
    wait_until(lambda: page.evaluate("navigator.serviceWorker.ready.then(r => Boolean(r.active))") and found, "its worker is there")
    session.send("ServiceWorker.deliverPushMessage", {"origin": desk.url, "registrationId": found[-1], "data": data.decode()})
    return wait_until(lambda: shown(page), "the notification")


def shown(page: Page) -> list[dict[str, Any]]:
    """The notifications that stand there."""
    found: list[dict[str, Any]] = page.evaluate(
        """() => navigator.serviceWorker.getRegistration("/c/").then(r => r.getNotifications()).then(all => all.map(one => ({
             title: one.title, body: one.body, tag: one.tag, actions: one.actions.map(a => [a.action, a.title]) })))"""
    )
    return found


# DevTools have no click on a notification: the event is made inside the worker, which no page can. It ends once the answer is shown.
CLICK = """async (action) => {
  const [notification] = await self.registration.getNotifications();
  const show = ServiceWorkerRegistration.prototype.showNotification;
  const answered = new Promise((done) => {
    self.registration.showNotification = async (...said) => { await show.apply(self.registration, said); done(); };
  });
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
  await answered;
}"""


def test_a_notification_is_shown_and_one_press_is_one_request(desk: Open, context: BrowserContext) -> None:
    """Registered on the page, pushed through DevTools, read back with its buttons; a press tells the log, and a second one nothing new."""
    story, page = desk.stories["doubted"], context.new_page()
    asked_for(page, desk, story)
    link, call = f"https://desk.example.org/c/{story.token()}", story.token(purpose=LinkFor.CALL)
    message = Message("note", story.case, True, Person("main/c-1"), "de", MORNING, "Pumpe 7: zu wenig Druck", "", "", link, call=call)
    session = context.new_cdp_session(page)
    [notification] = pushed(session, page, desk, payload(message, "0417", "Muster Service <service@example.org>"))
    assert (notification["title"], notification["body"]) == ("Muster Service", "Pumpe 7: zu wenig Druck. Code 0417")
    assert notification["actions"] == [["call", "Ja, rufen Sie mich an"], ["page", "Mehr dazu"]]
    before, [worker] = desk.house.ends(), context.service_workers
    for _ in range(2):
        worker.evaluate(CLICK, "call")
    [thanks] = shown(page)
    assert (thanks["title"], thanks["actions"]) == ("Danke. Wir rufen Sie an.", [["page", "Mehr dazu"]])
    assert thanks["tag"] == notification["tag"]
    asked = [record for record in desk.house.told(topics.REQUESTS) if isinstance(record, Request)]
    assert {(each.id, each.kind, each.case) for each in asked} == {(asked[0].id, RequestKind.CALL_ME, story.case)}
    assert {topic for topic, ends in desk.house.ends().items() if ends != before[topic]} == {topics.REQUESTS}
    assert len(context.pages) == 1


ASKED = """const ask = Notification.requestPermission;
Notification.requestPermission = () => { window.asked = true; return ask.call(Notification); };"""


def test_a_device_is_asked_for_and_left_by_a_tap_each(desk: Open, context: BrowserContext, people: PeopleStore) -> None:
    """The browser's permission is asked on the tap and not before; the page remembers, and leaving forgets."""
    page = context.new_page()
    page.add_init_script(ASKED)
    with listening(page):
        page.goto(f"{desk.url}/c/{desk.stories['doubted'].token()}")
        page.get_by_role("button", name="Auf diesem Gerät Bescheid geben").wait_for()
        assert not page.evaluate("window.asked")
        assert context.service_workers == []
        asked_for(page, desk, desk.stories["doubted"])
        assert page.evaluate("window.asked")
        assert [device.endpoint for device in people.all()[0].devices] == [ENDPOINT]
        page.get_by_role("button", name="Auf diesem Gerät nicht mehr Bescheid geben").click()
        page.get_by_text("Dieses Gerät gibt Ihnen nicht mehr Bescheid.").wait_for()
    assert people.all()[0].devices == ()


def test_a_browser_that_may_not_says_so(desk: Open, browser: Browser, people: PeopleStore) -> None:
    """Refused once, nothing is kept, and the page says where that can be changed."""
    context = browser.new_context()
    context.add_init_script("Notification.requestPermission = async () => 'denied'")
    page = context.new_page()
    page.goto(f"{desk.url}/c/{desk.stories['doubted'].token()}")
    page.get_by_role("button", name="Auf diesem Gerät Bescheid geben").click()
    page.get_by_text("Ihr Browser erlaubt das nicht.").wait_for()
    assert people.all() == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 320])
def test_the_button_can_be_read_and_nothing_scrolls_sideways(desk: Open, browser: Browser, width: int, scheme: str, tmp_path: Path) -> None:
    """Wide and narrow, light and dark; without a script there is no such button, and the page is as it was."""
    token = desk.stories["doubted"].token()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    with listening(page):
        page.goto(f"{desk.url}/c/{token}")
        button = page.get_by_role("button", name="Auf diesem Gerät Bescheid geben")
        button.wait_for()
        size = button.bounding_box()
        assert size is not None
        assert size["height"] >= 48
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
    page.screenshot(path=tmp_path / f"customer-{scheme}-{width}.png", full_page=True)
    context.close()
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{desk.url}/c/{token}")
    assert not page.get_by_role("button", name="Auf diesem Gerät Bescheid geben").is_visible()
    assert page.get_by_role("button", name="Bitte rufen Sie mich an").is_visible()
    plain.close()

"""How answers go out: in the thread, and by each way as it is documented; what a provider says is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from notifier.channels import Outcome
from notifier.inbound import mastodon, telegram
from notifier.inbound.accounts import token_in, token_of
from notifier.inbound.answering import Answer, ThroughChannel
from notifier.inbound.mastodon import Account
from notifier.inbound.telegram import Bot
from notifier.mail import compose
from tests.unit.notifier.house import NOON, FakeChannel
from tests.unit.notifier.inbound.parlour import CODES, ERIKA, SENDER, FakeMail, Parlour
from vorab.errors import Rejected, Unavailable
from vorab.outbound.call import Answer as Got
from vorab.outbound.call import CallFailed, Trouble, trouble_of
from vorab.people import Person
from vorab.records import HandedTo
from vorab.understanding import Intent


def answer(**changes: Any) -> Answer:
    """An answer in words."""
    plain: dict[str, Any] = {
        "name": "9b2f", "case": "case-1", "person": ERIKA, "to": "77", "thread": "<first@customer.example>", "language": "de", "at": NOON,
        "subject": "AW: Pumpe 7", "text": "Guten Tag\n", "html": "<p>Guten Tag</p>", "short": "Wir kümmern uns darum.",
    }  # fmt: skip
    return Answer(**{**plain, **changes})


def test_an_answer_stands_in_the_customers_thread() -> None:
    """It names what it answers and the case, and says that a machine wrote it, so that no other machine answers."""
    port = FakeChannel()
    assert ThroughChannel(port, "mail").give(answer()).result.outcome is Outcome.SENT
    made = compose(port.sent[0], SENDER)
    assert (made["In-Reply-To"], made["References"]) == ("<first@customer.example>", "<case.case-1@example.org> <first@customer.example>")
    assert (made["Message-ID"], made["Auto-Submitted"], made["To"].addresses[0].addr_spec) == (
        "<9b2f@example.org>", "auto-replied", "erika@example.org",
    )  # fmt: skip


def test_who_cannot_be_reached_any_more_is_not() -> None:
    """A person without an address gets no answer."""
    assert ThroughChannel(FakeChannel(), "mail").give(answer(person=Person("main/c-1"))).result.outcome is Outcome.FAILED


class Server:
    """A double of a service: checks what it is sent, keeps to its limits, and remembers keys as the real one does."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.updates: list[dict[str, Any]] = []
        self.said: dict[str, dict[str, Any]] = {}
        self.failing: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        self.asked: list[tuple[str, str]] = []

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Got:
        """One call."""
        self.asked.append((method, url))
        if self.failing:
            status, sent, told = self.failing.pop(0)
            if not status:
                raise CallFailed(Trouble.UNKNOWN, "no answer")
            raise CallFailed(trouble_of(status), "", 0.0, status, Got(status, json.dumps(told).encode(), sent))
        if f"/bot{self.token}/" not in url and headers.get("Authorization") != f"Bearer {self.token}":
            raise CallFailed(Trouble.CREDENTIALS, "", 0.0, 401)
        return Got(200, json.dumps(self._do(url, headers, json.loads(body or b"null"))).encode())

    def _do(self, url: str, headers: Mapping[str, str], body: Any) -> Any:
        if url.endswith("/getUpdates"):
            self.updates = [each for each in self.updates if each["update_id"] >= body["offset"]]
            return {"ok": True, "result": self.updates[: body["limit"]]}
        if url.endswith("/sendMessage"):
            assert isinstance(body["chat_id"], int)
            assert 0 < len(body["text"]) <= 4096
            self.said[str(len(self.said))] = body
            return {"ok": True, "result": {"message_id": 1}}
        if url.endswith("/api/v1/statuses"):
            assert len(body["status"]) <= 500
            self.said.setdefault(headers["Idempotency-Key"], body)
            return {"id": "1"}
        assert "/api/v1/notifications?types%5B%5D=mention" in url
        place = int(url.partition("min_id=")[2] or 0)
        return [each for each in reversed(self.updates) if int(each["id"]) > place]


def update(number: int, text: str, *, edited: int = 0, kind: str = "private", bot: bool = False) -> dict[str, Any]:
    """An update, as the Bot API documents it."""
    message = {
        "message_id": 10 if edited else number, "date": 1_764_000_000, "chat": {"id": 77, "type": kind}, "text": text,
        "from": {"id": 77, "is_bot": bot, "first_name": "Erika"}, **({"edit_date": edited} if edited else {}),
    }  # fmt: skip
    return {"update_id": number, "edited_message" if edited else "message": message}


def mention(number: int, text: str, visibility: str = "direct", *, edited: str = "", bot: bool = False) -> dict[str, Any]:
    """A notification, as Mastodon documents it."""
    status = {
        "id": str(500 + number),
        "content": f"<p><span>@vorab</span> {text}</p>",
        "visibility": visibility,
        "edited_at": edited or None,
    }
    return {
        "id": str(number),
        "type": "update" if edited else "mention",
        "account": {"acct": "erika@social.example", "bot": bot},
        "status": status,
    }


Made = tuple[Server, Any, Callable[..., Any]]


@pytest.fixture(params=["telegram", "mastodon"])
def way(request: pytest.FixtureRequest) -> Made:
    """Each service with its double."""
    server = Server("token-1")
    if request.param == "telegram":
        return server, Bot("https://api.telegram.org", "token-1", server), update
    return server, Account("https://social.example", "token-1", server), mention


def linked(parlour: Parlour, way: Made) -> tuple[Server, Any, Callable[..., Any]]:
    """A customer who has shown whose account it is."""
    server, port, made = way
    parlour.story()
    parlour.out.channel = port.channel
    parlour.replies._ways = parlour.replies._ways.__class__(
        **{
            **{name: getattr(parlour.replies._ways, name) for name in parlour.replies._ways.__slots__},
            "answerable": frozenset({port.channel}),
        }
    )
    parlour.answering._ports = {port.channel: port}
    server.updates.append(made(9, token_of(CODES.secret, "main/c-1")))
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    return server, port, made


def texts(server: Server) -> list[str]:
    """What was answered."""
    return [each.get("text") or each["status"] for each in server.said.values()]


def test_an_account_is_the_customers_once_it_has_shown_a_token(parlour: Parlour, way: Made) -> None:
    """From then on what it asks is answered from live state, once, however often it is told."""
    server, port, made = linked(parlour, way)
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    server.updates.append(made(10, "Was ist?"))
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    port._next = 0
    parlour.inbox.keep_place("mastodon", "0")
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    assert len(server.said) == 2
    assert "Jetzt kümmert sich ein Mensch" in texts(server)[-1]


def test_an_account_nobody_knows_is_a_persons(parlour: Parlour, way: Made) -> None:
    """A wrong token links nothing, and nobody is answered."""
    server, port, made = way
    parlour.story()
    server.updates += [made(1, "x" * 32)]
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    assert parlour.heard()[0].handed_to is HandedTo.PERSON
    assert (server.said, parlour.inbox.senders(parlour_said(port.channel))) == ({}, [])


def parlour_said(channel: str) -> Any:
    """Something from Erika's account."""
    return next(iter(telegram.read(update(1, "x"), 0))) if channel == "telegram" else mastodon.read(mention(1, "x"), 0)


def test_in_public_nothing_private_is_said(parlour: Parlour, way: Made) -> None:
    """A mention others can read is answered so that only the person sees it, with no name, machine or code."""
    server, port, made = linked(parlour, way)
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    server.updates.append(made(11, "Was ist?", "public") if port.channel == "mastodon" else made(11, "Was ist?", kind="group"))
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    heard = parlour.heard()[-1]
    assert (heard.public, heard.handed_to) == (True, HandedTo.PERSON)
    said = texts(server)[-1]
    assert "nicht öffentlich" in said or "in public" in said
    assert not any(word in said for word in ("Pumpe", "Erika", CODES.of("case-1")))
    if port.channel == "mastodon":
        assert {each["visibility"] for each in server.said.values()} == {"direct"}


def test_an_edited_message_replaces_what_waits(parlour: Parlour, way: Made) -> None:
    """Edited before anybody looked: only the last words count."""
    server, port, made = linked(parlour, way)
    parlour.meanings |= {"Stopp": {"intent": Intent.STOP}, "Was ist?": {"intent": Intent.STATUS}}
    first, then = made(10, "Stopp"), made(12, "Was ist?", edited="2026-11-24T12:00:00Z" if port.channel == "mastodon" else 5)
    if port.channel == "mastodon":
        first["status"]["id"] = then["status"]["id"] = "502"
    server.updates += [first, then]
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    assert [each.intent for each in parlour.heard()][-1] == "status"
    assert "Jetzt kümmert sich ein Mensch" in texts(server)[-1]


def test_bots_are_not_answered(parlour: Parlour, way: Made) -> None:
    """A machine that says so."""
    server, port, made = way
    parlour.story()
    server.updates.append(made(1, "Hallo", bot=True))
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    assert (server.said, parlour.heard()) == ({}, [])


def test_what_is_not_as_documented_stops_nobody(parlour: Parlour, way: Made) -> None:
    """A broken one is kept with its reason, the next one is heard."""
    server, port, made = way
    parlour.story()
    broken: dict[str, Any] = {"update_id": 1, "message": {"chat": 5}} if port.channel == "telegram" else {"id": "1", "type": "mention"}
    server.updates += [broken, made(2, "Hallo")]
    port.poll(parlour.replies, parlour.clock)
    parlour.work()
    assert len(parlour.heard()) == 1


def test_a_service_that_refuses_us_is_away(parlour: Parlour, way: Made) -> None:
    """A wrong token is for the operator to mend; nothing is lost meanwhile."""
    server, port, _ = way
    server.token = "another"
    with pytest.raises(Unavailable) as away:
        port.poll(parlour.replies, parlour.clock)
    assert "token-1" not in str(away.value)


def test_telegram_says_how_long_to_wait() -> None:
    """429 with retry_after: later, and not before; a failure after which it may have been said is unknown."""
    server = Server("token-1")
    bot = Bot("https://api.telegram.org", "token-1", server)
    server.failing = [
        (429, {}, {"ok": False, "parameters": {"retry_after": 37}}), (0, {}, {}), (502, {}, {}), (403, {}, {"description": "blocked"}),
    ]  # fmt: skip
    given = [bot.give(answer(thread="77:5")) for _ in range(5)]
    assert [each.result.outcome for each in given] == [Outcome.LATER, Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.FAILED, Outcome.SENT]
    assert given[0].patience_s == 37
    assert server.said["0"]["reply_parameters"]["message_id"] == 5


def test_mastodon_makes_one_of_two() -> None:
    """Under one key a status is said once, so what may have been taken is tried again; 429 names the moment."""
    server = Server("token-1")
    account = Account("https://social.example", "token-1", server)
    server.failing = [(0, {}, {}), (429, {"x-ratelimit-reset": "2999-01-01T00:00:00Z"}, {}), (422, {}, {})]
    given = [account.give(answer(to="erika@social.example", thread="500")) for _ in range(5)]
    assert [each.result.outcome for each in given] == [Outcome.LATER, Outcome.LATER, Outcome.FAILED, Outcome.SENT, Outcome.SENT]
    assert given[1].patience_s > 0
    assert len(server.said) == 1


@pytest.mark.parametrize("found", [{}, {"type": "mention"}, {"account": 1, "status": 2, "type": "mention"}])
def test_what_is_no_notification_is_refused(found: dict[str, Any]) -> None:
    """By name, not by accident."""
    with pytest.raises(Rejected):
        mastodon.read(found, 0)


def test_a_token_is_one_persons_and_stands_alone() -> None:
    """Another customer has another; in a sentence it is only a word."""
    token = token_of(CODES.secret, "main/c-1")
    assert token != token_of(CODES.secret, "main/c-2")
    assert (token_in(f"/start {token}"), token_in(token), token_in(f"hier: {token}")) == (token, token, "")
    with pytest.raises(ValueError, match="characters"):
        token_of("short", "main/c-1")


def test_a_fake_is_a_port() -> None:
    """What these tests answer by has the shape of the others."""
    assert FakeMail().give(answer()).result.outcome is Outcome.SENT

"""The port to people: names and contact points, the only place that holds them; everything else knows random ids.

The store behind it lives in the notifier's database (`notifier.people_store`); other processes reach it through the notifier's loopback
HTTP (`PeopleClient`).
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from vorab.errors import Unavailable
from vorab.subscriptions import Subscription

if TYPE_CHECKING:
    from vorab.records import Record
    from vorab.registry.writing import Gone

PATH: Final = "/people"
RECORDS: Final = "/records"
SEALED: Final = "/sealed"
OPENED: Final = "/opened"
SUBSCRIPTIONS: Final = "/subscriptions"
HABITS: Final = "/habits"
ANNOUNCEMENTS: Final = "notifier*.json"
TIMEOUT_S: Final = 10.0
MASKED_FROM: Final = 3
"""Letters of a name that is covered in texts; shorter ones stand in too many words."""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as people know them."""

    customer: str
    """Key: `tenant/customer`."""
    name: str = ""
    mail: str = ""
    phone: str = ""
    devices: tuple[Subscription, ...] = ()
    """Browsers that show messages; they come and go by `subscribe` and `unsubscribe`, never by `put`."""

    def __repr__(self) -> str:
        """Only the key: a person must not end up in a log line by accident."""
        return f"Person({self.customer})"


class People(Protocol):
    """Who stands behind a customer key."""

    def get(self, customer: str) -> Person | None:
        """The person of a key, or None."""

    def put(self, people: Iterable[Person]) -> None:
        """Write these people, all or none; an existing key is replaced."""

    def all(self) -> Sequence[Person]:
        """Everybody, in order of key; for export."""

    def seal(self, customer: str, texts: Sequence[str]) -> Sequence[str]:
        """Texts as they may travel through the log, sealed with the customer's own key; it is made where there is none."""

    def opened(self, customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
        """The texts of a customer, in the same order; None where nobody can read it any more."""

    def erase(self, customer: str) -> bool:
        """Forget a person, and destroy what seals their words; whether there was anything. What was kept of messages goes too."""

    def subscribe(self, customer: str, device: Subscription) -> None:
        """A browser of this person's shows messages from now on; it is nobody else's any more."""

    def unsubscribe(self, customer: str, endpoint: str) -> bool:
        """It shows none any more; whether it did."""

    def habits(self, customer: str) -> Sequence[dict[str, Any]]:
        """What is kept of where and when a customer answered: one row per message."""

    def reset_habits(self, customer: str) -> int:
        """Forget that; how many messages it was."""


def masked(person: Person, text: str) -> str:
    """A text in which this person's name, parts of it, and contact points are covered: providers like to quote them."""
    values = {person.name, *person.name.split(), person.mail, person.phone, "".join(filter(str.isalnum, person.phone))}
    for value in sorted((value for value in values if len(value) >= MASKED_FROM), key=len, reverse=True):
        text = re.sub(re.escape(value), "…", text, flags=re.IGNORECASE)
    return text


def person_of(values: dict[str, Any]) -> Person:
    """A person from plain values (`email` is another word for `mail`); keys it does not know are ignored."""
    customer, name, mail, email, phone = (str(values.get(key) or "").strip() for key in ("customer", "name", "mail", "email", "phone"))
    return Person(customer, name, mail or email, phone)


class PeopleClient:
    """`People` through the notifiers that run, found by the files they announce themselves in.

    Workers of one installation (`--share`) have a database each: what is written goes to all of them.
    """

    def __init__(self, endpoints: Sequence[tuple[str, str]], push_key: str = "") -> None:
        self._endpoints = [(url.rstrip("/"), token) for url, token in endpoints]
        self.push_key = push_key
        """The public key browsers subscribe with; empty where no messages go to browsers."""

    @classmethod
    def announced(cls, folder: Path) -> PeopleClient | None:
        """The client for the notifiers that announced themselves in this (state) folder; None when none did."""
        found, push_key = [], ""
        for path in sorted(folder.glob(ANNOUNCEMENTS)):
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
                found.append((values["people_url"], values["people_token"]))
                push_key = str(values.get("push_key") or push_key)
            except (OSError, KeyError, ValueError):
                continue
        return cls(found, push_key) if found else None

    def get(self, customer: str) -> Person | None:
        """The person of a key; raises Unavailable when the notifier does not answer."""
        for endpoint in self._endpoints:
            found = self._call(endpoint, "GET", _query(customer))
            if found:
                return person_of(found)
        return None

    def put(self, people: Iterable[Person]) -> None:
        """Write these people; raises Unavailable when a notifier does not answer."""
        body = [asdict(person) for person in people]
        for endpoint in self._endpoints:
            self._call(endpoint, "PUT", PATH, body)

    def all(self) -> Sequence[Person]:
        """Everybody; raises Unavailable when the notifier does not answer."""
        return [person_of(values) for values in self._call(self._endpoints[0], "GET", PATH) or ()]

    def seal(self, customer: str, texts: Sequence[str]) -> Sequence[str]:
        """Texts as they may travel through the log; raises Unavailable when the notifier does not answer."""
        return self._texts(self._endpoints[0], SEALED, customer, texts)

    def opened(self, customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
        """The texts of a customer, opened by whichever notifier can; raises Unavailable when one does not answer."""
        found: list[str | None] = [None] * len(sealed)
        for endpoint in self._endpoints:
            left = [place for place, text in enumerate(found) if text is None]
            for place, text in zip(left, self._texts(endpoint, OPENED, customer, [sealed[at] for at in left]) if left else (), strict=True):
                found[place] = text
        return found

    def erase(self, customer: str) -> bool:
        """Forget a person; raises Unavailable when a notifier does not answer."""
        answers = [self._call(endpoint, "DELETE", _query(customer)) for endpoint in self._endpoints]
        return any(answer is not None for answer in answers)

    def subscribe(self, customer: str, device: Subscription) -> None:
        """A browser of this person's shows messages; raises Unavailable when a notifier does not answer, or will not have it."""
        for endpoint in self._endpoints:
            if self._call(endpoint, "PUT", SUBSCRIPTIONS, {"customer": customer, "device": asdict(device)}) is None:
                raise Unavailable("the notifier that runs knows no browsers: it is of an earlier version")

    def unsubscribe(self, customer: str, endpoint: str) -> bool:
        """It shows none any more; raises Unavailable when a notifier does not answer."""
        answers = [self._call(each, "PUT", SUBSCRIPTIONS, {"customer": customer, "gone": endpoint}) for each in self._endpoints]
        return any(answer is not None and answer.get("gone") for answer in answers)

    def habits(self, customer: str) -> Sequence[dict[str, Any]]:
        """What is kept of where and when a customer answered; raises Unavailable when a notifier does not answer."""
        return [row for endpoint in self._endpoints for row in self._call(endpoint, "GET", _query(customer, HABITS)) or ()]

    def reset_habits(self, customer: str) -> int:
        """Forget that; raises Unavailable when a notifier does not answer."""
        answers = [self._call(endpoint, "DELETE", _query(customer, HABITS)) for endpoint in self._endpoints]
        return sum(int(answer["reset"]) for answer in answers if answer)

    def register(self, entries: Iterable[Record], gone: Iterable[Gone] = ()) -> None:
        """Write registry entries and what people say to the log through a notifier, and take others out (topic and key).

        Raises:
            Unavailable: it does not answer, or is of an earlier version that does not know what this is.
        """
        body: dict[str, Any] = {"gone": list(gone)}
        some = list(entries)
        for entry in some:
            body.setdefault(entry.TOPIC, []).append(entry.model_dump(mode="json"))
        taken = self._call(self._endpoints[0], "PUT", RECORDS, body)
        if not taken or taken.get("records") != len(some):
            raise Unavailable("the notifier that runs does not know what this is: it is of an earlier version")

    def _texts(self, endpoint: tuple[str, str], path: str, customer: str, texts: Sequence[str]) -> list[Any]:
        answer = self._call(endpoint, "POST", path, {"customer": customer, "texts": list(texts)})
        if answer is None:
            raise Unavailable("the notifier that runs seals no words: it is of an earlier version")
        return list(answer["texts"])

    def _call(self, endpoint: tuple[str, str], method: str, path: str, body: object = None) -> Any:
        url, token = endpoint
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310 - always the announced loopback address
        try:
            # No proxy: the notifier listens on this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise Unavailable(f"the notifier answers {error.code} to {method} {path.partition('?')[0]}") from None
        except OSError as error:
            raise Unavailable(f"the notifier does not answer at {url}: {error}") from None


def _query(customer: str, path: str = PATH) -> str:
    return path + "?" + urllib.parse.urlencode({"customer": customer})

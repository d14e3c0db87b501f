"""The port to people: names and contact points, the only place that holds them; everything else knows random ids.

The store behind it lives in the notifier's database (`notifier.people_store`); other processes reach it through the notifier's loopback
HTTP (`PeopleClient`).
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from vorab.errors import Unavailable

PATH: Final = "/people"
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as people know them."""

    customer: str
    """Key: `tenant/customer`."""
    name: str = ""
    mail: str = ""
    phone: str = ""

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

    def erase(self, customer: str) -> bool:
        """Forget a person; whether there was one. What was kept of messages to them goes too."""


def person_of(values: dict[str, Any]) -> Person:
    """A person from plain values; keys it does not know are ignored."""
    return Person(**{name: str(values.get(name) or "") for name in ("customer", "name", "mail", "phone")})


class PeopleClient:
    """`People` through the notifier that runs, found by the file it announces itself in."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    @classmethod
    def announced(cls, path: Path) -> PeopleClient | None:
        """The client for the notifier that announced itself in this file; None when there is no such file."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(found["people_url"], found["people_token"])
        except (FileNotFoundError, KeyError, ValueError):
            return None

    def get(self, customer: str) -> Person | None:
        """The person of a key; raises Unavailable when the notifier does not answer."""
        found = self._call("GET", customer)
        return person_of(found) if found else None

    def put(self, people: Iterable[Person]) -> None:
        """Write these people; raises Unavailable when the notifier does not answer."""
        self._call("PUT", body=[asdict(person) for person in people])

    def all(self) -> Sequence[Person]:
        """Everybody; raises Unavailable when the notifier does not answer."""
        return [person_of(values) for values in self._call("GET") or ()]

    def erase(self, customer: str) -> bool:
        """Forget a person; raises Unavailable when the notifier does not answer."""
        return self._call("DELETE", customer) is not None

    def _call(self, method: str, customer: str = "", body: object = None) -> Any:
        url = self._url + PATH + ("?" + urllib.parse.urlencode({"customer": customer}) if customer else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - always the announced loopback address
        try:
            # No proxy: the notifier listens on this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise Unavailable(f"the notifier answers {error.code} to {method} {PATH}") from None
        except OSError as error:
            raise Unavailable(f"the notifier does not answer at {self._url}: {error}") from None

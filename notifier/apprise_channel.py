"""SMS, push and chat through Apprise, which speaks to some 170 services: one address of the operator's with a place for the customer.

The only module that knows Apprise. Customers never bring an address of their own; a schema the operator has not named is refused; no
redirect, no second try and no log line of Apprise's, which would tell numbers and tokens.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import quote

import apprise

from notifier.apprise_watch import Watch, watching
from notifier.channels import Message, Outcome, Result
from notifier.glance import words_of
from vorab.codes import Codes
from vorab.errors import ConfigError
from vorab.people import Person
from vorab.records import Channel

PLACES: Final = frozenset({"phone", "tenant", "customer"})
LOCAL: Final = frozenset({
    "blink1", "dbus", "file", "gio", "glib", "gnome", "growl", "kde", "macosx", "mailto", "mailtos", "qt", "syslog", "windows",
})  # fmt: skip
"""These reach this machine and nobody else; mail has a channel of its own that can tell more."""
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_SCHEMA: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?]*)", re.IGNORECASE)
_FILLING: Final = re.compile(r"[\s()/.-]")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LOUD: Final = ("apprise", "urllib3.connectionpool")
SAMPLE: Final = Person("main/customer", phone="+4915112345678")


def number_of(phone: str) -> str:
    """A telephone number as E.164 writes it; empty where it is none, or has no country."""
    plain = _FILLING.sub("", phone)
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    return plain if _NUMBER.fullmatch(plain) else ""


def address_of(template: str, person: Person) -> str:
    """The template with this person in it, each value quoted; empty where a value is missing."""
    tenant, _, customer = person.customer.partition("/")
    values = {"phone": number_of(person.phone), "tenant": tenant, "customer": customer}
    if not all(values[place] for place in _PLACE.findall(template)):
        return ""
    return _PLACE.sub(lambda found: quote(values[found[1]], safe=""), template)


class AppriseChannel:
    """One of the ways Apprise knows.

    Raises:
        ConfigError: the address is not one Apprise can use, or its schema is not allowed.
    """

    idempotent = False

    def __init__(
        self, channel: Channel, template: str, schemas: Collection[str], codes: Codes | None = None, timeout_s: float = 20.0
    ) -> None:
        self.channel, self._template, self._codes, self._timeout_s = channel, template, codes or Codes(), timeout_s
        self._check(schemas)

    def __repr__(self) -> str:
        """Without the address: it holds secrets."""
        return f"AppriseChannel({self.channel})"

    def reaches(self, person: Person | None) -> bool:
        """Whoever has what the address needs."""
        return bool(address_of(self._template, person)) if person is not None else not _PLACE.search(self._template)

    def forget(self, notification: str) -> None:
        """Nothing: what was sent is out of the house."""

    def send(self, message: Message) -> Result:
        """One call in a thread of its own, waited for so long and no longer."""
        address = address_of(self._template, message.to)
        if not address:
            return Result(Outcome.FAILED, "nothing to reach the customer by any more")
        found: dict[str, Result] = {}
        title, body = words_of(self.channel, message, self._codes.of(message.case))

        def call() -> None:
            try:
                with watching() as watch:
                    found["result"] = self._call(address, title, body, watch)
            except Exception as error:  # noqa: BLE001 - 170 plugins of others: whatever one raises, the notifier goes on
                found["result"] = Result(Outcome.UNKNOWN, f"{self.channel}: {type(error).__name__}")

        thread = threading.Thread(target=call, name=f"apprise-{self.channel}", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        return found.get("result") or Result(Outcome.UNKNOWN, f"{self.channel}: no answer within {self._timeout_s:g} s")

    def _call(self, address: str, title: str, body: str, watch: Watch) -> Result:
        service = self._service(address)
        if service is None:
            return Result(Outcome.LATER, f"{self.channel}: the address cannot be used")
        sender = apprise.Apprise(asset=service.asset)
        sender.add(service)
        said = bool(sender.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
        return Result(watch.outcome(said=said), f"{self.channel}: {watch.told()}")

    def _service(self, address: str) -> Any:
        _hush()
        # Nothing is kept on disk, and no `${NAME}` in a text is looked up anywhere.
        asset = apprise.AppriseAsset(app_id="vorab", app_desc="vorab", async_mode=False, storage_mode="memory", allow_templates=False)
        service: Any = apprise.Apprise.instantiate(address, asset=asset)
        if service is not None:
            service.redirects = False
            service.retry = 0  # the first may have been taken
            service.optional = False  # it would call a failure sent
            service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        return service

    def _check(self, schemas: Collection[str]) -> None:
        key = f"notifier.{self.channel}.url"
        found = _SCHEMA.match(self._template)
        schema = found[1].lower() if found else ""
        if schema in LOCAL or schema not in {name.lower() for name in schemas}:
            hint = f'notifier.apprise_schemas = ["{schema}"] allows it' if schema and schema not in LOCAL else "for example twilio or ntfys"
            raise ConfigError(f"{schema or 'this'} is not a schema that may be used", key=key, hint=hint)
        unknown = set(_PLACE.findall(self._template)) - PLACES
        if unknown:
            raise ConfigError(f"there is nothing called {{{min(unknown)}}}", key=key, hint="{phone}, {customer} and {tenant} are filled in")
        if found and {"tenant", "customer"} & set(_PLACE.findall(found[2])):
            raise ConfigError("a customer's id may not be the host", key=key, hint="it may stand in the path")
        if self._service(address_of(self._template, SAMPLE)) is None:
            raise ConfigError(f"Apprise cannot use this {schema} address", key=key, hint="https://appriseit.com shows how it is written")


def _hush() -> None:
    """No line of the libraries: they name targets and paths, and so numbers and tokens."""
    for name in _LOUD:
        logging.getLogger(name).disabled = True

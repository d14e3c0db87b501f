"""The registry by way of the desk: entries go to the log, and the tables follow; nothing is written to the tables."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from desk.context import Context
from desk.patience import awaited
from desk.problems import Problem, unknown
from vorab.clock import Micros
from vorab.consents import changed, withdrawn
from vorab.errors import Unavailable
from vorab.people import PeopleClient
from vorab.records import Consent, ConsentBy, Customer, Purpose
from vorab.registry.kinds import CUSTOMERS, MARKS, PERSONAL, Kind, kept_marks
from vorab.registry.writing import write
from vorab.topics import partition_of

WAIT_S: Final = 10.0
STEPS: Final = 60
MARKED: Final = 32
"""Marks of a customer that are known when they come again."""
MOST_FRESH: Final = 10_000
READ_ONLY: Final = frozenset({"registered", "heard_at"})
"""What an answer says beside the entry; who sends it back means nothing by it."""


class RegistryWriter:
    """The one that writes for this desk."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._one = threading.Lock()
        """Who reads an entry to write it again is alone."""
        self._fresh: OrderedDict[tuple[str, str], tuple[Micros, Any]] = OrderedDict()
        """What was written last, until the tables have it."""

    def put(self, kind: Kind, key: str, values: dict[str, Any], text: str = "") -> tuple[Any, bool]:
        """Write an entry, and whether it is new; `text` is what the words are called that a customer agreed to.

        Raises:
            Problem: something about it is wrong; nothing was written.
            Unavailable: the log cannot take it now.
        """
        tenant, _, name = key.partition("/")
        values = {field: value for field, value in values.items() if field not in READ_ONLY}
        entry, wrong = kind.make({**values, kind.name: name, "tenant": tenant}, self._context.clock.now())
        errors = [{"pointer": f"#/{each.key}", "detail": each.what, "hint": each.hint} for each in wrong]
        errors += [_strange(kind, field) for field in values if field not in kind.fields]
        for field, right in ((kind.name, name), ("tenant", tenant)):
            if str(values.get(field, right)) != right:
                errors.append({"pointer": f"#/{field}", "detail": f"the address says {right}", "hint": "leave it out"})
        if errors:
            raise Problem(422, "invalid-entry", f"this is no {kind.name}", errors=errors)
        with self._one:
            known = self._known(kind, key, sure=kind is CUSTOMERS)
            entry = kept_marks(entry, known, values)
            self._write(kind, key, entry, changed(known, entry, ConsentBy.REST, text=text) if isinstance(entry, Customer) else ())
        self._wait(kind, key)
        return entry, known is None

    def take_out(self, kind: Kind, key: str) -> None:
        """Take an entry out; of a customer, all that is known of the person goes first.

        Raises:
            Problem: nobody knows it.
            Unavailable: the log cannot take it now, or no notifier runs that could forget the person.
        """
        with self._one:
            if self._known(kind, key) is None:
                raise unknown(kind.name)
            if kind is CUSTOMERS:
                people = PeopleClient.announced(self._context.settings.state_path)
                if people is None:
                    raise Unavailable("no notifier runs here that could forget the person; `vorab customers erase` does it without")
                people.erase(key)
            self._write(kind, key, None)
        self._wait(kind, key)

    def mark(self, key: str, marks: dict[str, int], name: str) -> Customer:
        """Count what a customer has been through; the same name counts once.

        Raises:
            Problem: nobody knows the customer.
            Unavailable: the log cannot take it now, or the tables are too far behind to count on.
        """
        with self._one:
            known = self._known(CUSTOMERS, key, sure=True)
            if known is None:
                raise unknown("customer")
            found: Customer = known
            if name not in found.marked:
                counts = {field: getattr(found, field) + marks.get(field, 0) for field in MARKS}
                marked = (*found.marked, name)[-MARKED:]
                found = found.model_copy(update={**counts, "marked": marked, "at": self._context.clock.now()})
                self._write(CUSTOMERS, key, found)
        self._wait(CUSTOMERS, key)
        return found

    def withdraw(self, key: str, purposes: Iterable[Purpose]) -> Customer | None:
        """A customer no longer agrees to messages for these purposes; None where nobody knows them, so that nothing has to be withdrawn.

        Raises:
            Unavailable: as `mark`.
        """
        with self._one:
            known: Customer | None = self._known(CUSTOMERS, key, sure=True)
            if known is not None:
                before, known = known, withdrawn(known, purposes, self._context.clock.now())
                if (known.purposes, known.own) != (before.purposes, before.own):
                    self._write(CUSTOMERS, key, known, changed(before, known, ConsentBy.PAGE))
        self._wait(CUSTOMERS, key)
        return known

    # --------------------------------------------------------------------------------------------------- inside

    def _write(self, kind: Kind, key: str, entry: Any, consents: Sequence[Consent] = ()) -> None:
        context = self._context
        recorded = context.settings.topics.recorded_partitions
        write(context.log, recorded, [] if entry is None else [*consents, entry], [] if entry is not None else [(kind.topic, key)], WAIT_S)
        place = kind.topic, partition_of(key, context.log.partitions(kind.topic), recorded)
        self._fresh[kind.topic, key] = (context.log.ends(kind.topic)[place[1]], entry)
        self._fresh.move_to_end((kind.topic, key))
        while len(self._fresh) > MOST_FRESH:
            self._fresh.popitem(last=False)

    def _known(self, kind: Kind, key: str, *, sure: bool = False) -> Any:
        """The entry as it is now: what we wrote last, or what the tables say; `sure`: that others wrote a moment ago counts as well."""
        fresh = self._fresh.get((kind.topic, key))
        at, partition = self._position(kind, key)
        if fresh is not None and fresh[0] == self._context.log.ends(kind.topic)[partition]:
            return fresh[1]
        if sure and not self._wait(kind, key):
            raise Unavailable("the tables of the desk are behind the log")
        if fresh is not None and at < fresh[0] and self._position(kind, key)[0] < fresh[0]:
            return fresh[1]
        self._fresh.pop((kind.topic, key), None)
        return self._context.queries.registry.get(kind, key)

    def _wait(self, kind: Kind, key: str) -> bool:
        """Wait a little until the tables hold what the log has now of this key's partition."""
        context, begun = self._context, self._context.clock.now()
        _, partition = self._position(kind, key)
        end = context.log.ends(kind.topic)[partition]
        if awaited(context.clock, lambda: self._position(kind, key)[0] >= end or None, STEPS):
            return True
        # Where the last offsets of a partition were tidied away, no table ever reaches the end.
        return context.projector.refreshed_at > begun

    def _position(self, kind: Kind, key: str) -> tuple[int, int]:
        context = self._context
        partition = partition_of(key, context.log.partitions(kind.topic), context.settings.topics.recorded_partitions)
        return context.queries.registry.position(kind.topic, partition), partition


def _strange(kind: Kind, field: str) -> dict[str, str]:
    personal = kind is CUSTOMERS and field in PERSONAL
    hint = "names and contact points go in by `vorab customers import`" if personal else f"known are {', '.join(kind.fields)}"
    return {"pointer": f"#/{field}", "detail": f"unknown key {field}", "hint": hint}

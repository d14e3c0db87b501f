"""What people write: sealed before it goes to the log, opened for whoever may read it. The keys are the notifier's, and stay there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from vorab import topics
from vorab.errors import Unavailable
from vorab.people import PeopleClient
from vorab.records import CaseEvent, Command, Device, Record, Request
from vorab.sealing import found_in, marked, replaced

R = TypeVar("R", bound=Record)

ERASED: Final = "(erased)"
"""In place of words whose key is destroyed."""
CLOSED: Final = "(words; the notifier that can open them does not answer)"
SEALED: Final = "(words)"
"""In place of words in lists, and where nobody asks the notifier."""


class Seal:
    """Seals and opens through the notifiers that announced themselves in a (state) folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def seal(self, customer: str, text: str) -> str:
        """Words of or about a customer (by key), sealed; nothing stays nothing.

        Raises:
            Unavailable: no notifier answers, so that they cannot be sealed; they must not be written as they are.
        """
        return self._people().seal(customer, [text])[0] if text else ""

    def detail(self, customer: str, text: str) -> str:
        """The same as it stands in the text of a command; words about nobody's machine stay as they are."""
        return marked(self.seal(customer, text)) if customer else text

    def opened(self, customers: Iterable[str], records: Sequence[Record]) -> list[Record]:
        """Records with the words in them put back; raises Unavailable as `seal`, where there are any."""
        left = list(dict.fromkeys(each for record in records for each in _sealed(record)))
        words: dict[str, str] = {}
        for customer in customers if left else ():
            found = self._people().opened(customer, left)
            words |= {sealed: text for sealed, text in zip(left, found, strict=True) if text is not None}
            left = [sealed for sealed in left if sealed not in words]
        return [_with(record, words, ERASED) for record in records]

    def _people(self) -> PeopleClient:
        found = PeopleClient.announced(self._folder)
        if found is None:
            raise Unavailable("no notifier runs beside this desk, and only it can seal what people write")
        return found


def whose(event: CaseEvent, machine: Device | None) -> str:
    """Key of the customer an event is about, or nothing; where it is from before its machine was registered, the customer of that."""
    name = event.customer or (machine.customer if machine else "")
    return topics.key_of(event.tenant, name) if name else ""


def closed(record: R, otherwise: str = SEALED) -> R:
    """A record in which something else stands in place of what is sealed."""
    return _with(record, {}, otherwise)


def _sealed(record: Record) -> list[str]:
    if isinstance(record, Request):
        return [record.said] if record.said else []
    return found_in(record.detail) if isinstance(record, CaseEvent | Command) else []


def _with(record: R, words: dict[str, str], otherwise: str) -> R:
    if not _sealed(record):
        return record
    if isinstance(record, Request):
        return record.model_copy(update={"text": words.get(record.said, otherwise)})
    detail: str = getattr(record, "detail", "")
    return record.model_copy(update={"detail": replaced(detail, words, otherwise)})

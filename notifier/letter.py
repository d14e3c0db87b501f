"""The letter: a PDF per message in a folder, for whoever prints, folds and posts; written whole, once per notification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from notifier.channels import Message, Outcome, Result
from notifier.folder import Folder
from notifier.letter_pdf import Letterhead, letter
from vorab.codes import Codes
from vorab.errors import ConfigError
from vorab.people import Person
from vorab.records import Channel
from vorab.registry.kinds import full_key
from vorab.service import logger

KEY: Final = "notifier.letter.addresses"


class Addresses:
    """Postal addresses from a file of the operator's, read anew when it has changed: who is taken out of it gets no more letters.

    Raises:
        ConfigError: not such a file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: Mapping[str, Sequence[str]] = {}
        self._seen = self._stamp()
        self._found = read(file)

    def of(self, customer: str) -> Sequence[str]:
        """The lines of a customer's address; none where there is none."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._found = read(self._file)
            except ConfigError as error:
                # Whom the new file takes out, the old one must not bring back.
                self._found = {}
                logger("notifier").warning("no letters", reason=str(error))
        return self._found.get(customer, ())

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._file.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size


def read(file: Path) -> dict[str, Sequence[str]]:
    """Customer keys (a bare id belongs to the default tenant) and the lines of their addresses.

    Raises:
        ConfigError: not such a file.
    """
    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError):
        raise ConfigError("postal addresses cannot be read", file=str(file), key=KEY) from None
    except yaml.YAMLError:  # its text would quote an address
        raise ConfigError("postal addresses are not valid YAML", file=str(file), key=KEY) from None
    if not isinstance(found, dict) or not all(isinstance(lines, list) and lines for lines in found.values()):
        hint = "c-5f3a9c: [Erika Muster, Hauptstraße 1, 10115 Berlin]"
        raise ConfigError("postal addresses are customer ids, each with the lines of its address", file=str(file), key=KEY, hint=hint)
    return {full_key(str(name)): tuple(str(line) for line in lines) for name, lines in found.items()}


class LetterChannel:
    """Writes `<notification>.pdf` into a folder; a letter that is there already is left as it is."""

    channel = Channel.LETTER
    idempotent = True

    def __init__(self, folder: Path, addresses: Addresses, head: Letterhead, codes: Codes | None = None) -> None:
        self._folder, self._addresses, self._head, self._codes = Folder(folder, "pdf"), addresses, head, codes or Codes()

    def path(self, notification: str) -> Path:
        """Where the letter of a notification stands."""
        return self._folder.path(notification)

    def reaches(self, person: Person | None) -> bool:
        """Whoever has an address in the file."""
        return person is not None and bool(self._addresses.of(person.customer))

    def send(self, message: Message) -> Result:
        """Set the letter and write it, on disk before it has its name."""
        address = self._addresses.of(message.to.customer)
        if not address:
            return Result(Outcome.FAILED, "no postal address any more")
        return self._folder.write(message.notification, letter(self._head, address, message, self._codes.of(message.case)))

    def forget(self, notification: str) -> None:
        """Delete the letter."""
        self._folder.forget(notification)

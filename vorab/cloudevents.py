"""CloudEvents 1.0 in binary mode: attributes as `ce_*` headers, the record itself as the value.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from vorab.clock import Micros, iso, parse_iso
from vorab.errors import Reason, Rejected

Headers = tuple[tuple[str, bytes], ...]

JSON: Final = b"application/json"
EDITION: Final = "ce_edition"
FRAME: Final = b"application/vnd.vorab.frame+msgpack"


class Attributes(NamedTuple):
    """The context attributes vorab reads."""

    id: str
    type: str
    source: str
    time: Micros
    subject: str


def headers(*, id: str, type: str, source: str, time: Micros, subject: str, content_type: bytes = JSON) -> Headers:  # noqa: A002 - the specification's names
    """The headers of one record, in a fixed order so that equal records are equal bytes."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", type.encode()),
        ("ce_time", iso(time).encode()),
        ("ce_subject", subject.encode()),
        ("content-type", content_type),
    )


def edition_header(edition: str) -> tuple[str, bytes]:
    """An extension attribute: which wording of policy decided a record."""
    return EDITION, edition.encode()


def edition_of(found: Iterable[tuple[str, bytes]]) -> str:
    """Which wording of policy decided a record; empty where nothing is said."""
    return dict(found).get(EDITION, b"").decode(errors="replace")


def attributes(found: Iterable[tuple[str, bytes]]) -> Attributes:
    """Read the attributes back.

    Raises:
        Rejected: when a required attribute is missing or unreadable.
    """
    have = dict(found)
    try:
        if have["ce_specversion"] != b"1.0":
            raise Rejected(Reason.NEWER_VERSION, f"CloudEvents {have['ce_specversion'].decode('latin-1')}")
        return Attributes(
            id=have["ce_id"].decode(),
            type=have["ce_type"].decode(),
            source=have["ce_source"].decode(),
            time=parse_iso(have["ce_time"].decode()),
            subject=have.get("ce_subject", b"").decode(),
        )
    except KeyError as error:
        raise Rejected(Reason.BAD_RECORD, f"header {error.args[0]} is missing") from None
    except ValueError as error:
        raise Rejected(Reason.BAD_RECORD, f"unreadable header: {error}") from None

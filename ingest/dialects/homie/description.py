"""What a Homie device says its properties are, and values as their datatype wants them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ingest.decoders.rows import SIGNAL, check_value
from ingest.decoders.strict import parse
from ingest.decoders.values import number_in
from ingest.dialects.trees import an_object, as_object, flat, plain, short
from ingest.units import unit
from vorab.errors import Reason, Rejected
from vorab.frame import Value

MOST_PROPERTIES: Final = 1_000
_WHOLE: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_TRUTHS: Final = {"true": True, "false": False}
_EMPTY: Final = b"\x00"
"""How an empty text is published, since a message without payload clears what is stored."""


class Property(NamedTuple):
    """One property of a node."""

    datatype: str = ""
    """Empty: not said."""
    unit: str = ""
    settable: bool | None = None


class Description(NamedTuple):
    """What a device of Homie 5 says about itself in one piece."""

    name: str
    root: str
    """Id of the device whose connection it uses; empty: it has its own."""
    properties: Mapping[str, Property]
    """By signal, `node.property`."""


def description(payload: bytes) -> Description:
    """The `$description` of a device; raises Rejected."""
    body = an_object(payload)
    version = body.get("homie")
    if not isinstance(version, str) or version.partition(".")[0] != "5":
        raise Rejected(Reason.NEWER_VERSION, f"a description of Homie {str(version)[:20]!r}")
    properties: dict[str, Property] = {}
    for node, found in as_object(body.get("nodes") or {}).items():
        for name, one in as_object(as_object(found).get("properties") or {}).items():
            told = as_object(one)
            if len(properties) == MOST_PROPERTIES:
                raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MOST_PROPERTIES} properties")
            datatype, spelled = short(told.get("datatype")), short(told.get("unit"))
            properties[signal(node, name)] = Property(datatype, unit(spelled) if spelled else "", told.get("settable") is True)
    return Description(short(body.get("name")), short(body.get("root")), properties)


def signal(node: str, name: str) -> str:
    """The signal of a property; raises Rejected (BAD_NAME)."""
    found = f"{node}.{name}"
    if not SIGNAL.fullmatch(found) or "/" in found or "." in node:
        raise Rejected(Reason.BAD_NAME, f"property {found[:60]!r}")
    return found


def read(name: str, datatype: str, payload: bytes) -> dict[str, Value]:
    """The value of a property as its datatype says, or by its looks where none is known; JSON may hold several.

    Raises:
        Rejected: BAD_UTF8, BAD_VALUE, NOT_FINITE, and what refuses JSON.
    """
    text = "" if payload == _EMPTY else plain(payload, 4_096 if datatype == "json" else 255)
    value: Value
    if datatype == "json":
        found: Any = parse(payload)
        return flat(found, name) if isinstance(found, dict) else flat({name: found})
    if datatype == "integer":
        if not _WHOLE.fullmatch(text):
            raise Rejected(Reason.BAD_VALUE, f"{name}: {text[:40]!r} is not a whole number")
        value = int(text)
    elif datatype == "float":
        value = float(number_in(name, text))
    elif datatype == "boolean":
        if text not in _TRUTHS:
            raise Rejected(Reason.BAD_VALUE, f"{name}: {text[:40]!r} is neither true nor false")
        value = _TRUTHS[text]
    else:
        value = text if datatype else _by_looks(name, text)
    check_value(name, value)
    return {name: value}


def _by_looks(name: str, text: str) -> Value:
    if text in _TRUTHS:
        return _TRUTHS[text]
    try:
        return number_in(name, text)
    except Rejected:
        return text


def written(value: Value) -> bytes:
    """A value as a device wants it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode() or _EMPTY

"""Nested JSON of foreign firmware as flat signals, and the small readings of it that several dialects need. Pure.

`{"ENERGY": {"Power": [36, 4], "Factor": null}}` becomes ENERGY.Power.0 = 36 and ENERGY.Power.1 = 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ingest.decoders.rows import MAX_NAME, MAX_SIGNALS, MAX_TEXT, check_name, check_value
from ingest.decoders.strict import parse
from ingest.dialects.words import ident
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.topics import ID

_NOT_IN_SIGNALS: Final = re.compile(r"[^A-Za-z0-9_.:/-]")
_MOST_RESULTS: Final = 64


def flat(tree: Mapping[str, Any], under: str = "", leave: frozenset[str] = frozenset()) -> dict[str, Value]:
    """The values of a tree by their path, joined with dots; `leave` are paths that are left out, with all below them.

    `null` is no value. A character that no signal's name may hold becomes `_`: the owner of a foreign device often cannot rename it.

    Raises:
        Rejected: BAD_NAME (also for two names that become one), BAD_VALUE, TOO_MANY_SIGNALS.
    """
    found: dict[str, Value] = {}
    for path, value in _leaves(tree, under, leave, MAX_SIGNALS):
        check_name(path)
        check_value(path, value)
        if path in found:
            raise Rejected(Reason.BAD_NAME, f"two values are called {path[:60]!r}")
        if len(found) == MAX_SIGNALS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} values")
        found[path] = value
    return found


def _leaves(tree: Mapping[str, Any] | list[Any], under: str, leave: frozenset[str], most: int) -> list[tuple[str, Any]]:
    """The values of a tree by their path; one more than `most` where there are more."""
    found: list[tuple[str, Any]] = []
    _gather(tree, under, leave, most, found)
    return found


def _gather(tree: Mapping[str, Any] | list[Any], under: str, leave: frozenset[str], most: int, found: list[tuple[str, Any]]) -> None:
    for key, value in enumerate(tree) if isinstance(tree, list) else tree.items():
        if value is None:
            continue
        name = _NOT_IN_SIGNALS.sub("_", key) if isinstance(key, str) else str(key)
        path = f"{under}.{name}" if under else name
        if path in leave:
            continue
        if not isinstance(value, dict | list):
            found.append((path, value))
        elif value:
            _gather(value, path[: MAX_NAME + 1], leave, most, found)  # what is longer is no name whatever follows
        if len(found) > most:
            return


def results(tree: object) -> dict[str, str | int | float | bool | None]:
    """What a device answered, as far as a reply can hold it: the first values, long text cut."""
    if not isinstance(tree, dict):
        return {} if tree is None else {"value": str(tree)[:MAX_TEXT]}
    found: dict[str, str | int | float | bool | None] = {}
    for path, value in _leaves(tree, "", frozenset(), _MOST_RESULTS)[:_MOST_RESULTS]:
        found[path[:128]] = value[:MAX_TEXT] if isinstance(value, str) else value
    return found


def device_id(*parts: str) -> str:
    """The id of a device by its foreign name; raises Rejected (BAD_NAME) where there is none, or it is too long for an id."""
    made = ident(*parts)
    if not all(parts) or not ID.fullmatch(made):
        raise Rejected(Reason.BAD_NAME, f"device {':'.join(parts)[:60]!r}")
    return made


def an_object(payload: bytes) -> dict[str, Any]:
    """The JSON object of a payload; raises Rejected."""
    return as_object(parse(payload))


def as_object(found: object) -> dict[str, Any]:
    """What was found, if it is an object; raises Rejected (BAD_SHAPE)."""
    if not isinstance(found, dict):
        raise Rejected(Reason.BAD_SHAPE, f"{_NAMES.get(type(found), 'nothing')} where an object should be")
    return found


def plain(payload: bytes, most: int = MAX_TEXT) -> str:
    """The text of a payload; raises Rejected (BAD_UTF8, BAD_VALUE)."""
    if len(payload) > 4 * most:
        raise Rejected(Reason.BAD_VALUE, f"{len(payload)} bytes of text, at most {most} characters")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise Rejected(Reason.BAD_UTF8, f"byte {error.start} is not UTF-8") from None
    if len(text) > most:
        raise Rejected(Reason.BAD_VALUE, f"{len(text)} characters, at most {most}")
    return text


def short(value: object) -> str:
    """A text for facts: cut to what they hold, and empty for what is no text."""
    return value[:MAX_TEXT] if isinstance(value, str) else ""


_NAMES: Final = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth"}

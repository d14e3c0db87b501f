"""Decoders of one's own: a function `rows(payload, sender)` named by `module:function` in the topic map.

What such a function hands back is checked like anything else that comes from outside, and an exception of it refuses the message: a
mistake in it may cost the messages it cannot read, never the worker that reads everybody's.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ingest.decoders.rows import FAR, MAX_SIGNALS, U32_MAX, U64_MAX, Row, Sender, check_name, check_value, counter
from vorab.errors import ConfigError, Reason, Rejected
from vorab.frame import Quality
from vorab.topics import ID

Rows = Callable[[bytes, Sender], list[Row]]

MAX_UNIT: Final = 64
_EVERY_BIT: Final = sum(Quality)
_HINT: Final = 'write decoder = "module:function"; the module lies beside vorab.toml or is installed; `vorab new decoder NAME` makes one'


def load(place: str) -> Rows:
    """The function at `module:function`; modules of the working folder count.

    Raises:
        ConfigError: there is no such module or function, or the module cannot be loaded.
    """
    module, _, name = place.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # noqa: BLE001 - a stranger's module may fail in any way while it is loaded
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the decoder {place!r} cannot be loaded: {why}", key="ingest.topic_map", hint=_HINT) from None
    if not callable(found):
        raise ConfigError(f"the decoder {place!r} cannot be loaded: {module} has no function {name!r}", key="ingest.topic_map", hint=_HINT)
    return guarded(place, found)


def guarded(place: str, rows: Callable[[bytes, Sender], object]) -> Rows:
    """The same function, so that it hands back good rows or raises Rejected, and nothing else."""

    def run(payload: bytes, sender: Sender) -> list[Row]:
        try:
            found = rows(payload, sender)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - see the docstring of this module
            raise Rejected(Reason.BAD_SHAPE, f"the decoder {place} failed: {type(error).__name__}: {str(error)[:100]}") from None
        return checked(found)

    return run


def checked(found: object) -> list[Row]:
    """Rows that columns can hold; raises Rejected for anything else."""
    if not isinstance(found, list) or not all(isinstance(row, Row) for row in found):
        raise Rejected(Reason.BAD_SHAPE, f"the decoder gave {type(found).__name__} where a list of Row should be")
    for row in found:
        _check(row)
    return found


def _check(row: Any) -> None:  # Any: the annotations of Row bind nobody in a stranger's module
    if not isinstance(row.values, dict) or not isinstance(row.units, dict):
        raise Rejected(Reason.BAD_SHAPE, "values and units are dicts")
    if len(row.values) > MAX_SIGNALS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"{len(row.values)} signals, at most {MAX_SIGNALS}")
    for name, value in row.values.items():
        _text(name, "a signal whose name is no text")
        check_name(name)
        check_value(name, value)
    for name, unit in row.units.items():
        _text(name, "a unit of nothing")
        _text(unit, f"the unit of {name[:60]} is no text")
        if len(unit) > MAX_UNIT:
            raise Rejected(Reason.BAD_VALUE, f"the unit of {name[:60]} is longer than {MAX_UNIT} characters")
    if row.at is not None and (isinstance(row.at, bool) or not isinstance(row.at, int) or abs(row.at) > 2 * FAR):
        raise Rejected(Reason.BAD_TIME, "a time that is no whole number of µs")
    for name, count, largest in (("boot", row.boot, U32_MAX), ("seq", row.seq, U64_MAX)):
        if count is not None:
            counter(name, count, largest)
    if row.heartbeat_s is not None and (isinstance(row.heartbeat_s, bool) or not isinstance(row.heartbeat_s, int | float)):
        raise Rejected(Reason.BAD_VALUE, "a heartbeat that is no number")
    _text(row.device, "a device behind the sender that is no text")
    if row.device and not ID.fullmatch(row.device):
        raise Rejected(Reason.BAD_NAME, "a device behind the sender that is no id")
    if not isinstance(row.quality, int) or row.quality & ~_EVERY_BIT:
        raise Rejected(Reason.BAD_VALUE, "a quality that is no sum of Quality")


def _text(value: object, otherwise: str) -> None:
    if not isinstance(value, str):
        raise Rejected(Reason.BAD_SHAPE, otherwise)

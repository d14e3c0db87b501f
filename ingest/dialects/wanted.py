"""Commands that are answered by the device's next state and not by a word of their own. Pure; bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.dialects.words import Answer
from vorab.clock import Micros
from vorab.frame import Value
from vorab.records import ReplyStatus

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Wish:
    correlation: str
    values: Mapping[str, Value | None]
    until: Micros


@dataclass(slots=True)
class Wanted:
    """The last wish at each device: which signals should have which value."""

    _wishes: OrderedDict[str, _Wish] = field(default_factory=OrderedDict)

    def ask(self, device: str, correlation: str, values: Mapping[str, Value | None], until: Micros) -> None:
        """Remember what a command wants; None: whatever value is heard of that signal is the answer. `until` is in µs."""
        self._wishes[device] = _Wish(correlation, dict(values), until)
        self._wishes.move_to_end(device)
        if len(self._wishes) > _MOST:
            self._wishes.popitem(last=False)

    def met(self, device: str, heard: Mapping[str, Value], now: Micros) -> list[Answer]:
        """The answer, if what was heard of a device is all that was wanted."""
        wish = self._wishes.get(device)
        if wish is None:
            return []
        if now > wish.until:
            del self._wishes[device]
            return []
        if not all(name in heard and (value is None or same(heard[name], value)) for name, value in wish.values.items()):
            return []
        del self._wishes[device]
        return [Answer(device, wish.correlation, ReplyStatus.SUCCEEDED, result={name: heard[name] for name in wish.values})]

    def wish(self, device: str, now: Micros) -> tuple[str, Mapping[str, Value | None]] | None:
        """The correlation and values of what is wanted of a device now."""
        wish = self._wishes.get(device)
        return (wish.correlation, wish.values) if wish is not None and now <= wish.until else None


def same(one: Value, other: Value) -> bool:
    """Whether a device means by one value what was asked with the other: `ON` and `on`, 21 and `21.0`, true and `true`."""
    if one == other:
        return True
    return _canonical(one) == _canonical(other)


def _canonical(value: Value) -> str:
    text = str(value).strip().lower()
    if isinstance(value, bool):
        return text
    try:
        return repr(float(text)) if len(text) < 40 else text
    except ValueError:
        return text

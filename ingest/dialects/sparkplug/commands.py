"""Actions as writes to metrics, and what proves them: the value in DATA, or a new birth after a death. Pure.

Sparkplug has no answers. A `set` has succeeded when the metric says what was asked for; a restart when the node or device was born again
and not merely asked to repeat its birth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.dialects.sparkplug.payload import BOOLEAN, Written, same, write
from ingest.dialects.sparkplug.session import REBIRTH, Device
from ingest.dialects.words import Answer, Order
from vorab.clock import HOUR, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.records import Action, ReplyStatus

_REMEMBERED: Final = 10_000
_BIRTHS: Final = frozenset({"rebirth", "read", "diagnose"})
"""Actions a repeated birth answers: it says all there is to say."""


@dataclass(slots=True)
class _Asked:
    """What is under way for a device."""

    correlation: str
    name: str
    not_after: Micros
    values: dict[str, Value] = field(default_factory=dict)
    """By metric: what has not been seen yet."""
    died: bool = False


class Commands:
    """What was asked of each device, by ident."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    def order(self, action: Action, address: str, ident: str, device: Device | None, now: Micros) -> Order:
        """The command for `group/node` or `group/node/device`.

        Raises:
            Rejected: an action there is no metric for, a metric the birth did not name, or a value it cannot hold.
        """
        levels = address.split("/")
        group, node, child = levels[0], levels[1], "/".join(levels[2:])
        wanted: dict[str, Value] = {}
        to_child = bool(child)
        if action.name == "restart":
            metrics = [Written(f"{'Device' if child else 'Node'} Control/Reboot", BOOLEAN, value=True)]
        elif action.name in _BIRTHS:
            metrics, to_child = [Written(REBIRTH, BOOLEAN, value=True)], False
        elif action.name == "set":
            metrics = _written(action.params, device)
            wanted = {metric.name: metric.value for metric in metrics}
        else:
            raise Rejected(Reason.UNSUPPORTED, f"Sparkplug has no command {action.name!r}")
        self._remember(ident, _Asked(action.id, action.name, action.not_after, wanted))
        topic = f"spBv1.0/{group}/DCMD/{node}/{child}" if to_child else f"spBv1.0/{group}/NCMD/{node}"
        return Order(topic, write(metrics, now // 1000), action.id, qos=0, repeatable=action.name != "restart")

    def waits_for(self, ident: str) -> bool:
        """Whether something is under way for a device."""
        return ident in self._asked

    def seen(self, ident: str, values: Mapping[str, Value]) -> list[Answer]:
        """A device has said these values, by metric."""
        asked = self._asked.get(ident)
        if asked is None or asked.name != "set":
            return []
        for name in [name for name, wanted in asked.values.items() if name in values and same(values[name], wanted)]:
            del asked.values[name]
        return [] if asked.values else [self._done(ident)]

    def died(self, ident: str) -> None:
        """A device is gone."""
        if ident in self._asked:
            self._asked[ident].died = True

    def born(self, ident: str, *, anew: bool) -> list[Answer]:
        """A device was born; `anew` in a new session and not at a request to repeat the birth."""
        asked = self._asked.get(ident)
        if asked is None:
            return []
        if asked.name in _BIRTHS or (asked.name == "restart" and (anew or asked.died)):
            return [self._done(ident)]
        return []

    def due(self, now: Micros) -> None:
        """Forget what has expired."""
        for ident in [ident for ident, asked in self._asked.items() if now > asked.not_after + HOUR]:
            del self._asked[ident]

    def _remember(self, ident: str, asked: _Asked) -> None:
        before = self._asked.pop(ident, None)
        if before is not None and before.correlation == asked.correlation:
            asked = before  # the same, once more
        self._asked[ident] = asked
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)

    def _done(self, ident: str) -> Answer:
        return Answer(ident, self._asked.pop(ident).correlation, ReplyStatus.SUCCEEDED)


def _written(params: Mapping[str, object], device: Device | None) -> list[Written]:
    if device is None:
        raise Rejected(Reason.UNSUPPORTED, "its birth has not been heard yet, so the kinds of its metrics are not known")
    if not params:
        raise Rejected(Reason.BAD_VALUE, "set: no metric is named")
    by_signal = {known.signal: known for known in device.names.values() if known.signal}
    found = []
    for name, value in params.items():
        known = device.names.get(name) or by_signal.get(name)
        if known is None:
            raise Rejected(Reason.UNSUPPORTED, f"the birth named no metric {name[:60]!r}")
        if not isinstance(value, int | float | bool | str):
            raise Rejected(Reason.BAD_VALUE, f"{name[:60]}: no value")
        found.append(Written(known.name, known.datatype, value))
    return found

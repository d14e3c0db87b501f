"""Which group explains cases best that opened at about the same time. Pure.

Of the groups in which enough devices have a case, the one is taken that fits best: by how many devices either have such a case or are
in the group, how many are both (Jaccard). A whole site without power is its site and not its models; a bad firmware at hundreds of
sites is the firmware and not one incident per site. Where two fit equally, the more specific one is taken. A device that is down
explains all that is behind it, however little that is; of several such devices the one with most behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from streams.incidents.state import Kid
from vorab.groups import KINDS, PLACES, kind_of, parent_of, without_cause
from vorab.topics import key_of


class Bars(NamedTuple):
    """What makes an incident."""

    devices: int
    """So many at least."""
    share: float
    """And so many of those at the place."""
    share_wide: float
    """And so many of the firmware, the model, or the fleet."""


class Fit(NamedTuple):
    """A group that explains cases."""

    group: str
    cases: list[str]
    root: str = ""


class Fresh:
    """Cases that may be part of a storm, by group and device."""

    def __init__(self, tenant: str, bars: Bars, size: Callable[[str], int]) -> None:
        self._tenant, self._bars, self._size = tenant, bars, size
        self._groups: dict[str, dict[str, list[str]]] = {}
        self._devices: dict[str, int] = {}
        self.down: dict[str, str] = {}
        """Devices that are down, and the case that says so."""

    def add(self, kid: Kid) -> None:
        """Take a case in."""
        for group in kid.groups:
            self._groups.setdefault(group, {}).setdefault(kid.device, []).append(kid.case)
        self._devices[kid.device] = self._devices.get(kid.device, 0) + 1

    def drop(self, kid: Kid) -> None:
        """Take a case out."""
        for group in kid.groups:
            devices = self._groups[group]
            devices[kid.device].remove(kid.case)
            if not devices[kid.device]:
                del devices[kid.device]
            if not devices:
                del self._groups[group]
        self._devices[kid.device] -= 1
        if not self._devices[kid.device]:
            del self._devices[kid.device]

    def stirs(self, groups: Iterable[str]) -> bool:
        """Whether one of these groups would be an incident now."""
        return any(self._enough(group) for group in groups)

    def choose(self) -> Iterator[Fit]:
        """The incidents there are, the best first; whoever takes one drops its cases before asking for the next."""
        while (group := self._best()) is not None:
            cases = [case for cases in self._groups[group].values() for case in cases]
            yield Fit(group, cases, self._root(group))

    def _best(self) -> str | None:
        best: str | None = None
        score: tuple[float, ...] = ()
        for group in self._groups:
            if not self._enough(group):
                continue
            found = self._score(group)
            if best is None or found > score or (found == score and group < best):
                best, score = group, found
        return best

    def _score(self, group: str) -> tuple[float, ...]:
        n = len(self._groups[group])
        if self._root(group):
            return 1.0, n
        either = len(self._devices) + max(self._known(group), n) - n
        return 0.0, n / either, -KINDS.index(kind_of(group))

    def _enough(self, group: str) -> bool:
        devices = self._groups.get(group)
        if not devices:
            return False
        root = self._root(group)
        if root:
            return len(devices.keys() - {parent_of(group)}) > 0
        n, known = len(devices), self._known(group)
        share = self._bars.share if kind_of(group) in PLACES else self._bars.share_wide
        return n >= self._bars.devices and n >= share * known

    def _known(self, group: str) -> int:
        return self._size(key_of(self._tenant, without_cause(group)))

    def _root(self, group: str) -> str:
        return self.down.get(parent_of(group), "") if self.down else ""


def members(kids: Mapping[str, Kid], cases: Iterable[str]) -> list[Kid]:
    """The cases in the order in which they were opened."""
    return sorted((kids[case] for case in cases), key=lambda kid: (kid.opened_at, kid.case))

"""Which devices belong together: behind the same parent, in the same cohort, and how many are in each group. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from vorab.groups import whole_groups
from vorab.records import Device
from vorab.topics import key_of

Group = tuple[str, str, str]
"""Tenant, `parent` or `cohort`, and its name."""


class Kin:
    """Relations of the devices of a registry, kept up to date as they come and go."""

    def __init__(self) -> None:
        self._members: defaultdict[Group, dict[str, None]] = defaultdict(dict)
        self._sizes: Counter[str] = Counter()

    def replace(self, before: Device | None, after: Device | None) -> None:
        """A device is another one now, new, or gone."""
        if before is not None:
            for group in _groups_of(before):
                self._members[group].pop(before.key, None)
            self._sizes.subtract(whole_groups(before))
        if after is not None:
            for group in _groups_of(after):
                self._members[group][after.key] = None
            self._sizes.update(whole_groups(after))

    def related(self, devices: Mapping[str, Device], device: Device, how: str) -> list[Device]:
        """The `parent`, each `sibling` (same parent) or the `cohort` of a device among these, by id."""
        if how == "parent":
            parent = devices.get(key_of(device.tenant, device.parent)) if device.parent else None
            return [parent] if parent is not None else []
        name = device.parent if how == "sibling" else device.cohort
        group = (device.tenant, "parent" if how == "sibling" else "cohort", name)
        keys = list(self._members.get(group, ())) if name else []
        return sorted((devices[key] for key in keys if key != device.key and key in devices), key=lambda each: each.device)

    def size(self, group: str) -> int:
        """How many devices are in `tenant/group`."""
        return self._sizes[group]


def _groups_of(device: Device) -> Iterable[Group]:
    return ((device.tenant, how, name) for how, name in (("parent", device.parent), ("cohort", device.cohort)) if name)

"""Where devices stand: a device without a time zone of its own has that of its site, or of the site that one belongs to. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from vorab.records import Device, Site
from vorab.topics import key_of

DEEPEST: Final = 16
"""Sites within sites; what goes deeper, or round in a circle, has no time zone."""


class Places:
    """Sites, and the devices that take their time zone from one.

    What `place` gives for a device stays the same object until something about it changes: who holds it sees that nothing did.
    """

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self._within: defaultdict[str, set[str]] = defaultdict(set)
        """Sites by the site they belong to."""
        self._there: defaultdict[str, dict[str, Device]] = defaultdict(dict)
        """Devices as the registry has them, by the site whose zone they take."""
        self._site_of: dict[str, str] = {}

    def place(self, device: Device) -> Device:
        """The device as it is for everybody else."""
        self.leave(device.key)
        if device.time_zone or not device.site:
            return device
        site = key_of(device.tenant, device.site)
        self._there[site][device.key] = device
        self._site_of[device.key] = site
        return self._zoned(device, self._zone(site))

    def leave(self, key: str) -> None:
        """A device is gone, or stands elsewhere."""
        site = self._site_of.pop(key, None)
        if site is not None:
            del self._there[site][key]

    def settle(self, key: str, site: Site | None) -> Iterator[Device]:
        """A site is new, changed or (None) gone: the devices of which that may make another one."""
        old = self.sites.pop(key, None)
        if old is not None and old.parent:
            self._within[key_of(old.tenant, old.parent)].discard(key)
        if site is not None:
            self.sites[key] = site
            if site.parent:
                self._within[key_of(site.tenant, site.parent)].add(key)
        if (old.time_zone, old.parent) == (site.time_zone, site.parent) if old and site else not (old or site):
            return
        for place in self._all_within(key):
            zone = self._zone(place)
            for device in self._there.get(place, {}).values():
                yield self._zoned(device, zone)

    @staticmethod
    def _zoned(device: Device, zone: str) -> Device:
        return device.model_copy(update={"time_zone": zone}) if zone else device

    def _zone(self, key: str) -> str:
        for _ in range(DEEPEST):
            site = self.sites.get(key)
            if site is None or site.time_zone or not site.parent:
                return site.time_zone if site else ""
            key = key_of(site.tenant, site.parent)
        return ""

    def _all_within(self, key: str) -> list[str]:
        found = [key]
        for place in found:
            found += [other for other in sorted(self._within.get(place, ())) if other not in found]
        return found

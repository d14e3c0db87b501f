"""What devices may have in common: the groups in which many cases at once are an incident.

A group is written `kind/name`, and `kind/name|cause` where devices far apart only belong together when they have the same fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vorab.topics import key_of

if TYPE_CHECKING:
    from vorab.records import Device

PARENT: Final = "parent"
SITE: Final = "site"
FIRMWARE: Final = "firmware"
MODEL: Final = "model"
FLEET: Final = "fleet"
"""All devices of a tenant: with a cause, what one rule found on whatever device."""

KINDS: Final[Sequence[str]] = (PARENT, SITE, FIRMWARE, MODEL, FLEET)
"""The most specific first."""
PLACES: Final = frozenset({PARENT, SITE})
"""Devices that share a place may fail in many ways at once; all others are grouped by cause as well."""


def kind_of(group: str) -> str:
    """`site` of `site/ahornweg`."""
    return group.partition("/")[0].partition("|")[0]


def with_cause(group: str, cause: str) -> str:
    """The group of those that have the same cause as well, unless it is a place."""
    return group if kind_of(group) in PLACES else f"{group}|{cause}"


def without_cause(group: str) -> str:
    """The group of all its devices."""
    return group.partition("|")[0]


def of_parent(name: str) -> str:
    """The devices behind one."""
    return f"{PARENT}/{name}"


def parent_of(group: str) -> str:
    """The device that the devices of the group are behind; empty where they have no such thing in common."""
    kind, _, name = group.partition("/")
    return name if kind == PARENT else ""


def groups_of(*, parent: str = "", site: str = "", model: str = "", firmware: str = "") -> list[str]:
    """The groups of a device, the most specific first."""
    return [
        *([of_parent(parent)] if parent else []),
        *([f"{SITE}/{site}"] if site else []),
        *([f"{FIRMWARE}/{model}/{firmware}"] if model and firmware else []),
        *([f"{MODEL}/{model}"] if model else []),
        FLEET,
    ]


def whole_groups(device: Device) -> list[str]:
    """The same as keys (`tenant/group`), for counting."""
    found = groups_of(parent=device.parent, site=device.site, model=device.model, firmware=device.firmware)
    return [key_of(device.tenant, group) for group in found]

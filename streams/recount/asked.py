"""What can be checked, by its id."""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """Something that can be checked."""

    id: str
    kind: str
    """`case`, `action`, `command` or `incident`."""
    case: str
    """Or the incident."""

"""The account of goodwill of one customer: what was granted, and that it is never more than the cap in any 365 days. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from vorab.clock import DAY, Micros

YEAR: Final[Micros] = 365 * DAY


class Grant(msgspec.Struct, array_like=True):
    """Money that was granted."""

    at: Micros
    cents: int


class Account(msgspec.Struct):
    """Grants by the id of the event that asked; asked again, the answer is the same.

    They are kept for ever: the cap allows a customer a few in a year.
    """

    grants: dict[str, Grant] = {}

    def ask(self, because: str, at: Micros, cents: int, cap: int) -> bool:
        """Whether it is granted; then it is counted.

        Grants that carry a later time count as well: whatever year one looks at, it is never more than the cap.
        """
        if because in self.grants:
            return True
        granted = self.given(at) + cents <= cap
        if granted:
            self.grants[because] = Grant(at, cents)
        return granted

    def given(self, at: Micros) -> int:
        """Cents granted less than a year before or after a moment."""
        return sum(grant.cents for grant in self.grants.values() if abs(grant.at - at) < YEAR)


def money(cents: int, currency: str) -> str:
    """`20.00 EUR`."""
    return f"{cents // 100}.{cents % 100:02} {currency}"

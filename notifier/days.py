"""Quiet days: Sundays, and the public holidays of a region by the tables of the library `holidays`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from vorab.records import QuietDay

SUNDAY: Final = 6
"""As `date.weekday` counts."""


def quiet_days(kinds: Sequence[QuietDay], region: str) -> Callable[[date], str]:
    """Tells of a day why it is quiet; empty where it is not. `region` is a country or a part of one after ISO 3166."""

    def why(day: date) -> str:
        if QuietDay.SUNDAY in kinds and day.weekday() == SUNDAY:
            return "Sunday"
        return _holidays(region, day.year).get(day, "") if region and QuietDay.HOLIDAY in kinds else ""

    return why


@functools.lru_cache(maxsize=512)
def _holidays(region: str, year: int) -> Mapping[date, str]:
    import holidays  # noqa: PLC0415 - large, and needed only where a person's region is known

    country, _, part = region.partition("-")
    for subdivision in (part or None, None):
        # A part of a country that the tables do not know has the holidays of the whole; a country they do not know has none.
        try:
            return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))
        except NotImplementedError:
            continue
    return {}

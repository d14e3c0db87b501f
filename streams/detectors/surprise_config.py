"""Settings of the surprise detector. `python -m vorab.bench.nab_study DATA neighbours` shows how much hangs on each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SurpriseConfig:
    """Settings, counted in readings where the name carries no unit. Chosen once for all kinds of series."""

    cells: int = 23
    """Cells of the range. Fewer see only large moves, more take longer to learn."""
    lag: int = 40
    """The longer of the two memories looks so many readings back; the other looks one back."""
    prior: float = 0.07
    """Readings that speak for every cell alike before anything was seen: small, so that the first time is a surprise."""
    neighbour: float = 0.25
    """Weight of the cells beside the one a reading fell into: a neighbour of the usual is almost usual."""
    rarity: float = 0.33
    """Share of the plain rarity of a cell in the surprise; the rest is the rarity of the move."""
    base: float = 2.0
    """Growth of the steps of a counter: fifteen of them reach 32,767 readings."""
    most: int = 16_384
    """Readings after which all counts are halved: what was usual two months ago at five minutes counts half."""
    middle_speed: float = 0.125
    """Share of a new surprise in the middle average: some moves in a row, none of which is a surprise alone."""
    slow_speed: float = 0.016
    """The same for the slow one: behaviour that has become another."""
    forget: float = 18_000.0
    """Readings in which the record of a surprise fades to 37 %."""
    margin: float = 0.012
    """By which share a record must be beaten. Records of surprise are hard to beat, so a hair is enough."""
    offset: float = 0.25
    """Added to surprise and record, in nats: the record of a series that never surprised is small, and beating it means little."""
    far_weight: float = 2.0
    """Weight of the channels of the longer lag: a plain move from one reading to the next must beat its record by twice the margin …"""
    slow_weight: float = 2.0
    """… and the slow averages, which change little from reading to reading, by half of it."""
    mean_weight: float = 0.66
    """Weight of the average of the value: how far outside its record it is, in widths of the record."""
    mean_speed: float = 0.065
    """Share of a new reading in that average: about 15 readings, or an hour and a quarter at five minutes."""
    mean_forget: float = 14_000.0
    """Readings in which the record of the average fades to 37 %."""
    hold: int = 110
    """Readings after a report without another one."""
    warm_up: int = 100
    """No report before so many readings."""
    settle: int = 50
    """Readings after which the range grows with care …"""
    growth: float = 1.5
    """… by so many widths at most for a first reading outside: sensors say 65535 now and then, and one such value must not own it."""
    headroom: float = 0.12
    """What the range gains beyond a reading outside, as a share of its width, so that it does not grow with every new extreme."""

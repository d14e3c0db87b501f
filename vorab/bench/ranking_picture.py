"""The curve of `vorab bench ranking`: as SVG that reads on light and on dark ground, and as one line for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

WIDE: Final = 720
HIGH: Final = 360
LEFT: Final = 56
RIGHT: Final = 132
TOP: Final = 24
BOTTOM: Final = HIGH - 40
LOWEST: Final = 0.2
"""Of the best possible, at the foot of the picture."""
BARS: Final = "▁▂▃▄▅▆▇█"
OTHERS: Final = {"random": "#888", "most popular": "#a66a00", "best fixed": "#7a4ea8"}


def sparkline(values: Sequence[float]) -> str:
    """One character a value, from the foot of the picture to 1."""
    places = ((value - LOWEST) / (1 - LOWEST) * (len(BARS) - 1) for value in values)
    return "".join(BARS[min(len(BARS) - 1, max(0, round(place)))] for place in places)


def picture(daily: Sequence[Sequence[float]], others: Mapping[str, float], bar: float) -> str:
    """Share of the best possible, day by day: the mean of all seeds on a band from the worst to the best, beside what others reach."""

    def x(day: float) -> float:
        return LEFT + day / max(1, len(daily) - 1) * (WIDE - LEFT - RIGHT)

    def y(value: float) -> float:
        return BOTTOM - (max(LOWEST, min(1.1, value)) - LOWEST) / (1.1 - LOWEST) * (BOTTOM - TOP)

    upper = [f"{x(day):.1f},{y(max(values)):.1f}" for day, values in enumerate(daily)]
    lower = [f"{x(day):.1f},{y(min(values)):.1f}" for day, values in enumerate(daily)]
    curve = [f"{x(day):.1f},{y(mean(values)):.1f}" for day, values in enumerate(daily)]
    end = WIDE - RIGHT
    marks = [
        f'<path d="M{LEFT} {y(value):.1f}H{end}" stroke="#888" opacity=".3"/>'
        f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0%}</text>'
        for value in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    marks += [f'<text x="{x(day - 1):.1f}" y="{BOTTOM + 20}" text-anchor="middle">day {day}</text>' for day in (1, 10, 20, 30)]
    marks += [
        f'<path d="M{x(len(daily) - 8):.1f} {y(others[name]):.1f}H{end}" stroke="{colour}" stroke-width="2" stroke-dasharray="2 3"/>'
        f'<text x="{end + 8}" y="{y(others[name]) + 4:.1f}" fill="{colour}">{name}</text>'
        for name, colour in OTHERS.items()
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#808890">'
        "<title>Share of first proposals that solve a case, of the best possible, day by day</title>"
        f'{"".join(marks)}<path d="M{LEFT} {y(bar):.1f}H{end}" stroke="#c0392b" stroke-dasharray="4 4"/>'
        f'<text x="{end + 8}" y="{y(bar) + 4:.1f}" fill="#c0392b">bar: {bar:.0%}</text>'
        f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="#4a78b5" opacity=".2"/>'
        f'<polyline points="{" ".join(curve)}" fill="none" stroke="#4a78b5" stroke-width="2"/></svg>\n'
    )

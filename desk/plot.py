"""The evidence drawn as SVG on the server: complete without a script, and styled by the page's own tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from desk.evidence import Evidence, Mark
from desk.words import number, spaced, unit
from vorab.clock import DAY, HOUR, MINUTE, Micros, to_datetime

LEFT: Final = 64.0
RIGHT: Final = 16.0
BOTTOM: Final = 28.0
LANE: Final = 20.0
CHAR: Final = 6.7
SHAPES: Final = {
    "onset": "M0-5L5 4L-5 4Z",
    "detected": "M0-5L5 0L0 5L-5 0Z",
    "command": "M-4-4H4V4H-4Z",
    "answer": "M-4-4H4V4H-4Z",
    "doubt": "M-4-4L4 4M4-4L-4 4",
    "person": "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",
    "proof": "M-5 0L-1 4L5-4",
    "message": "M-5-4H5V4H-5ZM-5-4L0 1L5-4",
}
STEPS: Final[Sequence[Micros]] = (
    10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
)  # fmt: skip


class _Scale:
    def __init__(self, shown: Evidence, width: float, height: float, top: float) -> None:
        self.shown, self.width, self.height, self.top = shown, width, height, top
        self.low, self.high = shown.range
        self.floor = height - BOTTOM

    def x(self, at: Micros) -> float:
        span = max(1, self.shown.last - self.shown.first)
        return LEFT + (self.width - LEFT - RIGHT) * (at - self.shown.first) / span

    def y(self, value: float) -> float:
        return self.floor - (self.floor - self.top) * (value - self.low) / (self.high - self.low)


def svg(shown: Evidence, zone: ZoneInfo, width: float = 1040.0, height: float = 360.0) -> Markup:
    """The plot; its text is its own description."""
    lanes = _lanes(shown, width)
    top = 12 + LANE * (max((lane for _, lane, _ in lanes), default=-1) + 1)
    scale = _Scale(shown, width, height, top)
    parts = [
        (
            f'<svg class="plot" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(shown.describe())}" '
            'preserveAspectRatio="xMidYMid meet">'
        ),
        *_band(scale),
        *_grid(scale, zone),
        *_curve(scale),
        *_marks(scale, lanes),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text in it went through escape()


def _lanes(shown: Evidence, width: float) -> list[tuple[Mark, int, bool]]:
    """Each mark with the first lane in which its label overlaps no other, and whether it stands left of its line."""
    scale = _Scale(shown, width, 100, 0)
    ends: list[float] = []
    found = []
    for mark in shown.marks:
        if not shown.first <= mark.at <= shown.last:
            continue
        x, length = scale.x(mark.at), len(mark.text) * CHAR + 16
        flipped = x + length > width - RIGHT
        start, end = (x - length, x + 8) if flipped else (x - 6, x + length)
        lane = next((i for i, taken in enumerate(ends) if taken <= start), len(ends))
        if lane == len(ends):
            ends.append(end)
        ends[lane] = end
        found.append((mark, lane, flipped))
    return found


def _band(scale: _Scale) -> Iterator[str]:
    shown = scale.shown
    if shown.low is None and shown.high is None:
        return
    upper = scale.top if shown.high is None else scale.y(shown.high)
    lower = scale.floor if shown.low is None else scale.y(shown.low)
    left, right = LEFT, scale.width - RIGHT
    yield f'<rect class="band" x="{left:.1f}" y="{upper:.1f}" width="{right - left:.1f}" height="{max(0.0, lower - upper):.1f}"/>'
    if shown.proving:
        a, b = (min(max(scale.x(at), left), right) for at in shown.proving)
        yield f'<rect class="proving" x="{a:.1f}" y="{upper:.1f}" width="{b - a:.1f}" height="{max(0.0, lower - upper):.1f}"/>'


def _grid(scale: _Scale, zone: ZoneInfo) -> Iterator[str]:
    shown = scale.shown
    for value in ticks(scale.low, scale.high):
        y = scale.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{scale.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(number(value))}</text>'
    named = " ".join(part for part in (spaced(shown.signal), f"({unit(shown.unit)})" if unit(shown.unit) else "") if part)
    yield f'<text class="axis" x="{LEFT + 6}" y="{scale.floor - 8:.1f}">{escape(named)}</text>'
    for at, text in moments(shown.first, shown.last, zone):
        yield f'<text class="tick" x="{scale.x(at):.1f}" y="{scale.height - 8:.1f}" text-anchor="middle">{text}</text>'
        yield f'<line class="notch" x1="{scale.x(at):.1f}" x2="{scale.x(at):.1f}" y1="{scale.floor:.1f}" y2="{scale.floor + 5:.1f}"/>'
    yield f'<line class="floor" x1="{LEFT}" x2="{scale.width - RIGHT}" y1="{scale.floor:.1f}" y2="{scale.floor:.1f}"/>'
    if shown.limit is not None:
        y = scale.y(shown.limit)
        yield f'<line class="limit" x1="{LEFT}" x2="{scale.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        text = escape(f"limit {number(shown.limit, shown.unit)}")
        yield f'<text class="limit-text" x="{scale.width - RIGHT - 6}" y="{y - 6:.1f}" text-anchor="end">{text}</text>'


def _curve(scale: _Scale) -> Iterator[str]:
    points = scale.shown.points
    if not points:
        middle = (LEFT + scale.width - RIGHT) / 2
        yield f'<text class="axis" x="{middle:.1f}" y="{(scale.top + scale.floor) / 2:.1f}" text-anchor="middle">no readings kept</text>'
        return
    places = " ".join(f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, value in points)
    yield f'<polyline class="curve" points="{places}"/>'
    if len(points) > 200:
        return
    for at, value in points:
        if not scale.shown.inside(value):
            yield f'<circle class="out" cx="{scale.x(at):.1f}" cy="{scale.y(value):.1f}" r="3"/>'


def _marks(scale: _Scale, lanes: Sequence[tuple[Mark, int, bool]]) -> Iterator[str]:
    for mark, lane, flipped in lanes:
        x, y = scale.x(mark.at), 12 + LANE * lane
        yield f'<g class="mark {mark.kind}"><line x1="{x:.1f}" x2="{x:.1f}" y1="{y + 6:.1f}" y2="{scale.floor:.1f}"/>'
        yield f'<path transform="translate({x:.1f} {y:.1f})" d="{SHAPES[mark.kind]}"/>'
        anchor, at = ("end", x - 9) if flipped else ("start", x + 9)
        yield f'<text x="{at:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(mark.text)}</text></g>'


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values between two values."""
    span = high - low
    power = 10.0 ** (len(f"{int(span)}") - 1) if span >= 1 else 10.0 ** -len(f"{1 / span:.0f}")
    for factor in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50):
        step = power * factor
        if span / step <= most:
            break
    first = -(-low // step)
    return [round((first + i) * step, 10) for i in range(int((high - first * step) // step) + 1)]


def moments(first: Micros, last: Micros, zone: ZoneInfo, most: int = 9) -> Iterator[tuple[Micros, str]]:
    """Round moments between two moments, with how they are written."""
    step = next((step for step in STEPS if (last - first) / step <= most), STEPS[-1])
    offset = to_datetime(first).astimezone(zone).utcoffset()
    shift = int(offset.total_seconds()) * 1_000_000 if offset else 0
    at = -(-(first + shift) // step) * step - shift
    while at <= last:
        local = to_datetime(at).astimezone(zone)
        yield at, f"{local.day} {local:%b}" if step >= DAY else f"{local:%H:%M}"
        at += step


def sparkline(points: Sequence[tuple[Micros, float]], limit: float | None, width: float = 96.0, height: float = 24.0) -> Markup:
    """A curve as small as a word, with its limit."""
    if len(points) < 2:
        return Markup('<svg class="spark" viewBox="0 0 96 24" aria-hidden="true"></svg>')
    values = [value for _, value in points] + ([limit] if limit is not None else [])
    low, high = min(values), max(values)
    span, length = (high - low) or 1.0, max(1, points[-1][0] - points[0][0])

    def y(value: float) -> float:
        return height - 3 - (height - 6) * (value - low) / span

    places = " ".join(f"{(at - points[0][0]) / length * (width - 6) + 2:.1f},{y(value):.1f}" for at, value in points)
    line = f'<line class="limit" x1="0" x2="{width:.0f}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>' if limit is not None else ""
    dot = f'<circle cx="{width - 4:.1f}" cy="{y(points[-1][1]):.1f}" r="2"/>'
    body = f'{line}<polyline points="{places}"/>{dot}'
    return Markup(f'<svg class="spark" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true">{body}</svg>')  # noqa: S704 - numbers only

"""The curve of `vorab bench habits` as SVG that reads on light and on dark ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

from vorab.bench.ranking_picture import BOTTOM, HIGH, LEFT, OTHERS, RIGHT, TOP, WIDE


def picture(curves: Sequence[Sequence[float]], means: Mapping[str, float], bar: float) -> str:
    """The share of the best possible, message by message, with the spread of the seeds; others as lines at the right."""
    by_message: Final = list(zip(*curves, strict=True))
    end = WIDE - RIGHT

    def x(n: int) -> float:
        return LEFT + n / max(1, len(by_message) - 1) * (end - LEFT)

    def y(value: float) -> float:
        return BOTTOM - max(0.0, min(1.0, value)) * (BOTTOM - TOP)

    upper = [f"{x(n):.1f},{y(max(each)):.1f}" for n, each in enumerate(by_message)]
    lower = [f"{x(n):.1f},{y(min(each)):.1f}" for n, each in enumerate(by_message)]
    curve = [f"{x(n):.1f},{y(mean(each)):.1f}" for n, each in enumerate(by_message)]
    marks = [
        f'<path d="M{LEFT} {y(v):.1f}H{end}" stroke="#888" opacity=".3"/>'
        f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.0%}</text>'
        for v in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    marks += [f'<text x="{x(n - 1):.1f}" y="{BOTTOM + 20}" text-anchor="middle">message {n}</text>' for n in (1, 6, 12)]
    marks += [
        f'<path d="M{x(5):.1f} {y(means[name]):.1f}H{end}" stroke="{colour}" stroke-width="2" stroke-dasharray="2 3"/>'
        f'<text x="{end + 8}" y="{y(means[name]) + 4:.1f}" fill="{colour}">{name}</text>'
        for name, colour in OTHERS.items()
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#808890">'
        "<title>Chance of an answer, of the best possible, message by message</title>"
        f'{"".join(marks)}<path d="M{LEFT} {y(bar):.1f}H{end}" stroke="#c0392b" stroke-dasharray="4 4"/>'
        f'<text x="{end + 8}" y="{y(bar) + 4:.1f}" fill="#c0392b">bar: {bar:.0%}</text>'
        f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="#4a78b5" opacity=".2"/>'
        f'<polyline points="{" ".join(curve)}" fill="none" stroke="#4a78b5" stroke-width="2"/></svg>\n'
    )

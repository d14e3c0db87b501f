"""What the live page looks at when: the demo's dramaturgy. Everything that is shown there comes from the log."""

from __future__ import annotations

from typing import Final, NamedTuple

from vorab.clock import HOUR, MINUTE, Micros


class Scene(NamedTuple):
    """One machine in the light, for a while."""

    device: str
    signal: str
    title: str
    until: str
    """Local time of the night at which the next scene begins."""
    window: tuple[str, str]
    """The time axis."""


SCENES: Final = (
    Scene("main/pump-017", "pressure", "A pump in the waterworks", "23:56", ("22:00", "00:00")),
    Scene("main/printer-021", "toner_feed", "A printer that says done", "01:48", ("23:48", "01:50")),
    Scene("main/heat-pump-001", "pressure", "A home, everybody asleep", "02:56", ("01:20", "03:10")),
    Scene("main/heat-pump-002", "pressure", "Another home", "05:44", ("02:10", "05:50")),
    Scene("main/heat-pump-003", "pressure", "A home that was never asked", "07:30", ("02:40", "07:30")),
)


def moment(start: Micros, clock_time: str) -> Micros:
    """A local time of the night that begins at `start` (22:00), µs."""
    hour, minute = map(int, clock_time.split(":"))
    return start + ((hour - 22) % 24) * HOUR + minute * MINUTE


def told(start: Micros) -> list[dict[str, object]]:
    """The scenes for the live page, times in µs."""
    return [
        {
            "device": scene.device,
            "signal": scene.signal,
            "title": scene.title,
            "until": moment(start, scene.until),
            "first": moment(start, scene.window[0]),
            "last": moment(start, scene.window[1]),
        }
        for scene in SCENES
    ]

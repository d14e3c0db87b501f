"""Rendering of pages: one template environment that escapes everything, and times in the words of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from desk import words
from desk.timeline.labels import shell
from vorab.clock import DAY, SECOND, Clock, Micros, iso, to_datetime
from vorab.errors import ConfigError

HOME: Final = Path(__file__).parent
TEMPLATES: Final = HOME / "templates"
STATIC: Final = HOME / "static"


def zone_of(name: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        ConfigError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"there is no time zone {name!r}", key="desk.time_zone", hint="for example Europe/Berlin") from None


@dataclass(frozen=True, slots=True)
class Times:
    """Moments as the console writes them."""

    zone: ZoneInfo
    now: Micros

    def ago(self, at: Micros) -> str:
        """`18 min ago`; the date where it is long ago or to come."""
        length = self.now - at
        if length < 0 or length > 7 * DAY:
            return self.date(at)
        return "now" if length < 5 * SECOND else f"{words.span(length, coarse=True)} ago"

    def clock(self, at: Micros) -> str:
        """`02:14`."""
        return f"{self._local(at):%H:%M}"

    def date(self, at: Micros) -> str:
        """`8 Feb 2014, 06:50`."""
        local = self._local(at)
        return f"{local.day} {local:%b %Y, %H:%M}"

    def exact(self, at: Micros) -> str:
        """`Tue 24 Nov 2026, 02:14:05 Europe/Berlin`."""
        local = self._local(at)
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {self.zone.key}"

    def _local(self, at: Micros) -> datetime:
        return to_datetime(at).astimezone(self.zone)

    def html(self, at: Micros, how: str = "ago") -> Markup:
        """A `time` element with the exact time on hover."""
        text = {"ago": self.ago, "clock": self.clock, "date": self.date}[how](at)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), self.exact(at), text)


class Pages:
    """Renders templates."""

    def __init__(self, clock: Clock, zone: ZoneInfo) -> None:
        self._clock, self.zone = clock, zone
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals.update(words=words, number=words.number, spaced=words.spaced, asset=asset, shell=shell("en"), language="en")

    def times(self) -> Times:
        """Times as of now."""
        return Times(self.zone, self._clock.now())

    def render(self, template: str, **values: Any) -> str:
        """A template as text."""
        times = self.times()
        return self._templates.get_template(template).render(times=times, time=times.html, **values)

    def html(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A template as an answer."""
        return HTMLResponse(self.render(template, **values), status)


def asset(name: str) -> str:
    """The address of a static file, with its age, so that a new version is fetched at once."""
    return f"/static/{name}?{int((STATIC / name).stat().st_mtime)}"

"""The live page: the night as it happens, for people who watch it for the first time. Facts come from the tables; a demo adds its beats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from desk import customer_words as said
from desk.context import Context
from desk.evidence import band, marks, thin
from desk.pages import Pages
from desk.queries import CaseFile, Queries
from desk.story import conversation
from desk.words import REASONS, number, sentence, spaced, unit
from vorab.clock import HOUR, Micros
from vorab.records import DeliveryState, Symptom, SymptomState
from vorab.words import Words

BEATS: Final = "beats.json"
LINES: Final = 9
BUCKET: Final[Micros] = 3 * HOUR


def routes(context: Context, pages: Pages, vocabulary: Words) -> APIRouter:
    """`/demo` and its feed `/api/live`."""
    router = APIRouter(include_in_schema=False)
    feed = Feed(context, pages, vocabulary)

    @router.api_route("/demo", methods=["GET", "HEAD"])
    def demo() -> HTMLResponse:
        """The page; without a script it shows the state of this moment."""
        return pages.html("demo.html", feed=feed.now())

    @router.get("/api/live")
    def live() -> JSONResponse:
        """Everything the page draws."""
        return JSONResponse(feed.now())

    return router


@dataclass(slots=True)
class Track:
    """A recorded series as lowest and highest of each three hours, taken up as it comes."""

    device: str
    signal: str = ""
    last: Micros = 0
    buckets: dict[int, tuple[float, float]] = field(default_factory=dict)

    def catch_up(self, queries: Queries) -> None:
        """Take up what is new."""
        for signal, at, value in queries.points_after(self.device, self.last):
            self.signal, self.last = signal, max(self.last, at)
            low, high = self.buckets.get(at // BUCKET, (value, value))
            self.buckets[at // BUCKET] = (min(low, value), max(high, value))

    def json(self) -> list[list[float]]:
        """Time in ms, lowest, highest."""
        return [[key * BUCKET // 1000, low, high] for key, (low, high) in sorted(self.buckets.items())]


class Feed:
    """Gathers the feed."""

    def __init__(self, context: Context, pages: Pages, vocabulary: Words) -> None:
        self._context, self._pages, self._words = context, pages, vocabulary
        self._tracks: dict[str, Track] = {}

    def now(self) -> dict[str, Any]:
        """The feed of this moment."""
        queries, now = self._context.queries, self._context.clock.now()
        script = self._script(self._context.settings.state_path / BEATS)
        counts = queries.counts()
        return {
            "now": now // 1000,
            "wall": self._context.clock.wall(now) // 1000,
            "speed": self._context.clock.speed,
            "zone": self._pages.zone.key,
            "clock": self._pages.times().clock(now),
            "beats": script.get("beats", []),
            "sum": script.get("sum", {}),
            "end": script.get("end"),
            "counts": {
                "machines": counts["devices"],
                "readings": counts.get("readings", 0),
                "healed": queries.healed_since(0),
                "people": counts["need_person"],
                "sent": counts.get("io.vorab.delivery.sent.v1", 0),
                "not_sent": sum(queries.not_sent().values()),
            },
            "scene": self._scene(script.get("scenes", []), now),
            "recorded": self._recorded(script.get("recorded", [])),
        }

    @staticmethod
    def _script(file: Path) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    # -------------------------------------------------------------------------------------------- the scene

    def _scene(self, scenes: Sequence[dict[str, Any]], now: Micros) -> dict[str, Any] | None:
        queries = self._context.queries
        for row in scenes:
            self._context.projector.watch(row["device"])
        scene: dict[str, Any] | None = next((row for row in scenes if now < row["until"]), scenes[-1] if scenes else None)
        if scene is None:
            latest = queries.latest_case()
            if latest is None:
                return None
            opened = latest.last.opened_at
            first, last = opened - 2 * HOUR, max(opened + 2 * HOUR, now)
            scene = {"device": latest.last.key, "signal": latest.last.signal, "title": "The latest case", "first": first, "last": last}
        case = queries.case_between(scene["device"], scene["first"], scene["last"])
        file = queries.case(case) if case else None
        device = queries.device(scene["device"])
        return {
            "title": scene["title"],
            "device": scene["device"],
            "name": (device.name if device else "") or scene["device"].partition("/")[2],
            "model": device.model if device else "",
            "case": case,
            "sentence": sentence(file) if file else "",
            "lines": [line.json() for line in conversation(file) if line.who != "phone" and not line.aside][-LINES:] if file else [],
            "curve": self._curve(scene, file, now),
            "phone": self._phone(file, now),
        }

    def _curve(self, scene: dict[str, Any], file: CaseFile | None, now: Micros) -> dict[str, Any]:
        raised = [s for s in file.symptoms if s.state is SymptomState.RAISED and s.signal] if file else []
        symptom = raised[-1] if raised else None
        signal = symptom.signal if symptom else scene["signal"]
        points = self._context.queries.curve(scene["device"], signal, scene["first"], min(scene["last"], now))
        low, high = _usual(points, symptom)
        found = sorted(marks(file), key=lambda mark: mark.at) if file else []
        cleared = next((s.cleared_at for s in file.symptoms if s.state is SymptomState.CLEARED), None) if file else None
        proven = next((mark.at for mark in found if mark.kind == "proof"), None)
        return {
            "signal": spaced(signal),
            "unit": unit(symptom.unit) if symptom else "",
            "first": scene["first"] // 1000,
            "last": scene["last"] // 1000,
            "points": [[at // 1000, value] for at, value in thin(points)],
            "low": low,
            "high": high,
            "limit": symptom.limit if symptom else None,
            "limit_text": f"limit {number(symptom.limit, symptom.unit)}" if symptom and symptom.limit is not None else "",
            "cleared": cleared // 1000 if cleared is not None else None,
            "proven": proven // 1000 if proven is not None else None,
            "marks": [{"at": mark.at // 1000, "kind": mark.kind, "text": mark.text} for mark in found if mark.kind != "message"],
        }

    def _phone(self, file: CaseFile | None, now: Micros) -> dict[str, Any]:
        if file is None or not file.deliveries:
            return {"state": "dark", "caption": "nothing to say"}
        last = file.deliveries[-1]
        sent = [row for row in file.deliveries if row.state is DeliveryState.SENT]
        if sent:
            note = next((row for row in file.notifications if row.id == sent[-1].notification), None)
            customer = self._context.queries.customer(file.notifications[-1].key)
            page = said.say(file, note.stage if note else "", customer, self._words, now, self._pages.zone)
            button = said.BUTTONS[page.language][page.choices[0]]
            return {
                "state": "lit",
                "caption": "sent once",
                "title": page.title,
                "text": list(page.paragraphs),
                "button": button,
                "lang": page.language,
                "at": self._pages.times().clock(sent[-1].at),
            }
        if last.state is DeliveryState.DEFERRED:
            return {"state": "waits", "caption": f"waits: {last.detail or REASONS[last.reason]}"}
        return {"state": "kept", "caption": f"not sent: {REASONS[last.reason]}"}

    # -------------------------------------------------------------------------------------------- recorded

    def _recorded(self, series: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        if not series:
            return None
        row, queries = series[0], self._context.queries
        track = self._tracks.setdefault(row["device"], Track(row["device"]))
        track.catch_up(queries)
        spoke = queries.symptoms(row["device"])
        return {
            "title": row["title"],
            "signal": spaced(track.signal),
            "first": row["first"] // 1000,
            "last": row["last"] // 1000,
            "track": track.json(),
            "spoke": [symptom.detected_at // 1000 for symptom in spoke],
            "windows": [{name: at // 1000 for name, at in window.items()} for window in row["windows"]],
        }


def _usual(points: Sequence[tuple[Micros, float]], symptom: Symptom | None) -> tuple[float | None, float | None]:
    """The band to draw: the range the machine kept while it was well, bounded by the limit once a rule has named one."""
    well = [value for at, value in points if symptom is None or at < symptom.onset]
    if symptom is not None and (symptom.low is not None or symptom.high is not None):
        return band(symptom)
    if len(well) < 4:
        return (None, None) if symptom is None else band(symptom)
    low, high = min(well), max(well)
    air = max((high - low) * 0.5, abs(high) * 0.04)
    if symptom is None or symptom.limit is None:
        return low - air, high + air
    below, above = band(symptom)
    return (below if below is not None else low - air), (above if above is not None else high + air)
